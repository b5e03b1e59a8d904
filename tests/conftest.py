"""A simulated head for every test; and which operations passed on which head, told at the end of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.inventory import parse
from tests import conformance
from tests.conformance import HEAD
from tests.operations.bench import Bench
from tests.operations.sim_eyes import SimEyes
from tests.support.postgres import Postgres, programs, running


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep journals of runs out of the home of whoever runs the tests."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    yield
    patch.undo()


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A simulated head of the test's own."""
    inventory = parse(
        f"[heads]\njbod-01 connection=sim pools=jbod-01-p01 state={tmp_path}/jbod-01.sim sim_process=true\n",
        tmp_path / "inventory",
    )
    host = inventory.hosts["jbod-01"]
    test = re.sub(r"[^a-z0-9]", "", request.node.name.removeprefix("test_"))[:24]
    bench = Bench(host=host, eyes=SimEyes(host), inventory=inventory, test=test)
    request.node.user_properties.append((HEAD, "simulated"))
    bench.seen = request.node.user_properties
    yield bench
    bench.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of a process, started when the first asks for it.

    Each test makes databases of its own, by `create_database`.
    """
    if programs() is None:
        assert os.environ.get("CI") != "true", "CI needs PostgreSQL: run tests/tools/packages base"
        pytest.skip("PostgreSQL is not installed: run tests/tools/packages base")
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lunops.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database(request.module.__name__.rpartition(".")[2])


class _Plugin:
    """Hears every report once, in the process that the user started."""

    def __init__(self) -> None:
        self.collector = conformance.Collector()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or (report.when == "setup" and report.failed):
            name = report.nodeid.rsplit("::", 1)[-1]
            self.collector.add(name, report.outcome, report.user_properties)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for head, results in self.collector.results.items():
            terminalreporter.section(f"operations on the {head} head")
            for line in conformance.summary(results):
                terminalreporter.line(line)
            conformance.save(head, results)
        for name, count in sorted(self.collector.counts.items()):
            terminalreporter.line(f"{name}: {count}")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, unless this is one of the processes that a run is shared out to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Plugin())
