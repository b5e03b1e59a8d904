"""A process is killed at every single write of a job's whole life: what it leaves is consistent, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.store import Store
from lunops.store.rows import Cancel, State
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
from tests.support.postgres import Postgres

# Forks a life for each line that it reads, to be killed at the write of that number: one start of Python for all.
_LIVES = """
import os, signal, sys
import sqlalchemy as sa
from tests.test_store_killed import life
from lunops.store import Store

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
    life(store)
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
        for each in store.unfinished():
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


class Lives:
    """The process that makes them."""

    def __init__(self, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LIVES, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lunops.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database("killed")


def fresh(where: str) -> None:
    """Empty the store."""
    store = Store(where)
    with store.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")
        connection.exec_driver_sql("DELETE FROM turns")
    store.close()


@pytest.fixture
def lives(where: str) -> Iterator[Lives]:
    made = Lives(where)
    yield made
    made.close()


@pytest.mark.timeout(600)
def test_killed_at_any_write_it_leaves_a_consistent_store_that_goes_on_to_the_right_end(
    where: str, lives: Lives
) -> None:
    fresh(where)
    count, word, code = lives.live(0).split()
    assert (word, code) == ("writes", "0")
    writes = int(count)
    assert writes > 60
    for at in range(1, writes + 1):
        fresh(where)
        assert lives.live(at) == str(-signal.SIGKILL), at
        store = Store(where)
        assert store.check() == [], f"killed at write {at} of {writes}"
        life(store)
        assert [state(store, job) for job in "abc"] == ["complete", "complete", "cancelled"], at
        record = store.record("a")
        assert record is not None
        assert record.parts[0].state is State.COMPLETE
        assert store.check() == [], f"gone on after write {at}"
        with store.database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM claims").scalar_one() == 0
        store.close()
