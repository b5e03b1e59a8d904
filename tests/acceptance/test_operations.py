"""The conformance suite on the real kernel."""

from __future__ import annotations

import pytest

from tests.operations.suite import OperationsSuite

pytestmark = pytest.mark.lab


class TestOnARealHead(OperationsSuite):
    pass
