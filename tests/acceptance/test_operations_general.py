"""Commands, files and facts on a real head."""

from __future__ import annotations

import pytest

from tests.operations.suite_general import GeneralSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(GeneralSuite):
    pass
