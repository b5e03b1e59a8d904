"""Print a run as it goes: each task as it ends on a head, in colour on a terminal and plain elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from lunops.model import ItemResult, Plan, RunResult, Status, Task, TaskResult
from lunops.recap import Detail, Line, recap_lines, slowest_lines, task_lines, task_title, title

_STYLES = {
    Status.OK: "green",
    Status.CHANGED: "yellow",
    Status.SKIPPED: "cyan",
    Status.FAILED: "red",
    Status.UNREACHABLE: "bold red",
}
_WIDTH = 79


class Output:
    """Where lines go."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._passing = False  # a passing line stands on the terminal
        self._console = None
        if colour:
            from rich.console import Console  # 50 ms that a pipe need not wait for

            self._console = Console(file=stream, force_terminal=True, highlight=False, emoji=False, soft_wrap=True)

    def lines(self, lines: Iterable[Line]) -> None:
        """Print lines."""
        if self._passing:
            self._passing = False
            self._stream.write("\r\x1b[K")
        for line in lines:
            if self._console is None:
                print(line.text, file=self._stream)
            else:
                self._console.print(line.text, style=_STYLES.get(line.status) if line.status else None, markup=False)
        self._stream.flush()

    def passing(self, text: str) -> None:
        """Show a line until the next one comes; on a terminal only."""
        if self._stream.isatty():
            self._passing = True
            self._stream.write(f"\r\x1b[K{text[:_WIDTH]}")
            self._stream.flush()


class Printer:
    """An observer that prints; one thread at a time calls it."""

    def __init__(self, output: Output, detail: Detail) -> None:
        self._output = output
        self._detail = detail
        self._titled = ""  # the task under whose heading we are

    def begin(self, plan: Plan, *, check: bool) -> None:
        """Print the plan's heading."""
        self._output.lines([title(f"PLAY [{plan.name}]" + (" (check mode: nothing is changed)" if check else ""))])

    def task_started(self, head: str, task: Task) -> None:
        """Print nothing: other heads may be in the middle of other tasks."""

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        """Print nothing: items are told with their task."""

    def progress(self, head: str, _task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        """Show how far an item is, on a terminal."""
        percent = f", {100 * done_bytes // total_bytes} %" if total_bytes else ""
        self._output.passing(f"[{head}] {item_key}: {done_bytes} of {total_bytes} bytes{percent}")

    def task_ended(self, result: TaskResult) -> None:
        """Print the task's lines, under its heading; a task that was not begun is only counted."""
        if result.status is Status.SKIPPED and not result.error and not self._detail.items:
            return
        if self._titled != result.task_id:
            self._titled = result.task_id
            self._output.lines([Line(text=""), task_title(result.name)])
        self._output.lines(task_lines(result, self._detail))

    def end(self, result: RunResult) -> None:
        """Print the recap."""
        self._output.lines([Line(text=""), *recap_lines(result), Line(text=""), *slowest_lines(result)])
