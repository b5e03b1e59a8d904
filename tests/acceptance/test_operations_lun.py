"""LUNs as a whole on the real kernel."""

from __future__ import annotations

import pytest

from tests.operations.suite_lun import LunSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(LunSuite):
    pass
