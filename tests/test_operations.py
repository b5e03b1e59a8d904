"""The conformance suite on the simulated head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.inventory import parse
from tests.conformance import HEAD
from tests.operations.bench import Bench, items
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite import OperationsSuite


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A simulated head of the test's own."""
    inventory = parse(
        f"[heads]\njbod-01 connection=sim pools=jbod-01-p01 state={tmp_path}/jbod-01.sim\n", tmp_path / "inventory"
    )
    host = inventory.hosts["jbod-01"]
    test = re.sub(r"[^a-z0-9]", "", request.node.name.removeprefix("test_"))[:24]
    bench = Bench(host=host, eyes=SimEyes(host), inventory=inventory, test=test)
    request.node.user_properties.append((HEAD, "simulated"))
    bench.seen = request.node.user_properties
    yield bench
    bench.close()


class TestOnASimulatedHead(OperationsSuite):
    def test_a_volume_that_never_gets_a_device_is_told_at_once_and_taken_back(self, bench: Bench) -> None:
        # Not in the suite: the real kernel makes a device for such a clone, or not, as it happens.
        (lun,) = bench.luns(1)

        result = bench.create([lun], properties={"volmode": "none"})

        assert "has no device" in items(result, "wait_for_device")[lun.dst].error
        assert bench.traces(lun) == []
