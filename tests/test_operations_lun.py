"""The suite of LUNs as a whole on the simulated head."""

from __future__ import annotations

from tests.operations.suite_lun import LunSuite


class TestOnASimulatedHead(LunSuite):
    pass
