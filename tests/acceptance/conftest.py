"""Two real storage heads for the whole session, fresh at its start; a test that skips here has failed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lunops.inventory import Inventory, parse
from tests.acceptance.eyes import LabEyes
from tests.conformance import HEAD
from tests.lab.access import Access
from tests.operations.bench import Bench

LAB = Path(__file__).parents[1] / "lab" / "lab"
# The head of the `bench`; another one beside LUNOPS_LAB_KEEP lets two people work on tests at once.
BENCH_HEAD = os.environ.get("LUNOPS_LAB_HEAD", "jbod-01")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure: what cannot run here is not shown."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and a skip is a failure here: {call.excinfo}"
    return report


def lab(*words: str) -> str:
    """Run the lab's own command and return what it prints."""
    done = subprocess.run([LAB, *words], stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return done.stdout


@pytest.fixture(scope="session")
def heads(pytestconfig: pytest.Config) -> Iterator[dict[str, Access]]:
    """Boot jbod-01 and jbod-02, and say what was booted."""
    keep = bool(os.environ.get("LUNOPS_LAB_KEEP"))  # for work on the tests: heads as they are, and left running
    count = str(max(2, int(BENCH_HEAD[-2:])))
    lab("up", "--heads", count)
    for name in () if keep else ("jbod-01", "jbod-02"):
        lab("reset", name)
    heads = {one["name"]: Access(**one) for one in json.loads(lab("up", "--heads", count, "--json"))}
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for head in heads.values():
            kernel = LabEyes(head).run(["sh", "-c", "uname -r; zfs version | head -1; targetcli version"])[1]
            print(f"\nbooted {head.name}: pool {head.pool}, kernel {' '.join(kernel.split())}", file=sys.stderr)
    yield heads
    if not keep:
        lab("down")


@pytest.fixture(scope="session")
def inventory(heads: dict[str, Access]) -> Inventory:
    """The inventory of the running heads, as `lunops run -i` takes it."""
    assert heads
    return parse(lab("inventory"), Path("lab-inventory"))


@pytest.fixture(scope="session")
def eyes(heads: dict[str, Access]) -> dict[str, LabEyes]:
    """Eyes on each head that do not go through lunops."""
    return {name: LabEyes(head) for name, head in heads.items()}


@pytest.fixture(scope="module")
def fresh_head(eyes: dict[str, LabEyes]) -> None:
    """The head of the `bench` as it was when it came up: for tests that look at all that a head has."""
    if os.environ.get("LUNOPS_LAB_KEEP"):
        return
    eyes[BENCH_HEAD].forget()
    for chance in range(3):
        try:
            lab("reset", BENCH_HEAD)
            return
        except subprocess.CalledProcessError:  # its port was taken by a connection of another program meanwhile
            if chance == 2:
                raise
            time.sleep(5)


@pytest.fixture
def bench(request: pytest.FixtureRequest, inventory: Inventory, eyes: dict[str, LabEyes]) -> Iterator[Bench]:
    """One real head, with names of this test's own."""
    name = BENCH_HEAD
    test = re.sub(r"[^a-z0-9]", "", request.node.name.removeprefix("test_"))[:24]
    bench = Bench(host=inventory.hosts[name], eyes=eyes[name], inventory=inventory, test=test)
    request.node.user_properties.append((HEAD, "real"))
    bench.seen = request.node.user_properties
    yield bench
    bench.close()
