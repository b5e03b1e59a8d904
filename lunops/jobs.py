"""Accept jobs and see them through: plan, keep, queue, and run each head's part, task by task.

From `create` or `delete` on, a job survives the death of this process at any moment. A task that was cut off runs
again as a whole: the agent looks first at what is there, so what was done already ends `ok`, and counts as done.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pydantic import TypeAdapter

from lunops.errors import JobError, LunopsError
from lunops.head_run import HeadRun, HeadSession, failed_keys, needs_lio
from lunops.inventory import Inventory
from lunops.job_engine import JobEngine, Progress, Step
from lunops.model import Host, ItemResult, Json, Plan, Task, TaskResult
from lunops.planner import CloneRequest, DeleteRequest, plan_create, plan_delete
from lunops.render import Templates
from lunops.store import Store, Work
from lunops.store_rows import JobRecord, NewItem, NewJob, NewPart, State

_RESULT = TypeAdapter(TaskResult)
_log = logging.getLogger("lunops.jobs")


class Clock(Protocol):
    """The time: `at` by the wall, to show; `steady_s` never steps back, and goes on over a restart."""

    def at(self) -> float: ...
    def steady_s(self) -> float: ...


class SteadyClock:
    """The machine's monotonic clock, set by the wall clock once, when this process starts.

    So a duration within one process is monotonic, and only one that spans a restart follows the wall clock.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def at(self) -> float:
        """Return the wall clock's time, in seconds since 1970."""
        return time.time()

    def steady_s(self) -> float:
        """Return seconds of which only differences mean something."""
        return self._offset_s + time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What jobs need of the world: the present inventory, the templates, how a head is reached, the time."""

    inventory: Callable[[], Inventory]
    templates: Templates
    connect: Callable[[Host], HeadSession]
    clock: Clock


class Jobs:
    """The service behind the REST interface. Call `attach` once, then `start`."""

    def __init__(self, store: Store, outside: Outside, *, sweep_s: float = 2.0, runs_max: int = 4) -> None:
        """`runs_max` is how often a task may be begun that never comes to its end, before its part is given up."""
        self._store = store
        self._outside = outside
        self._sweep_s = sweep_s
        self._runs_max = runs_max
        self._engine: JobEngine | None = None
        # Accepted and queued under one lock, so that the engine's order is the order of acceptance.
        self._accepting = threading.Lock()
        self._ending = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep_on, name="lunops-sweep", daemon=True)

    def start(self, engine: JobEngine) -> None:
        """Go on with what was left unfinished, now and whenever another process has died. `engine` has started."""
        self._engine = engine
        self.sweep()
        self._sweeper.start()

    def stop(self) -> None:
        """End the sweeps; the engine is stopped by who started it."""
        self._ending.set()
        if self._sweeper.is_alive():
            self._sweeper.join(10)

    @property
    def inventory(self) -> Inventory:
        """The present inventory."""
        return self._outside.inventory()

    def create(self, clones: Sequence[CloneRequest], *, request: Json, client: str) -> str:
        """Accept a job that makes LUNs; return its id. Raises InputError, and JobError for a conflict."""
        job_id = str(uuid.uuid4())
        inventory = self.inventory
        plan = plan_create(clones, inventory, self._outside.templates, run=job_id)
        items = [
            NewItem(head=inventory.host_for_pool(each.dst.pool).name, key=each.dst.name, wwn=each.wwn.name)
            for each in clones
        ]
        return self._accept("create", job_id, plan, items, request, client)

    def delete(self, clones: Sequence[DeleteRequest], *, request: Json, client: str) -> str:
        """Accept a job that removes LUNs; return its id. Raises InputError, and JobError for a conflict."""
        job_id = str(uuid.uuid4())
        inventory = self.inventory
        plan = plan_delete(clones, inventory)
        items = [
            NewItem(
                head=inventory.host_for_pool(each.dst.pool).name,
                key=each.dst.name,
                wwn=each.wwn.name,
                keeps_clone=not each.delete_clone,
            )
            for each in clones
        ]
        return self._accept("delete", job_id, plan, items, request, client)

    def request(self, job_id: str) -> tuple[str, Json] | None:
        """Return the job's kind and what its client sent, or None if there is no such job."""
        return self._store.request(job_id)

    def record(self, job_id: str) -> tuple[JobRecord, float] | None:
        """Return all that is known of the job, and the time, or None if there is no such job."""
        record = self._store.record(job_id)
        return None if record is None else (record, self._outside.clock.steady_s())

    def sweep(self) -> None:
        """Take over the work of dead processes, and bring store and engine into step."""
        engine = self._running_engine()
        for workflow_id in engine.take_over(self._may_go_on):
            _log.info("going on with %s", workflow_id)
        unfinished = self._store.unfinished()
        progress = engine.progress([workflow_id for workflow_id, _, _ in unfinished])
        for workflow_id, head, is_enqueued in unfinished:
            now = progress[workflow_id]
            if now is Progress.UNKNOWN or not is_enqueued:
                # The process died between the two, or the engine's file was lost. Again, it changes nothing.
                engine.enqueue(workflow_id, head=head)
                self._store.enqueued(workflow_id)
            elif now in (Progress.BROKEN, Progress.DONE):
                self._give_up(workflow_id, "the work on this head ended without a result")

    def run(self, workflow_id: str, step: Step) -> None:
        """Do one head's part of a job; called by the engine, again after a crash."""
        work = self._store.work(workflow_id)
        if work is None:
            return
        try:
            self._store.part_started(work.job_id, work.head, self._now())
            with closing(self._head_run(work)) as head_run:
                results = self._tasks(work, head_run, step)
                self._end(work, results)  # before the session is closed, which waits for the agent
        except Exception as error:
            number = uuid.uuid4().hex[:12]
            _log.exception("error %s in %s", number, workflow_id)
            what, fix = f"internal error {number}", f"look for {number} in the service's log, and report it"
            if isinstance(error, LunopsError):
                what, fix = str(error.at(work.head)), error.fix
            self._store.part_ended(work.job_id, work.head, State.FAILED, self._now(), error=what, fix=fix)

    def _head_run(self, work: Work) -> HeadRun:
        host = self.inventory.hosts.get(work.head)
        if host is None:
            raise JobError(
                "the head is no longer in the inventory", fix="bring it back, and repeat the job (clone_repeat)"
            )
        observer = _Keeper(self._store, work, self._now)
        return HeadRun(
            host,
            connect=self._outside.connect,
            observer=observer,
            for_lio=needs_lio(task.module for task in work.tasks),
        )

    def _tasks(self, work: Work, head_run: HeadRun, step: Step) -> list[TaskResult]:
        results: list[TaskResult] = []
        for task in work.tasks:
            kept = step(task.id, partial(self._task, work, head_run, task, tuple(results)))
            results.append(_RESULT.validate_python(kept))
        if any(result.status.is_bad for result in results):
            kept = step("undo", partial(self._undo, work, head_run, tuple(results)))
            if kept is not None:
                results.append(_RESULT.validate_python(kept))
        return results

    def _end(self, work: Work, results: Sequence[TaskResult]) -> None:
        bad = any(result.status.is_bad for result in results) or bool(failed_keys(results))
        what, fix = next(((each.error, each.fix) for each in results if each.error), ("", ""))
        state = State.FAILED if bad else State.COMPLETE
        self._store.part_ended(work.job_id, work.head, state, self._now(), error=what, fix=fix)

    def _task(self, work: Work, head_run: HeadRun, task: Task, before: Sequence[TaskResult]) -> Json:
        without = failed_keys(before)
        if any(result.error and result.status.is_bad for result in before):
            # The head is off, or its agent died. The head's run knows, unless it was before a restart.
            without = frozenset(item.key for item in task.items)
        self._store.task_started(work.job_id, work.head, task.id, task.module, self._now())
        result = head_run.task(task, without=without)
        self._keep(work, result)
        self._store.task_ended(work.job_id, work.head, task.id, self._now())
        return _RESULT.dump_python(result, mode="json")

    def _undo(self, work: Work, head_run: HeadRun, results: Sequence[TaskResult]) -> Json:
        self._store.task_started(work.job_id, work.head, "undo", "undo", self._now())
        result = head_run.take_back(results)
        if result is not None:
            self._keep(work, result)
        self._store.task_ended(work.job_id, work.head, "undo", self._now())
        return None if result is None else _RESULT.dump_python(result, mode="json")

    def _keep(self, work: Work, result: TaskResult) -> None:
        # Once more and as a whole: the observer was not told of what was skipped.
        self._store.items_ended(work.job_id, work.head, result.task_id, result.module, result.items, self._now())

    def _accept(self, kind: str, job_id: str, plan: Plan, items: Sequence[NewItem], request: Json, client: str) -> str:
        engine = self._running_engine()
        parts = tuple(NewPart(head=part.host.name, tasks=part.tasks) for part in plan.heads)
        new = NewJob(id=job_id, kind=kind, request=request, client=client, items=tuple(items), parts=parts)
        with self._accepting:
            clock = self._outside.clock
            queued = self._store.accept(new, accepted_at=clock.at(), accepted_s=clock.steady_s())
            self._enqueue(engine, queued)
        _log.info("accepted job %s: %s %d on %s, for %s", job_id, kind, len(items), ", ".join(queued), client)
        return job_id

    def _enqueue(self, engine: JobEngine, queued: Mapping[str, str]) -> None:
        try:
            for head, workflow_id in queued.items():
                engine.enqueue(workflow_id, head=head)
                self._store.enqueued(workflow_id)
        except Exception:
            # It is accepted and will run: to tell the client otherwise would be a lie.
            _log.exception("an accepted job could not be queued; the next sweep will")

    def _may_go_on(self, workflow_id: str) -> bool:
        if self._store.runs_cut_off(workflow_id) < self._runs_max:
            return True
        self._give_up(workflow_id, f"the service died {self._runs_max} times in the same task")
        return False

    def _give_up(self, workflow_id: str, what: str) -> None:
        work = self._store.work(workflow_id)
        if work is not None:
            _log.error("giving up %s: %s", workflow_id, what)
            fix = "look into the service's log, then repeat the job (clone_repeat)"
            self._store.part_ended(work.job_id, work.head, State.FAILED, self._now(), error=what, fix=fix)

    def _sweep_on(self) -> None:
        while not self._ending.wait(self._sweep_s):
            try:
                self.sweep()
            except Exception:
                _log.exception("a sweep failed; the next comes in %s s", self._sweep_s)

    def _running_engine(self) -> JobEngine:
        if self._engine is None:
            raise JobError("the job engine is not running", fix="start the service")
        return self._engine

    def _now(self) -> float:
        return self._outside.clock.steady_s()


class _Keeper:
    """Keep each item's result as it comes, so that the status moves while a task runs."""

    def __init__(self, store: Store, work: Work, now: Callable[[], float]) -> None:
        self._store = store
        self._work = work
        self._now = now

    def task_started(self, head: str, task: Task) -> None:
        """Nothing: the task's step notes it."""

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        """Keep the result."""
        self._store.items_ended(self._work.job_id, head, task.id, task.module, (item,), self._now())

    def task_ended(self, result: TaskResult) -> None:
        """Nothing: the task's step notes it."""
