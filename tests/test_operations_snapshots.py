"""The suite of snapshots and names on the simulated head."""

from __future__ import annotations

from tests.operations.suite_snapshots import SnapshotsSuite


class TestOnASimulatedHead(SnapshotsSuite):
    pass
