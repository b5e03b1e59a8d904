"""Do one head's part of a job: its tasks in order, what failed or was cancelled taken back, its end written down.

A task that was cut off runs again as a whole: the agent looks first at what is there, so what was done already ends
`ok`. A part whose head cannot be reached, or whose agent died, is put back and begun anew, until the job's deadline.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic import TypeAdapter

from lunops.errors import JobError, LunopsError, StoreError
from lunops.head_run import HeadRun, failed_keys, needs_lio
from lunops.job_engine import LeaveError, Step
from lunops.jobs.outside import Outside
from lunops.jobs.recorder import Recorder
from lunops.model import ItemResult, Json, Lost, Status, Task, TaskResult
from lunops.store import StaleError, Store, Work
from lunops.store.rows import Cancel, State

T = TypeVar("T")
_RESULTS = TypeAdapter(tuple[TaskResult, ...])
_UNDO = "undo"
_AGAIN_S = 1.0  # before a part is begun anew whose agent died, or whose names another run holds
_OVER_S = 60.0  # for a cancelled run to be over on its head
_WAITS_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # between two tries to write to a store that does not answer
_log = logging.getLogger("lunops.jobs")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How often a part is tried."""

    # Of a task that never came to its end, since its process died. Not fewer: the deaths that a neighbour brings about,
    # and restarts by hand, count as well.
    runs: int = 8
    agents: int = 4  # that a part may lose


class PartRun:
    """One part, under way. `cancel` may be called by any thread."""

    def __init__(
        self,
        store: Store,
        outside: Outside,
        work: Work,
        *,
        worker: str,
        bounds: Bounds,
        is_stopping: Callable[[], bool],
    ) -> None:
        """Nothing is done yet. `is_stopping` tells whether a store that does not answer is not to be waited for."""
        self._is_stopping = is_stopping
        self.work = work
        self._store = store
        self._outside = outside
        self._clock = outside.clock
        self._bounds = bounds
        self._cancel = Cancel(work.cancel) if work.cancel else None
        self._head_run: HeadRun | None = None
        self._connecting = threading.Lock()
        self.recorder = Recorder(store, work, worker, outside.clock, self._stop_now)

    def cancel(self, how: Cancel) -> None:
        """End the running task between two items, and begin no other."""
        self._cancel = how
        self._stop_now()

    def run(self, step: Step) -> None:
        """Do it. Raises LeaveError when it is another worker's by now, or this one stops."""
        try:
            self._run(step)
        except StaleError:
            _log.warning("%s on %s goes on in another worker", self.work.job_id, self.work.head)
            raise LeaveError from None
        except Exception as error:
            what, fix = _said(error, self.work)
            self._end(State.FAILED, error=what, fix=fix)

    def _run(self, step: Step) -> None:
        if self.work.cut_off >= self._bounds.runs:
            what = f"the worker died {self.work.cut_off} times in the same task"
            raise JobError(what, fix="look into the log of the workers, then repeat the job")
        host = self._outside.inventory().hosts.get(self.work.head)
        if host is None:
            raise JobError("the head is no longer in the inventory", fix="bring it back, and repeat the job")
        head_run = HeadRun(
            host,
            connect=self._outside.connect,
            observer=self.recorder,
            for_lio=needs_lio(task.module for task in self.work.tasks),
        )
        try:
            with self._connecting:
                self._head_run = head_run
                if self._cancel is not None:
                    head_run.cancel()
            results = self._tasks(step, head_run)
            if self._is_to_go_on(results):
                self._put_back(results)
                return
            undone = self._take_back(step, head_run, results)
            self._conclude(results, undone, head_run)  # before the session is closed: that waits
        finally:
            head_run.close()

    def _tasks(self, step: Step, head_run: HeadRun) -> list[TaskResult]:
        results: list[TaskResult] = []
        for task in self.work.tasks:
            kept = step(task.id, partial(self._task, head_run, task, tuple(results)))
            results += _RESULTS.validate_python(kept)
            if self.recorder.is_stale:
                raise StaleError
        return results

    def _task(self, head_run: HeadRun, task: Task, before: Sequence[TaskResult]) -> Json:
        without = failed_keys(before)
        if any(result.error and result.status.is_bad for result in before):
            # The head is off, or its agent died. The head's run knows, unless it was before a restart.
            without = frozenset(item.key for item in task.items)
        self.recorder.begin(task.id, task.module, len(task.items))
        result = head_run.task(task, without=without)
        self.recorder.end(task.id, result)
        if result.status is not Status.SKIPPED and not result.lost:
            self._tell_reached(result)
        return _RESULTS.dump_python((result,), mode="json")

    def _tell_reached(self, result: TaskResult) -> None:
        try:
            self._store.reached(self.work.head, wedged_at=self._clock.at() if result.wedged else None)
        except StoreError as error:
            _log.warning("that %s answers is not written down: %s", self.work.head, error)

    # ---- once more

    def _is_to_go_on(self, results: Sequence[TaskResult]) -> bool:
        """Return whether the part is to be begun anew: its head or agent was lost, or another run is at its names."""
        lost = [result for result in results if result.lost]
        busy = any(item.busy for result in results for item in result.items)
        if self._cancel is not None or not (lost or busy):
            return False
        deadline_at = self.work.deadline_at
        if deadline_at is None or self._clock.at() >= deadline_at:
            return False
        return not any(each.lost is Lost.AGENT for each in lost) or self.work.agents_lost + 1 < self._bounds.agents

    def _put_back(self, results: Sequence[TaskResult]) -> None:
        at = self._clock.at()
        lost = next((result for result in results if result.lost), None)
        if lost is not None and lost.lost is Lost.WAY:
            again_at = self._patiently(lambda: self._store.not_reached(self.work.head, lost.error, at=at))
        else:
            again_at = at + _AGAIN_S
        is_agent_lost = lost is not None and lost.lost is Lost.AGENT
        why, fix = next((each.error, each.fix) for each in _errors(results))
        self._finish_notes()
        self._patiently(
            lambda: self._store.put_back(
                self.work, at=at, why=why, fix=fix, again_at=again_at, is_agent_lost=is_agent_lost
            )
        )
        _log.warning("%s on %s is begun anew: %s", self.work.job_id, self.work.head, why)

    # ---- taking back

    def _take_back(self, step: Step, head_run: HeadRun, results: Sequence[TaskResult]) -> list[TaskResult]:
        if self._cancel is None and not any(result.status.is_bad for result in results):
            return []
        kept = step(_UNDO, partial(self._undo, head_run, tuple(results), self._cancel))
        return list(_RESULTS.validate_python(kept))

    def _undo(self, head_run: HeadRun, results: Sequence[TaskResult], how: Cancel | None) -> Json:
        self.recorder.begin(_UNDO, _UNDO, 0)
        if how is None:
            one = head_run.take_back(results)
            undone = [] if one is None else [one]
        elif how is Cancel.UNDO and self.work.kind == "create":
            undone = head_run.take_back_all(results, 0)
        else:
            # A LUN is whole, or not there at all: what was begun and is not whole goes back, in both cases.
            one = head_run.take_back_keys(results, self._halves(results), len(results) + 1)
            undone = [] if one is None else [one]
        for result in undone:
            self.recorder.taken_back(result)
        self.recorder.end(_UNDO, None)
        return _RESULTS.dump_python(tuple(undone), mode="json")

    def _halves(self, results: Sequence[TaskResult]) -> frozenset[str]:
        """Return the keys of the items that not all of the tasks that have them ended well for."""
        good = (Status.OK, Status.CHANGED)
        wanted = Counter(item.key for task in self.work.tasks for item in task.items)
        wanted.subtract(item.key for result in results for item in result.items if item.status in good)
        return frozenset(key for key, left in wanted.items() if left)

    # ---- the end

    def _conclude(self, results: Sequence[TaskResult], undone: Sequence[TaskResult], head_run: HeadRun) -> None:
        failed = any(result.status.is_bad for result in (*results, *undone)) or bool(failed_keys(results))
        what, fix = next(((each.error, each.fix) for each in _errors((*results, *undone))), ("", ""))
        skipped = any(item.status is Status.SKIPPED for result in results for item in result.items)
        if self._cancel is None or (not skipped and self._cancel is Cancel.KEEP):
            self._end(State.FAILED if failed else State.COMPLETE, error=what, fix=fix)
            return
        # Only then the head is the next job's. Who had this part before has perhaps left an agent at work.
        is_further = self.work.cut_off > 0 or self.work.attempt > 1
        who = head_run.wait_until_over(self.work.job_id, _OVER_S, perhaps_begun=is_further)
        if who:
            what, fix = f"cancelled, but still at work on the head: {who}", "look at that process on the head"
            failed = True
        state = State.FAILED if failed else State.CANCELLED
        self._end(state, error=what or "cancelled", fix=fix)

    def _end(self, state: State, *, error: str = "", fix: str = "") -> None:
        self._finish_notes()
        self._patiently(
            lambda: self._store.end(
                self.work, state, at=self._clock.at(), at_s=self._clock.steady_s(), error=error, fix=fix
            )
        )

    def _finish_notes(self) -> None:
        def flush() -> None:
            if not self.recorder.flush():
                raise StoreError("the notes are not written")

        self._patiently(flush)
        if self.recorder.is_stale:
            raise StaleError

    def _patiently(self, do: Callable[[], T]) -> T:
        return patiently(do, self._is_stopping)

    def _stop_now(self) -> None:
        with self._connecting:
            head_run = self._head_run
        if head_run is not None:
            head_run.cancel()


def patiently(do: Callable[[], T], is_stopping: Callable[[], bool]) -> T:
    """Do something with the store, again and again while it does not answer. Raises LeaveError when this ends."""
    tries = 0
    while True:
        try:
            return do()
        except StoreError as error:
            if is_stopping():
                raise LeaveError from error
            if tries == 0:
                _log.error("waiting for the store: %s", error)
            time.sleep(_WAITS_S[min(tries, len(_WAITS_S) - 1)])
            tries += 1


def _errors(results: Sequence[TaskResult]) -> list[TaskResult | ItemResult]:
    """Return what has an error: tasks first, then the items that were busy."""
    tasks: list[TaskResult | ItemResult] = [result for result in results if result.error]
    return tasks + [item for result in results for item in result.items if item.busy]


def _said(error: Exception, work: Work) -> tuple[str, str]:
    if isinstance(error, LunopsError):
        return str(error.at(work.head)), error.fix
    number = uuid.uuid4().hex[:12]
    _log.exception("error %s in %s on %s", number, work.job_id, work.head)
    return f"internal error {number}", f"look for {number} in the service's log, and report it"
