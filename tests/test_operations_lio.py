"""LIO in depth, on the simulated head."""

from __future__ import annotations

from tests.operations.suite_lio import LioSuite


class TestOnASimulatedHead(LioSuite):
    pass
