"""Tell at the end of a run which operations passed on which head, and what was counted (such as fault points)."""

from __future__ import annotations

import pytest

from tests import conformance


class _Plugin:
    """Hears every report once, in the process that the user started."""

    def __init__(self) -> None:
        self.collector = conformance.Collector()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or (report.when == "setup" and report.failed):
            name = report.nodeid.rsplit("::", 1)[-1]
            self.collector.add(name, report.outcome, report.user_properties)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for head, results in self.collector.results.items():
            terminalreporter.section(f"operations on the {head} head")
            for line in conformance.summary(results):
                terminalreporter.line(line)
            conformance.save(head, results)
        for name, count in sorted(self.collector.counts.items()):
            terminalreporter.line(f"{name}: {count}")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, unless this is one of the processes that a run is shared out to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Plugin())
