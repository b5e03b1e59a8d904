"""The suite of volumes on the simulated head."""

from __future__ import annotations

from tests.operations.suite_vol import VolumesSuite


class TestOnASimulatedHead(VolumesSuite):
    pass
