"""Do the jobs of a store: let parts through the gate, run them, and take over the work of workers that are dead.

A store may have any number of workers, in one process with the web service or on machines of their own. Each says
that it lives by a lock (`lunops.lives`) and by beats in the store. A worker whose lock can be had is dead; one whose
lock is held, but that has not been heard of for `lease_s`, hangs or was stopped: its work is taken over, too, and
what it may still write is refused.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from lunops.errors import StoreError
from lunops.job_engine import JobEngine, LeaveError, Progress, Step
from lunops.jobs.outside import Outside
from lunops.jobs.part_run import Bounds, PartRun, patiently
from lunops.lives import Lives
from lunops.store import Room, Store
from lunops.store.workers import WorkerRow

_GAP_S = 2.0  # between two looks at the others, after which nothing follows from their silence
_log = logging.getLogger("lunops.jobs")


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """How often a worker looks at what, in seconds, and how much a head takes."""

    poll_s: float = 0.5  # what waits at the gate, and what is to be cancelled
    sweep_s: float = 0.5  # who is dead, and what was left behind
    flush_s: float = 0.1  # notes of running parts, into the store
    beat_s: float = 0.5
    silent_s: float = 0.0  # a lock that can be had means death only when no beat came for so long
    lease_s: float = 20.0  # a worker that was not heard of for so long does nothing that counts any more
    forget_s: float = 3600.0  # how long the engine remembers work that is over
    keep_days: int = 0  # jobs that ended longer ago are removed; 0: never
    keep_jobs: int = 0  # of those that are over only the latest so many are kept; 0: all
    jobs_per_head: int = 2  # where the inventory does not say it


class Worker:
    """One of them. `start` it once with its engine, `stop` it once."""

    def __init__(
        self,
        store: Store,
        outside: Outside,
        lives: Lives,
        *,
        labels: tuple[str, ...] = ("",),
        pacing: Pacing = Pacing(),
        bounds: Bounds = Bounds(),  # noqa: B008
    ) -> None:
        """Nothing is begun yet."""
        self._store = store
        self._outside = outside
        self._lives = lives
        self._pacing = pacing
        self._bounds = bounds
        self._engine: JobEngine | None = None
        self._row = WorkerRow(
            id=lives.own, host=platform.node(), pid=os.getpid(), labels=labels, started_at=outside.clock.at()
        )
        self._running: dict[str, PartRun] = {}
        self._told: set[str] = set()  # ids of parts that were told of their cancelling
        self._ending = threading.Event()
        self._woken = threading.Event()
        self._beats: dict[str, tuple[int, float]] = {}  # of others: the last beat, and when it was first seen
        self._looked_at = 0.0
        self._forgot = 0.0
        self._is_removing = False
        self._threads = [
            threading.Thread(target=self._over_and_over, args=each, name=f"lunops-{each[0]}", daemon=True)
            for each in (
                ("beat", self._beat, pacing.beat_s),
                ("gate", self.admit, pacing.poll_s),
                ("sweep", self.sweep, pacing.sweep_s),
                ("flush", self._flush, pacing.flush_s),
            )
        ]

    @property
    def name(self) -> str:
        """What people call it."""
        return self._row.name

    def register(self) -> None:
        """Say that this worker lives, before its engine begins anything."""
        self._lives.begin()
        self._beat()

    def start(self, engine: JobEngine) -> None:
        """Go on with what was left unfinished, now and whenever a worker has died. `engine` has started."""
        self.attach(engine)
        for thread in self._threads:
            thread.start()

    def attach(self, engine: JobEngine) -> None:
        """Go on with what was left unfinished, once."""
        self._engine = engine
        self.sweep()

    def wake(self) -> None:
        """Look at the gate now: a job was accepted."""
        self._woken.set()

    def end_loops(self) -> None:
        """End everything but the parts that run, before the engine is stopped."""
        self._ending.set()
        self._woken.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(10)

    def stop(self) -> None:
        """Say that this worker is no more; the engine has been stopped by who started it."""
        try:
            self._flush()
            self._store.worker_gone(self._row.id)
        except StoreError as error:
            _log.warning("that this worker ends is not written down: %s", error)
        self._lives.end()

    # ---- the engine's work

    def run(self, workflow_id: str, step: Step) -> None:
        """Do one head's part of a job; called by the engine, again after a crash."""
        clock = self._outside.clock
        token = str(uuid.uuid4())
        work = patiently(
            lambda: self._store.begin(workflow_id, token, worker=self.name, at=clock.at(), at_s=clock.steady_s()),
            self._ending.is_set,
        )
        if work is None:
            return
        part = PartRun(
            self._store, self._outside, work, worker=self.name, bounds=self._bounds, is_stopping=self._ending.is_set
        )
        self._running[workflow_id] = part
        try:
            part.run(step)
        except LeaveError:
            part.recorder.flush()
            raise
        finally:
            self._running.pop(workflow_id, None)
            self._told.discard(workflow_id)
            self.wake()  # what waited for its names, or for room on its head

    # ---- the gate

    def admit(self) -> None:
        """Let through what may go now, and tell running parts that are to be cancelled."""
        engine = self._engine
        assert engine is not None
        at, at_s = self._outside.clock.at(), self._outside.clock.steady_s()
        if self._store.has_waiting(at=at):
            for each in self._store.admit(self._room, at=at, at_s=at_s):
                engine.enqueue(each.workflow_id, label=each.label)
                self._store.enqueued(each.workflow_id)
        self._cancel_what_should_be()

    def _room(self, head: str) -> Room:
        host = self._outside.inventory().hosts.get(head)
        if host is None:
            return Room(limit=self._pacing.jobs_per_head)  # its run says that the head is unknown
        return Room(limit=host.jobs_at_once or self._pacing.jobs_per_head, label=host.worker_label)

    def _cancel_what_should_be(self) -> None:
        running = dict(self._running)
        if not running:
            return
        wanted = self._store.cancels([part.work.job_id for part in running.values()])
        for workflow_id, part in running.items():
            how = wanted.get(part.work.job_id)
            if how is not None and workflow_id not in self._told:
                self._told.add(workflow_id)
                part.cancel(how)

    # ---- the others

    def sweep(self) -> None:
        """Take over the work of dead workers, and bring store and engine into step."""
        engine = self._engine
        assert engine is not None
        self._look_at_others()
        for owner in sorted(engine.owners()):
            self._take_over_if_dead(engine, owner)
        engine.take_up()
        unfinished = self._store.unfinished()
        progress = engine.progress([each.workflow_id for each in unfinished])
        for each in unfinished:
            now = progress[each.workflow_id]
            if now is Progress.UNKNOWN or not each.is_enqueued:
                # The process died between the two, or the engine's file was lost. Again, it changes nothing.
                engine.enqueue(each.workflow_id, label=each.label)
                self._store.enqueued(each.workflow_id)
            elif now in (Progress.BROKEN, Progress.DONE):
                self._give_up(each.workflow_id)
        if time.monotonic() - self._forgot > self._pacing.forget_s / 4:
            self._forgot = time.monotonic()
            self._is_removing = True
            engine.forget(before_at=self._outside.clock.at() - self._pacing.forget_s)
        if self._is_removing:
            self._remove_some()

    def _remove_some(self) -> None:
        """Remove a few old jobs, and more at the next sweep: who has died must not go unseen for long."""
        keep_s = self._pacing.keep_days * 86400
        before_at = self._outside.clock.at() - keep_s if keep_s else None
        removed = self._store.remove_some(before_at=before_at, keep_jobs=self._pacing.keep_jobs)
        self._is_removing = removed > 0
        if removed:
            _log.info("removed %d old jobs", removed)

    def _look_at_others(self) -> None:
        rows = self._store.workers()
        now = time.monotonic()
        if now - self._looked_at > _GAP_S:
            # The store was away, or this process was: nobody could say anything. They have their time once more.
            self._beats = {id: (beat, now) for id, (beat, _) in self._beats.items()}
        self._looked_at = now
        for row in rows:
            if row.id != self._row.id and self._beats.get(row.id, (-1, 0.0))[0] != row.beat:
                self._beats[row.id] = (row.beat, now)
        for id in set(self._beats) - {row.id for row in rows}:
            del self._beats[id]
        for row in rows:
            if row.id != self._row.id and self._is_silent(row.id, self._pacing.lease_s):
                with self._lives.if_dead(row.id) as dead:
                    if dead:
                        self._store.worker_gone(row.id)

    def _is_silent(self, owner: str, seconds: float) -> bool:
        seen = self._beats.get(owner)
        return seen is None or time.monotonic() - seen[1] >= seconds

    def _take_over_if_dead(self, engine: JobEngine, owner: str) -> None:
        with self._lives.if_dead(owner) as dead:
            if dead and self._is_silent(owner, self._pacing.silent_s):
                why = "is dead"
            elif self._is_silent(owner, self._pacing.lease_s):
                why = f"was not heard of for {self._pacing.lease_s:g} s"
            else:
                return
            for workflow_id in engine.take_over(owner, self._store.revoke):
                _log.warning("going on with %s: worker %s %s", workflow_id, owner, why)

    def _give_up(self, workflow_id: str) -> None:
        clock = self._outside.clock
        what = "the work on this head ended without a result"
        _log.error("giving up %s: %s", workflow_id, what)
        fix = "look into the log of the workers, then repeat the job"
        self._store.give_up(workflow_id, what, fix, at=clock.at(), at_s=clock.steady_s())

    # ---- loops

    def _beat(self) -> None:
        self._lives.hold()
        self._row = replace(self._row, beat=self._row.beat + 1, beat_at=self._outside.clock.at())
        self._store.beat(self._row)

    def _flush(self) -> None:
        for part in list(self._running.values()):
            part.recorder.flush()

    def _over_and_over(self, name: str, do: Callable[[], None], every_s: float) -> None:
        pause = self._woken if name == "gate" else self._ending
        while not self._ending.is_set():
            if pause.wait(every_s) and name == "gate":
                self._woken.clear()
            if self._ending.is_set():
                return
            try:
                do()
            except StoreError as error:
                _log.error("%s: %s; the next try comes in %g s", name, error, every_s)
            except Exception:
                _log.exception("%s failed; the next try comes in %g s", name, every_s)
