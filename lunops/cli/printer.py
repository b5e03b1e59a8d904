"""Print a run as it goes: each task as it ends on a head, or, where the heads are many, on all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType

from lunops.cli.output import Output
from lunops.cli.progress import Progress
from lunops.model import Host, ItemResult, RunResult, Task, TaskResult
from lunops.recap import (
    Detail,
    Line,
    Profile,
    Tone,
    clean,
    end_lines,
    group_lines,
    masked,
    masked_run,
    note_lines,
    place_lines,
    play_title,
    retry_line,
    task_title,
)

__all__ = ["Output", "Printer", "connection_text"]

_TICK_S = 0.2  # the passing line is written no more often


class Printer:
    """An observer that prints; one thread at a time calls it. Use it in a `with`, so that its passing line ends."""

    def __init__(
        self,
        output: Output,
        detail: Detail,
        *,
        profile: Profile | None = None,
        hosts: Mapping[str, Host] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Print to `output`; `hosts` are those whose connections are told where all is (-vvv)."""
        self._output = output
        self._detail = detail
        self._profile = profile
        self._hosts = hosts or {}
        self._now = now
        self._lock = threading.RLock()
        self._progress = Progress()
        self._heads: frozenset[str] = frozenset()  # of the play
        self._plays = 0
        self._titled = ""  # the task under whose heading we are
        self._placed = ""  # the task whose place was told
        self._at_work: dict[str, set[str]] = {}  # the heads that are in the middle of a task
        self._waiting: dict[str, list[TaskResult]] = {}  # what is told when all heads have ended a task
        self._untold: dict[str, set[str]] = {}  # the heads that have not ended it
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Printer:
        if self._output.is_live:
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
        with self._lock:
            self._flush()
        self._output.lines([])

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:  # noqa: ARG002 - of the observer
        """Print the play's heading."""
        self._play(name, heads, check=self._detail.check)

    def _play(self, name: str, heads: tuple[str, ...], *, check: bool) -> None:
        with self._lock:
            self._flush()
            self._heads = frozenset(heads)
            self._progress.play(heads)
            self._titled = self._placed = ""
            self._at_work.clear()
            lines = [Line(text="")] if self._plays else []
            self._plays += 1
            self._output.lines([*lines, play_title(self._output.mask(name), check=check), *self._connections(heads)])

    def _connections(self, heads: Iterable[str]) -> Iterable[Line]:
        if self._detail.everything:
            for head in heads:
                if host := self._hosts.get(head):
                    yield Line(
                        text=f"<{clean(head)}> {clean(self._output.mask(connection_text(host)))}", tone=Tone.ASIDE
                    )

    def task_started(self, head: str, task: Task) -> None:
        """Print the task's heading, unless other heads are in the middle of another task."""
        task = replace(task, name=self._output.mask(task.name))  # before it is cut or cleaned for the passing line
        with self._lock:
            self._settle(task.id)
            self._at_work.setdefault(task.id, set()).add(head)
            self._progress.task_started(head, task, self._now())
            if len(self._at_work) == 1 and not self._waiting and self._titled != task.id:
                self._title(task.name, task.id, is_handler=task.is_handler)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        """Count it; items are told with their task."""
        item = replace(item, key=self._output.mask(item.key))
        with self._lock:
            self._progress.item_ended(head, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        """Remember how far an item is, for the passing line."""
        with self._lock:
            self._progress.moved(head, task, self._output.mask(item_key), done_bytes, total_bytes, self._now())

    def retrying(self, head: str, task_name: str, attempt: int, of: int) -> None:
        """Say that an attempt failed, and how many are left."""
        self._output.lines([retry_line(head, self._output.mask(task_name), attempt, of)])

    def note(self, text: str) -> None:
        """Print a warning."""
        self._output.lines(note_lines(self._output.mask(text)))

    def task_ended(self, result: TaskResult) -> None:
        """Print the task's lines under its heading; where the heads are many, once all have ended it."""
        with self._lock:
            result = masked(result, self._output.mask)
            self._progress.task_ended(result)
            self._settle(result.task_id)
            at_work = self._at_work.get(result.task_id, set())
            at_work.discard(result.head)
            if not at_work:
                self._at_work.pop(result.task_id, None)
            self._waiting.setdefault(result.task_id, []).append(result)
            untold = self._untold.setdefault(result.task_id, set(self._heads))
            untold.discard(result.head)
            if len(self._heads) <= self._detail.many or not untold:
                self._tell(result.task_id)

    def end(self, result: RunResult) -> None:
        """Print the recap, the slowest tasks, and where the time went."""
        with self._lock:
            self._flush()
            self._over.set()
            result = masked_run(result, self._output.mask)
            self._output.lines(end_lines(result, self._detail, self._profile))

    def _settle(self, task_id: str) -> None:
        """Tell the tasks before this one that no head is in the middle of."""
        for other in [other for other in self._waiting if other != task_id and other not in self._at_work]:
            self._tell(other)

    def _flush(self) -> None:
        for task_id in list(self._waiting):
            self._tell(task_id)

    def _tell(self, task_id: str) -> None:
        results = self._waiting.pop(task_id)
        self._untold.pop(task_id, None)
        first = results[0]
        if self._titled != task_id:
            self._title(first.name, task_id, is_handler=first.is_handler)
        lines = [] if self._placed == task_id else [*place_lines(first, self._detail)]
        self._placed = task_id
        self._output.lines([*lines, *group_lines(results, self._detail)])

    def _title(self, name: str, task_id: str, *, is_handler: bool) -> None:
        self._titled, self._placed = task_id, ""
        lines = [Line(text=""), task_title(self._output.mask(name), task_id, is_handler=is_handler)]
        self._output.lines(lines)

    def _tick(self) -> None:
        while not self._over.wait(_TICK_S):
            with self._lock:
                line = self._progress.line(self._now())
            if not self._over.is_set():
                self._output.passing(line)


def connection_text(host: Host) -> str:
    """Return how a head is reached, in a few words."""
    if host.connection != "ssh":
        return f"{host.connection}, {host.python}"
    user = f"{host.user}@" if host.user else ""
    port = f":{host.port}" if host.port else ""
    key = f", key {host.private_key}" if host.private_key else ""
    return f"ssh {user}{host.address or host.name}{port}{key}{', become' if host.become else ''}, {host.python}"
