"""The conformance suite on the simulated head."""

from __future__ import annotations

from tests.operations.bench import Bench, items
from tests.operations.suite import OperationsSuite


class TestOnASimulatedHead(OperationsSuite):
    def test_a_volume_that_never_gets_a_device_is_told_at_once_and_taken_back(self, bench: Bench) -> None:
        # Not in the suite: the real kernel makes a device for such a clone, or not, as it happens.
        (lun,) = bench.luns(1)

        result = bench.create([lun], properties={"volmode": "none"})

        assert "has no device" in items(result, "wait_for_device")[lun.dst].error
        assert bench.traces(lun) == []
