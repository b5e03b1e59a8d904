"""Drift, reconcile and adopt on the simulated head."""

from __future__ import annotations

from tests.operations.suite_drift import DriftSuite


class TestOnASimulatedHead(DriftSuite):
    pass
