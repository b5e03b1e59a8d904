"""One head's way through its tasks, over one session that is made when it is first needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Protocol, runtime_checkable

from lunops.connections.elevation import refuse_without_root
from lunops.connections.pipe import Pipe
from lunops.errors import AgentError, DeadlineError, HeadError, UnreachableError, WedgedError
from lunops.model import Host, ItemResult, Json, Lost, Status, Task, TaskResult, Times, status_of
from lunops.recap import UNDO
from lunops.relay import SOURCE, Relay, split

_LOOK_S = 0.2  # between two looks whether a cancelled run is over
_AGAIN = "run the same again, which takes up what is there, or delete it"


class HeadSession(Protocol):
    """What a run needs of a session; `lunops.connections.Session` is one."""

    def run(
        self, task: Task, *, check: bool = False, on_item: Callable[[ItemResult], None] | None = None
    ) -> TaskResult:
        """Do a task; raises `HeadError` when its outcome is unknown."""

    def undo(self, task_id: str, made: Mapping[str, Sequence[Json]]) -> tuple[ItemResult, ...]:
        """Take back what was made, by item key."""

    def pipe(self, side: str, args: Json, *, stall_s: float) -> Pipe:
        """Make the head one end of a stream."""

    def wedged(self) -> WedgedError | None:
        """Return why the head took no LIO work when the session began; None if it did."""

    def at_work(self, run: str) -> str:
        """Return who else on the head is at work for a run; the empty text if nobody is."""

    def cancel(self) -> None:
        """End the running task between two items; from any thread."""

    def close(self) -> None:
        """End the session."""


class Observer(Protocol):
    """Told what happens, as it happens."""

    def task_started(self, head: str, task: Task) -> None:
        """Hear that a head begins a task, with the items that it was given."""

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        """Hear how an item ended."""

    def task_ended(self, result: TaskResult) -> None:
        """Hear how a task ended, also one that was not begun."""


@runtime_checkable
class ProgressObserver(Protocol):
    """An observer that hears how far an item is, too: at least once a second while its bytes are moved."""

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        """Hear how far an item is; the total is an estimate."""


class Silent:
    """An observer that does nothing."""

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        """Do nothing."""

    def task_started(self, head: str, task: Task) -> None:
        """Do nothing."""

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        """Do nothing."""

    def task_ended(self, result: TaskResult) -> None:
        """Do nothing."""


class OneAtATime:
    """Calls an observer from one thread at a time."""

    def __init__(self, observer: Observer) -> None:
        """Call this one."""
        self._observer = observer
        self._lock = threading.RLock()

    def task_started(self, head: str, task: Task) -> None:
        """Pass it on."""
        with self._lock:
            self._observer.task_started(head, task)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        """Pass it on."""
        with self._lock:
            self._observer.item_ended(head, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        """Pass it on."""
        if isinstance(self._observer, ProgressObserver):
            with self._lock:
                self._observer.progress(head, task, item_key, done_bytes, total_bytes)

    def task_ended(self, result: TaskResult) -> None:
        """Pass it on."""
        with self._lock:
            self._observer.task_ended(result)


def needs_lio(modules: Iterable[str]) -> bool:
    """Return whether LIO work is among these modules."""
    return any(module.startswith("lio_") or module == "lun" for module in modules)


def failed_keys(results: Sequence[TaskResult]) -> frozenset[str]:
    """Return the keys of the items that failed in any of these tasks."""
    return frozenset(item.key for result in results for item in result.items if item.status.is_bad)


class HeadRun:
    """Does a head's tasks one after the other. For one thread, but for `cancel`."""

    def __init__(
        self,
        host: Host,
        *,
        connect: Callable[[Host], HeadSession],
        observer: Observer,
        check: bool = False,
        waited_s: float = 0.0,
        for_lio: bool = False,
        peers: Mapping[str, Host] | None = None,
    ) -> None:
        """Remember how to get there; `waited_s` is how long the head waited for its turn, part of its first task.

        `for_lio`: LIO work is among the tasks, so that on a wedged head not even the first one is begun. `peers`: other
        heads on which something may have been made before this run of the tasks; its own it comes to know.
        """
        self._host = host
        self._connect = connect
        self._observer = observer
        self._check = check
        self._waited_s = waited_s
        self._for_lio = for_lio
        self._session: HeadSession | None = None
        self._is_over = False  # a task failed as a whole: nothing more is begun
        self._is_broken = False  # the session is of no more use
        self._is_undoing = False
        self._cancelled = threading.Event()
        self._relay = Relay(host, connect)
        self._known_peers = peers or {}
        self._peers: dict[str, Host] = {}  # the other heads of the tasks so far

    def task(self, task: Task, *, without: frozenset[str], check: bool | None = None) -> TaskResult:
        """Do a task; items whose key is in `without` end as skipped, and are not sent.

        `check`: whether this one only looks, where that is not as the whole run does.

        Never raises `HeadError`: it makes a failed or unreachable result, in which every item that was not heard of
        has failed. After that, and after `cancel`, nothing more is sent: all items of further tasks are skipped.
        """
        wanted = replace(task, items=tuple(item for item in task.items if item.key not in without))
        self._peers.update({item.peer.name: item.peer for item in wanted.items if item.peer is not None})
        if self._is_over or self._cancelled.is_set() or not wanted.items:
            result = TaskResult(
                head=self._host.name,
                task_id=task.id,
                name=task.name,
                module=task.module,
                status=Status.SKIPPED,
                items=_all_items(task, {}),
            )
        else:
            self._observer.task_started(self._host.name, wanted)
            result = self._do(task, wanted, check=self._check if check is None else check)
        self._observer.task_ended(result)
        return result

    def take_back(self, results: Sequence[TaskResult]) -> TaskResult | None:
        """Undo what earlier tasks made for each item that failed later; None when there is nothing to undo.

        `results` are those of all the head's tasks, in order. Where a task failed as a whole, the items that later
        tasks did not get to do count as failed: they would be left half-made. Connects again, once, if the
        connection was lost.
        """
        made = {} if self._check else made_for_failed(results)
        return self._undo(len(results) + 1, "Take back what failed items left", made) if made else None

    def take_back_keys(self, results: Sequence[TaskResult], keys: Set[str], number: int) -> TaskResult | None:
        """Undo what these tasks made for the items of these keys, as the task of this number; None: it was nothing."""
        made: dict[str, list[Json]] = {}
        for result in results:
            for item in result.items:
                if item.key in keys and item.made:
                    made.setdefault(item.key, []).extend(item.made)
        return self._undo(number, "Take back what failed items left", made) if made else None

    def revive(self) -> None:
        """Take tasks again after one that failed as a whole: a rescue wants to; a lost connection is made anew."""
        self._is_over = False
        if self._is_broken:
            self.close()
            self._is_broken = False

    def take_back_all(self, results: Sequence[TaskResult], before: int) -> list[TaskResult]:
        """Undo all that these tasks made, the last task first; `before` tasks of the head ended before them.

        One task after the other, since what one item made may stand on what another made earlier.
        """
        undone: list[TaskResult] = []
        for result in reversed(results):
            made = {item.key: list(item.made) for item in result.items if item.made}
            if made and not self._check:
                number = before + len(results) + len(undone) + 1
                undone.append(self._undo(number, f"Take back: {result.name}", made))
        return undone

    def _undo(self, number: int, name: str, made: Mapping[str, Sequence[Json]]) -> TaskResult:
        """Let the agent take back what was made, by item key."""
        task = Task(id=f"{number:02}:{UNDO}", name=name, module=UNDO, items=())
        begun = time.monotonic()
        connect_s = 0.0
        self._is_undoing = True
        try:
            if self._is_broken:
                self.close()
                self._is_broken = False
            own, elsewhere = split(made)
            items: tuple[ItemResult, ...] = ()
            if own:
                session = self._open()
                connect_s = time.monotonic() - begun
                items = session.undo(task.id, own)
            items = (*items, *self._relay.undo(task.id, {**self._known_peers, **self._peers}, elsewhere))
            error, fix = "", ""
        except HeadError as problem:
            self._is_broken = True
            error, fix = self._said(problem, task), problem.fix
            items = tuple(
                ItemResult(key=key, status=Status.FAILED, error=f"not taken back: {error}", fix=_AGAIN) for key in made
            )
        finally:
            self._is_undoing = False
        elapsed_s = time.monotonic() - begun
        run_s = min(sum(item.seconds for item in items), elapsed_s - connect_s)
        result = TaskResult(
            head=self._host.name,
            task_id=task.id,
            name=task.name,
            module=task.module,
            status=status_of(items),
            items=items,
            times=Times(connect_s=connect_s, run_s=run_s, transfer_s=elapsed_s - connect_s - run_s, total_s=elapsed_s),
            error=error,
            fix=fix,
        )
        self._observer.task_ended(result)
        return result

    def cancel(self) -> None:
        """End the running task between two items, and begin no other; from any thread, as often as one likes."""
        self._cancelled.set()
        if self._is_undoing:
            return  # what is being taken back is taken back
        self._relay.cancel()
        session = self._session
        if session is not None:
            session.cancel()

    def wait_until_over(self, run: str, timeout_s: float, *, perhaps_begun: bool = False) -> str:
        """End the session and wait until nobody on the head is at work for a run; return who still is, or nothing.

        A head that cannot be asked in this time counts as one where somebody is; one to which there was no session is
        not asked, unless another process may have begun something there: `perhaps_begun`.
        """
        was_there = self._session is not None
        self.close()
        if not was_there and not perhaps_begun:
            return ""  # nothing was begun
        until = time.monotonic() + timeout_s
        who = "the head cannot be asked"
        while True:
            try:
                session = self._connect(self._host)
                try:
                    while who := session.at_work(run):
                        if time.monotonic() >= until:
                            return who
                        time.sleep(_LOOK_S)
                    return ""
                finally:
                    session.close()
            except HeadError as error:
                who = self._said(error, Task(id="", name="", module="", items=()))
                if time.monotonic() >= until:
                    return who
                time.sleep(_LOOK_S)

    def close(self) -> None:
        """End the session, if there is one."""
        self._relay.close()
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> HeadSession:
        if self._session is None:
            self._session = self._connect(self._host)
        if self._for_lio and (error := self._session.wedged()):
            raise error
        return self._session

    def _do(self, task: Task, wanted: Task, *, check: bool) -> TaskResult:
        """Run the wanted part of a task, and turn what breaks it into its result."""
        begun = time.monotonic()
        heard: dict[str, ItemResult] = {}

        def hear(item: ItemResult) -> None:
            heard[item.key] = item
            self._observer.item_ended(self._host.name, task, item)

        try:
            refuse_without_root(self._host, task.module)
            session = self._open()
            if task.module == SOURCE:
                answer = self._relay.run(
                    session,
                    wanted,
                    check=check,
                    on_item=hear,
                    on_progress=lambda key, done, total: self._tell_progress(task, key, done, total),
                )
            else:
                answer = session.run(wanted, check=check, on_item=hear)
        except HeadError as error:
            self._is_over = self._is_broken = True
            result = self._failed(task, wanted, error, heard, time.monotonic() - begun)
            for item in result.items:
                if item.status.is_bad and item.key not in heard:
                    self._observer.item_ended(self._host.name, task, item)
        else:
            self._is_over = bool(answer.error)
            result = replace(answer, items=_all_items(task, {item.key: item for item in answer.items}))
        waited_s, self._waited_s = self._waited_s, 0.0
        times = replace(result.times, wait_s=result.times.wait_s + waited_s, total_s=result.times.total_s + waited_s)
        return replace(result, times=times)

    def _tell_progress(self, task: Task, key: str, done_bytes: int, total_bytes: int) -> None:
        if isinstance(self._observer, ProgressObserver):
            self._observer.progress(self._host.name, task, key, done_bytes, total_bytes)

    def _failed(
        self, task: Task, wanted: Task, error: HeadError, heard: Mapping[str, ItemResult], elapsed_s: float
    ) -> TaskResult:
        """Return the result of a task that broke: what was not heard of shares its error."""
        status = Status.UNREACHABLE if isinstance(error, UnreachableError) else Status.FAILED
        said = self._said(error, task)
        known = {
            item.key: ItemResult(
                key=item.key,
                status=status,
                error=said,
                fix=error.fix,
                made=() if isinstance(error, WedgedError) else item.perhaps,
            )
            for item in wanted.items
        }
        connect_s = elapsed_s if self._session is None else 0.0
        return TaskResult(
            head=self._host.name,
            task_id=task.id,
            name=task.name,
            module=task.module,
            status=status,
            items=_all_items(task, {**known, **heard}),
            times=Times(connect_s=connect_s, transfer_s=elapsed_s - connect_s, total_s=elapsed_s),
            error=said,
            fix=error.fix,
            wedged=isinstance(error, WedgedError),
            lost=self._lost(error),
        )

    def _lost(self, error: HeadError) -> Lost:
        if not isinstance(error, (UnreachableError, AgentError, DeadlineError)):
            return Lost.NOT
        return Lost.WAY if isinstance(error, UnreachableError) or self._session is None else Lost.AGENT

    def _said(self, error: HeadError, task: Task) -> str:
        """Return what an error says, with its place where that is more than this head and task."""
        place = error.where.removeprefix(f"{self._host.name}, task {task.id} {task.name}")
        place = place.removeprefix(self._host.name).strip(":, ")
        return f"{error.what} ({place})" if place else error.what


def made_for_failed(results: Sequence[TaskResult]) -> dict[str, list[Json]]:
    """Return, for each item that is to be taken back, what was made for it, the oldest first."""
    keys = set(failed_keys(results))
    over = next((place for place, result in enumerate(results) if result.error and result.status.is_bad), None)
    if over is not None:
        undone = [item for result in results[over + 1 :] for item in result.items]
        keys |= {item.key for item in undone if item.status is Status.SKIPPED}
    made: dict[str, list[Json]] = {}
    for result in results:
        for item in result.items:
            if item.key in keys and item.made:
                made.setdefault(item.key, []).extend(item.made)
    return made


def _all_items(task: Task, known: Mapping[str, ItemResult]) -> tuple[ItemResult, ...]:
    """Return a result for each of the task's items, in their order; those not known of were skipped."""
    return tuple(known.get(item.key) or ItemResult(key=item.key, status=Status.SKIPPED) for item in task.items)
