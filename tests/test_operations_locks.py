"""Several at once on the simulated head."""

from __future__ import annotations

from tests.operations.suite_locks import LocksSuite


class TestOnASimulatedHead(LocksSuite):
    pass
