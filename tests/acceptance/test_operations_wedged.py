"""The mark of a wedged head, on the real one; and a real kernel call that hangs."""

from __future__ import annotations

import pytest

from tests.operations.suite_wedged import WedgedSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(WedgedSuite):
    pass
