"""Run durable work: each piece by one worker, each step checkpointed, taken up again after a crash.

    engine = Engine(url="sqlite:///lunops-engine.db", worker="3f…", work=work)
    engine.start()
    engine.enqueue("0000000007-JOB-jbod-01", label="")     # work(workflow_id, step) runs, now or later

`work` calls `step(name, do)` for everything that must not be done twice without need: what `do` returned is kept,
and handed back without calling `do` when the work is taken up again. This is the only file that knows DBOS;
docs/engine.md says why it is DBOS, and names the traps that this file steps round.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dbos
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from lunops.engine_pace import QUICK_S, Pace
from lunops.engine_place import SCHEMA
from lunops.job_engine import LeaveError, Progress, Work
from lunops.model import Json

PLAN_FORMAT = "1"
"""The version of what is kept for unfinished work. Change it only with a way to run the old: work of another
version stays queued for ever (DBOS would take a hash of our code, and so strand every job at each upgrade)."""

_QUEUE = "parts"
_WORKFLOW = "lunops.part"
_PROGRESS = {
    "ENQUEUED": Progress.QUEUED,
    "DELAYED": Progress.QUEUED,
    "PENDING": Progress.RUNNING,
    "SUCCESS": Progress.DONE,
}
_log = logging.getLogger("lunops.engine")


class Engine:
    """One per process (DBOS itself is one per process). Start it once and stop it once."""

    def __init__(
        self,
        *,
        url: str,
        worker: str,
        work: Work,
        labels: Sequence[str] = ("",),
        poll_s: float = 0.5,
        at_once: int = 16,
    ) -> None:
        """Nothing is opened yet.

        `worker` names this process, afresh at each start. `labels` are those whose work it does, `at_once` pieces of
        each; `poll_s` bounds how long work waits that another process has queued or left.
        """
        self._url = make_url(url)
        self._worker = worker
        self._work = work
        self._labels = tuple(labels)
        self._poll_s = poll_s
        self._at_once = at_once
        self._stopping = threading.Event()
        self._steps = 0
        self._quiet = threading.Condition()
        self._paces: list[Pace] = []
        # SQLite's busy back-off starves concurrent writers: 47 enqueues/s without this lock, over 700 with it.
        self._enqueueing = threading.Lock()
        self._active: set[str] = set()  # what this process does at this moment
        self._lost: set[str] = set()  # what it seemed not to do at the last look, though the database says so

    def start(self) -> None:
        """Open the database, make its tables if need be, and begin to work."""
        if self._is_sqlite:
            _make(Path(str(self._url.database)))
        # Before DBOS says its first word; with a handler it adds none of its own, and speaks through ours.
        log = logging.getLogger("dbos")
        log.setLevel(logging.WARNING)
        log.addHandler(logging.NullHandler())
        url = self._url.render_as_string(hide_password=False)
        dbos.DBOS.migrate(url, schema=SCHEMA)
        # Before the launch, since workers for a queue that appears later start only after a second.
        client = dbos.DBOSClient(system_database_url=url, application_name="lunops", dbos_system_schema=SCHEMA)
        for label in self._labels:
            client.register_queue(
                _queue(label),
                worker_concurrency=self._at_once,
                polling_interval_sec=QUICK_S,  # until its pace is set, below
            )
        client.destroy()
        instance = dbos.DBOS(
            config={
                "name": "lunops",
                "system_database_url": url,
                "dbos_system_schema": SCHEMA,
                "application_version": PLAN_FORMAT,
                "executor_id": self._worker,
                "serializer": dbos.DBOSPortableJSONSerializer(),  # the default is pickle: it runs what it reads
                "log_level": "WARNING",
                "enable_otlp": False,
                "notification_listener_polling_interval_sec": 0.2,  # unused, but a stop waits for its turn
            }
        )

        @dbos.DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=100)  # who counts is the store
        def part(workflow_id: str) -> None:  # a plain function: DBOS cannot take a bound method
            self._active.add(workflow_id)
            try:
                self._work(workflow_id, self._step)
            finally:
                self._active.discard(workflow_id)

        dbos.DBOS.listen_queues([_queue(label) for label in self._labels])
        dbos.DBOS.launch()
        self._paces = [Pace.take_over(event, idle_s=self._poll_s) for event in instance.background_thread_stop_events]

    def enqueue(self, workflow_id: str, *, label: str) -> None:
        """Queue work for workers with this label. The same id again changes nothing."""
        with self._enqueueing:
            dbos.DBOS.enqueue_workflow_with_options(
                {
                    "workflow_name": _WORKFLOW,
                    "queue_name": _queue(label),
                    "workflow_id": workflow_id,
                    "app_version": PLAN_FORMAT,
                },
                workflow_id,
            )
        self._wake()

    def progress(self, workflow_ids: Sequence[str]) -> dict[str, Progress]:
        """Say how far each is."""
        found = {}
        for start in range(0, len(workflow_ids), 500):
            ids = list(workflow_ids[start : start + 500])
            for row in dbos.DBOS.list_workflows(workflow_ids=ids, load_input=False, load_output=False):
                found[row.workflow_id] = _PROGRESS.get(row.status, Progress.BROKEN)
        return {id: found.get(id, Progress.UNKNOWN) for id in workflow_ids}

    def owners(self) -> set[str]:
        """Return the names of the processes that have begun work which is not over, this one left out."""
        return {row.executor_id for row in self._running() if row.executor_id} - {self._worker}

    def take_over(self, owner: str, revoke: Callable[[str], None]) -> tuple[str, ...]:
        """Queue the unfinished work of a process again; return the ids.

        `revoke` is called with each before: from then on that process must not be able to write anything of it. DBOS
        itself never looks after another process' work; what it keeps of the steps is refused to the former owner.
        """
        taken = []
        for row in self._running(owner):
            revoke(row.workflow_id)
            # Without the queue's name it would go to a queue of DBOS's own.
            dbos.DBOS.resume_workflow(row.workflow_id, queue_name=row.queue_name)
            taken.append(row.workflow_id)
        if taken:
            self._wake()
        return tuple(taken)

    def take_up(self) -> tuple[str, ...]:
        """Queue again what this process began and does not do any more: its end could not be kept.

        What is seen twice in a row: between the claim of a piece and its begin there is a moment.
        """
        lost = {row.workflow_id: row.queue_name for row in self._running(self._worker)}
        lost = {id: queue for id, queue in lost.items() if id not in self._active}
        again = tuple(sorted(set(lost) & self._lost))
        for workflow_id in again:
            _log.warning("taking up %s again: its end could not be kept", workflow_id)
            dbos.DBOS.resume_workflow(workflow_id, queue_name=lost[workflow_id])
        self._lost = set(lost) - set(again)
        if again:
            self._wake()
        return again

    def is_at(self, workflow_id: str) -> bool:
        """Return whether this process does this work at this moment."""
        return workflow_id in self._active

    def forget(self, *, before_at: float) -> None:
        """Remove what is known of work that ended before this time, in seconds since 1970."""
        before = datetime.fromtimestamp(before_at, UTC).isoformat()
        while True:
            old = dbos.DBOS.list_workflows(
                status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
                completed_before=before,
                limit=500,
                load_input=False,
                load_output=False,
            )
            if not old:
                return
            dbos.DBOS.delete_workflows([row.workflow_id for row in old])

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Begin no more steps, wait for those that run, and end. Return whether all came to their end.

        Unfinished work goes on at the next start, or in another process, from the step that follows.
        """
        self._stopping.set()
        until = time.monotonic() + timeout_s
        with self._quiet:
            quiet = self._quiet.wait_for(lambda: self._steps == 0, max(0.0, until - time.monotonic()))
        dbos.DBOS.destroy(destroy_registry=True)
        return quiet

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _step(self, name: str, do: Callable[[], Json]) -> Json:
        with self._quiet:
            if self._stopping.is_set():
                raise LeaveError
            self._steps += 1
        done: list[Json] = []

        def once() -> Json:
            done.append(do())
            return done[0]

        try:
            return dbos.DBOS.run_step({"name": name}, once)
        except DBAPIError as error:
            if not done:
                raise
            # A full disk: what was done is done. The work goes on without this checkpoint, and would find it done.
            _log.warning("the step %s could not be kept: %s", name, error.orig)
            return json.loads(json.dumps(done[0]))
        finally:
            with self._quiet:
                self._steps -= 1
                self._quiet.notify_all()

    def _wake(self) -> None:
        for pace in self._paces:
            pace.wake()

    def _running(self, owner: str | None = None) -> list[dbos.WorkflowStatus]:
        return [
            row
            for row in dbos.DBOS.list_workflows(
                status="PENDING", executor_id=owner, name=_WORKFLOW, load_input=False, load_output=False
            )
            if row.queue_name
        ]


def _queue(label: str) -> str:
    return f"{_QUEUE}:{label}" if label else _QUEUE


def _make(file: Path) -> None:
    # Made here to be private; what SQLite puts beside it has the same permissions.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # kept in the file; DBOS leaves it in the slow mode
