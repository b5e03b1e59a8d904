"""Drift, reconcile and adopt on the real kernel."""

from __future__ import annotations

import pytest

from tests.operations.suite_drift import DriftSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(DriftSuite):
    pass
