"""The suite of volumes on the real kernel."""

from __future__ import annotations

import pytest

from tests.operations.suite_vol import VolumesSuite

pytestmark = pytest.mark.lab


class TestOnARealHead(VolumesSuite):
    pass
