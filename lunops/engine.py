"""Run durable work: one head's parts in order, each step checkpointed, taken up again after a crash.

    engine = Engine(file=Path("lunops-engine.db"), work=work)
    engine.start()
    engine.enqueue("0000000007-JOB-jbod-01", head="jbod-01")     # work(workflow_id, step) runs, now or later

`work` calls `step(name, do)` for everything that must not be done twice without need: what `do` returned is kept,
and handed back without calling `do` when the work is taken up again. This is the only file that knows DBOS;
docs/engine.md says why it is DBOS, and names the traps that this file steps round.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import dbos

from lunops.engine_pace import QUICK_S, Pace
from lunops.job_engine import Progress, Work
from lunops.model import Json

PLAN_FORMAT = "1"
"""The version of what is kept for unfinished work. Change it only with a way to run the old: work of another
version stays queued for ever (DBOS would take a hash of our code, and so strand every job at each upgrade)."""

_QUEUE = "heads"
_WORKFLOW = "lunops.part"
_PROGRESS = {
    "ENQUEUED": Progress.QUEUED,
    "DELAYED": Progress.QUEUED,
    "PENDING": Progress.RUNNING,
    "SUCCESS": Progress.DONE,
}


class _StoppingError(BaseException):
    """Ends work between two steps without an outcome, so that the next start goes on with it.

    DBOS keeps the outcome of an Exception; a BaseException passes through and leaves the work unfinished.
    """


class Engine:
    """One per process (DBOS itself is one per process). Start it once and stop it once."""

    def __init__(self, *, file: Path, work: Work, poll_s: float = 0.5, heads_at_once: int = 16) -> None:
        """Nothing is opened yet. `poll_s` bounds how long work waits that another process has queued or left."""
        self._file = file
        self._work = work
        self._poll_s = poll_s
        self._heads_at_once = heads_at_once
        self._lives = _Lives(file.with_name(file.name + ".lives"))
        self._stopping = threading.Event()
        self._steps = 0
        self._quiet = threading.Condition()
        self._paces: list[Pace] = []
        # SQLite's busy back-off starves concurrent writers: 47 enqueues/s without this lock, over 700 with it.
        self._enqueueing = threading.Lock()

    def start(self) -> None:
        """Open the file, make it if need be, and begin to work."""
        # Made here to be private; what SQLite puts beside it has the same permissions.
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # kept in the file; DBOS leaves it in the slow mode
        # Before DBOS says its first word; with a handler it adds none of its own, and speaks through ours.
        log = logging.getLogger("dbos")
        log.setLevel(logging.WARNING)
        log.addHandler(logging.NullHandler())
        url = f"sqlite:///{self._file.resolve()}"
        dbos.DBOS.migrate(url)
        # Before the launch, since workers for a queue that appears later start only after a second.
        client = dbos.DBOSClient(system_database_url=url, application_name="lunops")
        client.register_queue(
            _QUEUE,
            partition_concurrency=1,
            worker_concurrency=self._heads_at_once,
            polling_interval_sec=QUICK_S,  # until its pace is set, below
        )
        client.destroy()
        instance = dbos.DBOS(
            config={
                "name": "lunops",
                "system_database_url": url,
                "application_version": PLAN_FORMAT,
                # Fresh at each start: two lives under one name would be told apart by nobody.
                "executor_id": self._lives.begin(),
                "serializer": dbos.DBOSPortableJSONSerializer(),  # the default is pickle: it runs what it reads
                "log_level": "WARNING",
                "enable_otlp": False,
                "notification_listener_polling_interval_sec": 0.2,  # unused, but a stop waits for its turn
            }
        )

        @dbos.DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=3)
        def part(workflow_id: str) -> None:  # a plain function: DBOS cannot take a bound method
            try:
                self._work(workflow_id, self._step)
            finally:
                self._wake()  # for what waits behind it in the head's line

        dbos.DBOS.launch()
        self._paces = [Pace.take_over(event, idle_s=self._poll_s) for event in instance.background_thread_stop_events]

    def enqueue(self, workflow_id: str, *, head: str) -> None:
        """Queue work behind the head's other work, in the order of the ids. The same id again changes nothing."""
        with self._enqueueing:
            dbos.DBOS.enqueue_workflow_with_options(
                {
                    "workflow_name": _WORKFLOW,
                    "queue_name": _QUEUE,
                    "workflow_id": workflow_id,
                    "queue_partition_key": head,
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

    def take_over(self, may_go_on: Callable[[str], bool]) -> tuple[str, ...]:
        """Queue again, in its old place, the work of processes that are dead; return the ids.

        What `may_go_on` refuses is given up. DBOS itself never looks after another executor's work, and counts
        attempts from 0 again after each resume.
        """
        taken = []
        owners = {row.executor_id for row in self._running() if row.executor_id} | self._lives.known()
        for owner in sorted(owners - {self._lives.own}):
            with self._lives.if_dead(owner) as dead:
                if not dead:
                    continue
                for row in self._running(owner):  # once more, now that no other process takes them over
                    if not may_go_on(row.workflow_id):
                        dbos.DBOS.cancel_workflow(row.workflow_id)  # nothing runs it, so nothing is freed too soon
                        continue
                    # Without the queue's name it would leave the head's line, and the next job would overtake it.
                    dbos.DBOS.resume_workflow(row.workflow_id, queue_name=_QUEUE)
                    taken.append(row.workflow_id)
        if taken:
            self._wake()
        return tuple(taken)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Begin no more steps, wait for those that run, and end. Return whether all came to their end.

        Unfinished work goes on at the next start, from the step that follows.
        """
        self._stopping.set()
        until = time.monotonic() + timeout_s
        with self._quiet:
            quiet = self._quiet.wait_for(lambda: self._steps == 0, max(0.0, until - time.monotonic()))
        dbos.DBOS.destroy(destroy_registry=True)
        if quiet:
            self._lives.end()  # otherwise a step still runs: stay alive for other processes until this one is gone
        return quiet

    def _step(self, name: str, do: Callable[[], Json]) -> Json:
        with self._quiet:
            if self._stopping.is_set():
                raise _StoppingError
            self._steps += 1
        try:
            return dbos.DBOS.run_step({"name": name}, do)
        finally:
            with self._quiet:
                self._steps -= 1
                self._quiet.notify_all()

    def _wake(self) -> None:
        for pace in self._paces:
            pace.wake()

    def _running(self, owner: str | None = None) -> list[dbos.WorkflowStatus]:
        return dbos.DBOS.list_workflows(
            status="PENDING", queue_name=_QUEUE, executor_id=owner, load_input=False, load_output=False
        )


class _Lives:
    """Which processes are alive: each holds a lock on a file of its own, which the kernel drops when it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1
        self.own = str(uuid.uuid4())

    def begin(self) -> str:
        """Take the lock of this process and return its name."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._descriptor = os.open(self._folder / self.own, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self.own

    def end(self) -> None:
        """Drop the lock of this process, and its file: no file is as good as a file without a lock."""
        (self._folder / self.own).unlink(missing_ok=True)
        os.close(self._descriptor)

    def known(self) -> set[str]:
        """Return the names of the processes that have a file, this one included."""
        return {path.name for path in self._folder.iterdir()}

    @contextmanager
    def if_dead(self, name: str) -> Iterator[bool]:
        """Say whether the process is dead; if so, no other process is told the same meanwhile."""
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
            # Whoever opened the same file meanwhile finds, under its lock, nothing left to take over.
            (self._folder / name).unlink(missing_ok=True)
        finally:
            os.close(descriptor)
