"""The sessions of a run: one for each head and way to become root, made when it is first needed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace

from lunops.head_run import HeadRun, HeadSession, ProgressObserver
from lunops.model import Host, ItemResult, Task, TaskResult
from lunops.play.observer import PlayObserver

_CLOSING_MOST = 32  # sessions that are ended side by side

Key = tuple[str, bool, str]


@dataclass(kw_only=True)
class _Line:
    """One head's session, and what was done over it in this play."""

    run: HeadRun
    lock: threading.Lock = field(default_factory=threading.Lock)  # tasks that are delegated to it wait for each other
    results: list[TaskResult] = field(default_factory=list)


class Reach:
    """Does tasks on heads."""

    def __init__(
        self,
        connect: Callable[[Host], HeadSession],
        observer: PlayObserver,
        *,
        check: bool,
        is_stopped: Callable[[], bool],
        for_lio: Callable[[], bool],
    ) -> None:
        self._connect = connect
        self._observer = _Quiet(observer)
        self._check = check
        self._is_stopped = is_stopped
        self._for_lio = for_lio
        self._lines: dict[Key, _Line] = {}
        self._guard = threading.Lock()

    def run(self, host: Host, task: Task, *, without: frozenset[str], check: bool) -> TaskResult:
        """Do a task on a head, over its session; never raises `HeadError`."""
        line = self._line(host)
        asked = time.monotonic()
        with line.lock:
            waited_s = time.monotonic() - asked
            result = line.run.task(task, without=without, check=check)
        return result if waited_s < 0.001 else _waited(result, waited_s)

    def keep(self, host: Host, result: TaskResult) -> None:
        """Remember what a task made on a head, in case that it has to be taken back."""
        self._line(host).results.append(result)

    def revive(self, host_name: str) -> None:
        """Let a head take tasks again after one that failed as a whole."""
        for line in self._of(host_name):
            line.run.revive()

    def take_back(self, host_name: str, keys: Set[str], number: int) -> list[TaskResult]:
        """Undo what was made on a head in this play for the items of these keys."""
        undone = [line.run.take_back_keys(line.results, keys, number) for line in self._of(host_name)]
        return [each for each in undone if each is not None]

    def take_back_all(self, host_name: str, number: int) -> list[TaskResult]:
        """Undo all that was made on a head in this play, the last task first."""
        undone: list[TaskResult] = []
        for line in self._of(host_name):
            before = number - 1 - len(line.results) + len(undone)
            undone += line.run.take_back_all(line.results, before=before)
        return undone

    def take_back_one(self, host: Host, result: TaskResult, number: int) -> list[TaskResult]:
        """Undo all that one task made on a head."""
        line = self._line(host)
        line.results = [each for each in line.results if each is not result]
        return line.run.take_back_all([result], before=number - 2)

    def forget(self) -> None:
        """Begin another play: what was made so far stays."""
        for line in self._lines.values():
            line.results = []

    def cancel(self) -> None:
        """End the running tasks between two items, and begin no others."""
        with self._guard:
            lines = list(self._lines.values())
        for line in lines:
            line.run.cancel()

    def reset(self, host_name: str) -> None:
        """End a head's sessions; the next task connects anew."""
        with self._guard:
            gone = [self._lines.pop(key) for key in list(self._lines) if key[0] == host_name]
        for line in gone:
            line.run.close()

    def close(self) -> None:
        """End all sessions, side by side: each end costs a round trip."""
        with self._guard:
            lines, self._lines = list(self._lines.values()), {}

        def some() -> None:
            with contextlib.suppress(IndexError):
                while True:
                    lines.pop().run.close()

        threads = [threading.Thread(target=some, daemon=True) for _ in range(min(len(lines), _CLOSING_MOST))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _line(self, host: Host) -> _Line:
        key = (host.name, host.become, host.become_user)
        with self._guard:
            if key not in self._lines:
                run = HeadRun(
                    host,
                    connect=self._connect,
                    observer=self._observer,
                    check=self._check,
                    for_lio=self._for_lio(),
                )
                self._lines[key] = _Line(run=run)
            line = self._lines[key]
        if self._is_stopped():
            line.run.cancel()
        return line

    def _of(self, host_name: str) -> list[_Line]:
        with self._guard:
            return [line for key, line in self._lines.items() if key[0] == host_name]


class _Quiet:
    """Passes on what a session's run tells, but for a task's end: that is told when it was judged."""

    def __init__(self, observer: PlayObserver) -> None:
        self._observer = observer

    def task_started(self, head: str, task: Task) -> None:
        self._observer.task_started(head, task)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        self._observer.item_ended(head, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        if isinstance(self._observer, ProgressObserver):
            self._observer.progress(head, task, item_key, done_bytes, total_bytes)

    def task_ended(self, result: TaskResult) -> None:
        del result


def _waited(result: TaskResult, waited_s: float) -> TaskResult:
    times = replace(result.times, wait_s=result.times.wait_s + waited_s, total_s=result.times.total_s + waited_s)
    return replace(result, times=times)
