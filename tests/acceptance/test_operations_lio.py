"""LIO in depth, on the real kernel, and what a real initiator sees of it."""

from __future__ import annotations

import pytest

from tests.operations.suite_lio import LioSuite

pytestmark = pytest.mark.lab


class TestOnARealHead(LioSuite):
    pass
