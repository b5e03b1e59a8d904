"""The sessions of a run: one for each head and way to become root, made when it is first needed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import groupby

from lunops.head_run import HeadRun, HeadSession, ProgressObserver
from lunops.model import Host, ItemResult, Task, TaskResult
from lunops.modules import MODULES
from lunops.play.observer import PlayObserver
from lunops.play.state import Made

_CLOSING_MOST = 32  # sessions that are ended side by side

Key = tuple[str, bool, str]


@dataclass(kw_only=True)
class _Line:
    """One head's session."""

    run: HeadRun
    told: _Told
    lock: threading.Lock = field(default_factory=threading.Lock)  # tasks that are delegated to it wait for each other


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What was made in this play, and for whom."""

    owner: str  # the head of the play whose task it was
    turn: str  # of which task, and which flush of handlers
    host: Host  # the head that did it
    result: TaskResult

    @property
    def line(self) -> Key:
        """The session over which it was made."""
        return _key(self.host)


class Reach:
    """Does tasks on heads, and takes back what they made."""

    def __init__(
        self,
        connect: Callable[[Host], HeadSession],
        observer: PlayObserver,
        *,
        check: bool,
        is_stopped: Callable[[], bool],
        for_lio: bool,
        hosts: Mapping[str, Host] | None = None,
    ) -> None:
        """`hosts` are all heads that there may be; `for_lio`: LIO work is among the tasks of the run."""
        self._connect = connect
        self._observer = observer
        self._check = check
        self._is_stopped = is_stopped
        self._for_lio = for_lio
        self._hosts = hosts or {}
        self._lines: dict[Key, _Line] = {}
        self._kept: list[_Kept] = []  # the oldest first
        self._guard = threading.Lock()

    def run(self, host: Host, task: Task, *, owner: str, without: frozenset[str], check: bool) -> TaskResult:
        """Do a task of the head `owner` on a head, over its session; never raises `HeadError`."""
        line = self._line(host)
        asked = time.monotonic()
        with line.lock:
            waited_s = time.monotonic() - asked
            line.told.owner = owner
            # Who takes part in a play is for the play to say: a head whose last task broke is reached anew.
            line.run.revive()
            result = line.run.task(task, without=without, check=check)
        return result if waited_s < 0.001 else _waited(result, waited_s)

    def keep(self, owner: str, turn: str, made: Made) -> None:
        """Remember what a task made for a head, in case that it has to be taken back."""
        host = self._hosts.get(made.host) or Host(name=made.host)
        host = replace(host, become=made.become, become_user=made.become_user)
        with self._guard:
            self._kept.append(_Kept(owner=owner, turn=turn, host=host, result=made.result))

    def take_back(self, owner: str, keys: Set[str], number: int) -> list[TaskResult]:
        """Undo what was made for a head in this play for the LUNs of these keys, snapshots of them too."""
        return self._take_back(
            owner,
            number,
            lambda kept, key: (
                MODULES[kept.result.module].fails_alone and (key in keys or key.partition("@")[0] in keys)
            ),
        )

    def take_back_turn(self, owner: str, turn: str, number: int) -> list[TaskResult]:
        """Undo all that one task made for a head."""
        return self._take_back(owner, number, lambda kept, _key: kept.turn == turn)

    def take_back_all(self, owner: str, number: int) -> list[TaskResult]:
        """Undo all that was made for a head in this play, task by task, the last one first."""
        undone: list[TaskResult] = []
        for kept in reversed(self._taken(owner, lambda _kept, _key: True)):
            undone += self._undo([kept], number + len(undone), as_task=True)
        return undone

    def _take_back(self, owner: str, number: int, is_meant: Callable[[_Kept, str], bool]) -> list[TaskResult]:
        undone: list[TaskResult] = []
        # The last first, as one thing stands on another: by sessions, of which there are seldom more than one.
        for _line, group in groupby(reversed(self._taken(owner, is_meant)), key=lambda kept: kept.line):
            undone += self._undo(list(group)[::-1], number + len(undone), as_task=False)
        return undone

    def _undo(self, made: Sequence[_Kept], number: int, *, as_task: bool) -> list[TaskResult]:
        """Undo what was made over one session; `as_task`: it is told as that of the one task."""
        results = [kept.result for kept in made]
        kept = made[0]
        line = self._line(kept.host)
        with line.lock:
            if as_task:
                found: Sequence[TaskResult | None] = line.run.take_back_all(results, before=number - 1 - len(results))
            else:
                keys = {item.key for result in results for item in result.items}
                found = [line.run.take_back_keys(results, keys, number)]
        delegate = "" if kept.host.name == kept.owner else kept.host.name
        return [replace(each, head=kept.owner, delegate=delegate) for each in found if each is not None]

    def _taken(self, owner: str, is_meant: Callable[[_Kept, str], bool]) -> list[_Kept]:
        """Return what is meant of what was made for a head, and forget it: it is not taken back twice."""
        taken: list[_Kept] = []
        left: list[_Kept] = []
        with self._guard:
            for kept in self._kept:
                meant = {item.key for item in kept.result.items if kept.owner == owner and is_meant(kept, item.key)}
                for keeps, to in ((True, taken), (False, left)):
                    items = tuple(item for item in kept.result.items if (item.key in meant) is keeps)
                    if any(item.made for item in items):
                        to.append(replace(kept, result=replace(kept.result, items=items)))
            self._kept = left
        return taken

    def forget(self) -> None:
        """Begin another play: what was made so far stays."""
        with self._guard:
            self._kept = []

    def cancel(self) -> None:
        """End the running tasks between two items, and begin no others."""
        with self._guard:
            lines = list(self._lines.values())
        for line in lines:
            line.run.cancel()

    def reset(self, host_name: str) -> None:
        """End a head's sessions; the next task connects anew."""
        with self._guard:
            lines = [line for key, line in self._lines.items() if key[0] == host_name]
        for line in lines:
            with line.lock:
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
        key = _key(host)
        with self._guard:
            if key not in self._lines:
                told = _Told(self._observer, host.name)
                run = HeadRun(
                    host,
                    connect=self._connect,
                    observer=told,
                    check=self._check,
                    for_lio=self._for_lio,
                    peers=self._hosts,
                )
                self._lines[key] = _Line(run=run, told=told)
            line = self._lines[key]
        if self._is_stopped():
            line.run.cancel()
        return line


def _key(host: Host) -> Key:
    return host.name, host.become, host.become_user


class _Told:
    """Passes on what a session tells, as of the head whose task it is; a task's end is told when it was judged."""

    def __init__(self, observer: PlayObserver, owner: str) -> None:
        self._observer = observer
        self.owner = owner

    def task_started(self, head: str, task: Task) -> None:
        del head
        self._observer.task_started(self.owner, task)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        del head
        self._observer.item_ended(self.owner, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        del head
        if isinstance(self._observer, ProgressObserver):
            self._observer.progress(self.owner, task, item_key, done_bytes, total_bytes)

    def task_ended(self, result: TaskResult) -> None:
        del result


def _waited(result: TaskResult, waited_s: float) -> TaskResult:
    times = replace(result.times, wait_s=result.times.wait_s + waited_s, total_s=result.times.total_s + waited_s)
    return replace(result, times=times)
