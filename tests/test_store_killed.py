"""A process is killed at every single write of a job's whole life: what it leaves is consistent, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lunops.store import Filter, Store
from lunops.store.rows import Cancel, State
from lunops.store.workers import WorkerRow
from tests.store_support import (
    accept,
    admit,
    begin,
    begun,
    end,
    ended,
    item,
    job_of,
    new_job,
    state,
)

# Forks a life for each line that it reads, to be killed at the write of that number: one start of Python for all.
_LIVES = """
import os, signal, sys
import sqlalchemy as sa
from lunops.store import Store
from tests.test_store_killed import LIVES

def live(where, at):
    store = Store(where)
    seen = 0

    def count(*_):
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(connection, cursor, text, *more):
        if text.lstrip().split()[0] in ("INSERT", "UPDATE", "DELETE"):
            count()

    sa.event.listen(store.database.engine, "before_cursor_execute", statement)
    sa.event.listen(store.database.engine, "commit", count)
    LIVES[sys.argv[2]](store)
    os.write(1, b"%d writes " % seen)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            live(sys.argv[1], int(line))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    os.write(1, b"%d\\n" % os.waitstatus_to_exitcode(status))
"""


def life(store: Store) -> None:
    """Let two jobs of one name go from acceptance to their end: one put back on its way, a third one cancelled.

    It goes on from wherever an earlier life was cut off.
    """
    for new in (new_job("a", "p/1", "p/2"), new_job("b", "p/1"), new_job("c", "p/2")):
        if store.record(new.id) is None:
            accept(store, new)
    if state(store, "c") == "queued":
        store.cancel("c", Cancel.KEEP, by="bob", at=1.0, at_s=1.0)
    for _ in range(10):
        admit(store, at=1000.0)
        left = store.unfinished()
        if not left:
            break
        for each in left:
            store.enqueued(each.workflow_id)
            job = job_of(each.workflow_id)
            work = begin(store, job, token=str(os.getpid()))
            store.keep(work, "w", [begun()])
            store.keep(work, "w", [item("p/1"), item("p/2")])
            if job == "a" and work.attempt == 1:
                store.put_back(work, at=900.0, why="no route", fix="", again_at=901.0)
                continue
            store.keep(work, "w", [ended("p/1", "p/2")])
            end(store, work)


def troubled_life(store: Store) -> None:
    """Let a job be taken over, cancelled while it runs, and removed; another is given up; the head has trouble."""
    store.beat(WorkerRow(id="x", host="box", pid=1, labels=("",), started_at=1.0, beat=1))
    store.drain("h1", at=1.0, by="bob", why="disks")
    store.not_reached("h1", "no route", at=1.0)
    store.resume("h1")
    for new in (new_job("d", "p/1", "p/2"), new_job("e", "p/3")):
        if store.record(new.id) is None:
            accept(store, new)
    admit(store, at=1000.0)
    for each in store.unfinished():
        if job_of(each.workflow_id) == "e":
            store.give_up(each.workflow_id, "nobody runs it", "", at=500.0, at_s=500.0)
            continue
        store.keep(begin(store, "d", token="old"), "w", [begun(), item("p/1")])
        store.revoke(each.workflow_id)
        work = begin(store, "d", token="new")
        store.cancel("d", Cancel.UNDO, by="bob", at=1.0, at_s=1.0)
        store.keep(work, "w", [begun(), item("p/1"), ended("p/1", "p/2")])
        store.end(work, State.CANCELLED, at=400.0, at_s=400.0)
    store.reached("h1", wedged_at=5.0)
    store.worker_gone("x")
    store.remove_old(before_at=450.0, keep_jobs=0)


LIVES = {"life": life, "troubled life": troubled_life}
_ENDS = {"life": {"a": "complete", "b": "complete", "c": "cancelled"}, "troubled life": {"e": "failed"}}


class Lives:
    """The process that makes them."""

    def __init__(self, store_url: str, which: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LIVES, store_url, which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def live(self, at: int) -> str:
        """Have one lived, killed at this write; return `N writes ` if it came to its end, and its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{at}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.communicate(timeout=60)


def fresh(store: Store) -> None:
    """Empty the store."""
    with store.database.write() as connection:
        for table in ("jobs", "turns", "heads", "workers"):  # the rest goes with the jobs
            connection.exec_driver_sql(f"DELETE FROM {table}")


@contextmanager
def opened(store_url: str, kept: Store) -> Iterator[Store]:
    """Give the store, opened again if it is a file: what was left in SQLite's log is recovered by that alone."""
    if not kept.database.is_sqlite:
        yield kept
        return
    kept.close()
    with closing(Store(store_url)) as store:
        yield store


@pytest.fixture(params=LIVES)
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lives(store_url: str, which: str) -> Iterator[Lives]:
    made = Lives(store_url, which)
    yield made
    made.close()


@pytest.mark.timeout(600)
def test_killed_at_any_write_it_leaves_a_consistent_store_that_goes_on_to_the_right_end(
    store_url: str, lives: Lives, which: str
) -> None:
    count, word, code = lives.live(0).split()
    assert (word, code) == ("writes", "0")
    writes = int(count)
    assert writes > 50
    kept = Store(store_url)
    for at in range(1, writes + 1):
        with opened(store_url, kept) as store:
            fresh(store)
        assert lives.live(at) == str(-signal.SIGKILL), at
        with opened(store_url, kept) as store:
            assert store.check() == [], f"killed at write {at} of {writes}"
            LIVES[which](store)
            assert {job.id: str(job.state) for job in store.jobs(Filter())} == _ENDS[which], at
            assert store.check() == [], f"gone on after write {at}"
            with store.database.read() as connection:
                assert connection.exec_driver_sql("SELECT count(*) FROM claims").scalar_one() == 0
    kept.close()
