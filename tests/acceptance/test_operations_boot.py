"""The boot order on the real head; what it is for is shown in test_boot.py."""

from __future__ import annotations

import pytest

from tests.operations.suite_boot import BootSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(BootSuite):
    pass
