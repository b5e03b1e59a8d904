"""A disk that is really full under the store: requests are refused, tasks go on, nothing is lost or damaged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from lunops.errors import StoreFullError
from lunops.jobs.outside import SteadyClock
from lunops.jobs.recorder import Recorder
from lunops.model import ItemResult, Status, Task
from lunops.store import Filter, Store
from lunops.store.rows import Event, Kind
from tests.service_process import GUARD_S, World
from tests.service_support import clone, wait_for
from tests.store_support import TASK, accept, admit, begin, new_job
from tests.support.postgres import Postgres


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path, size: str = "4m") -> None:
        self.folder = folder
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
        )
        if done.returncode != 0:
            if os.environ.get("CI") == "true":
                raise AssertionError(f"no file system of its own to be had: {done.stderr.decode()}")
            pytest.skip("only root may mount a small file system to fill")

    def fill(self) -> None:
        """Leave no room at all."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for size in (65536, 4096, 512, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        (self.folder / "filler").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


@pytest.fixture
def full_database(request: pytest.FixtureRequest) -> Iterator[tuple[str, Disk]]:
    """A PostgreSQL database on a disk of its own."""
    server: Postgres = request.getfixturevalue("postgres")
    disk = Disk(server.folder / "disk", "20m")
    try:
        owner = server.folder.stat()
        os.chown(disk.folder, owner.st_uid, owner.st_gid)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(disk.folder)))
            connection.execute("CREATE DATABASE small TABLESPACE small STRATEGY file_copy")
            yield server.url("small"), disk
            connection.execute("DROP DATABASE small WITH (FORCE)")
            connection.execute("DROP TABLESPACE small")
    finally:
        disk.close()


def fill_up(store: Store) -> None:
    """Accept jobs until the store is full: what is left in the file's own pages comes first."""
    for turn in range(200):
        accept(store, new_job(f"big{turn}", *[f"p/{turn}-{number}" for number in range(2000)]))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_does_not_fit_is_refused_whole_and_fits_later(request: pytest.FixtureRequest, kind: str) -> None:
    where: str
    disk: Disk
    if kind == "sqlite":
        disk = request.getfixturevalue("disk")
        where = f"sqlite:///{disk.folder}/lunops.db"
    else:
        where, disk = request.getfixturevalue("full_database")
    with closing(Store(where)) as store:
        accept(store, new_job("a", "p/1"))
        disk.fill()
        with pytest.raises(StoreFullError, match="the disk of the store is full"):
            fill_up(store)
        there = [job.id for job in store.jobs(Filter(most=300))]
        assert "a" in there
        disk.make_room()
        accept(store, new_job("later", "q/1"))
        assert store.check() == []
        assert [job.id for job in store.jobs(Filter(most=300))] == ["later", *there]


def test_a_run_keeps_what_it_has_to_say_until_there_is_room(tmp_path: Path) -> None:
    """The file is bounded, which needs no disk of its own: SQLite says the same of it."""
    most = 0

    def bound(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most or 1 << 30}")

    with closing(Store(tmp_path / "lunops.db")) as store:
        accept(store, new_job("a", "p/1"))
        admit(store)
        recorder = Recorder(store, begin(store, "a"), "w", SteadyClock(), lambda: None)
        task = Task(id=TASK, name="Make", module="zfs_clone", items=())
        recorder.begin(TASK, "zfs_clone", 2000)
        sa.event.listen(store.database.engine, "connect", bound)
        most = 1  # no more than there are
        store.database.engine.dispose()
        with pytest.raises(StoreFullError):
            fill_up(store)
        before = store.record("a"), store.events("a", most=5000)
        for number in range(2000):
            recorder.item_ended("h1", task, ItemResult(key=f"p/{number}", status=Status.CHANGED, changes=("x" * 50,)))
            if number % 500 == 0:
                recorder.flush()
        assert not recorder.flush()
        known = store.record("a")
        assert known is not None
        assert len(known.outcomes) < 2000
        most = 0
        store.database.engine.dispose()
        assert recorder.flush()
        known = store.record("a")
        assert known is not None
        assert len(known.outcomes) == 2000
        keys = [event.key for event in store.events("a", most=5000) if event.kind is Kind.ITEM]
        assert keys == [f"p/{number}" for number in range(2000)]  # each once, in their order
        assert before[1] == store.events("a", most=len(before[1]))
        assert store.check() == []


def test_a_job_comes_to_its_end_on_the_head_and_is_written_down_when_there_is_room(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world")
    world.store = f"sqlite:///{disk.folder}/lunops.db"
    world.set_up()
    world.slow_down(zfs_clone=0.4)
    service = world.serve()
    try:
        job = service.create(*[clone(f"n{number}", createParent=True) for number in range(8)])
        service.wait(job, "start_creating_clones")
        disk.fill()

        # The journal of the head is the witness that its tasks went on.
        wait_for(lambda: len(world.made("n")) == 16, GUARD_S)
        code, answer = service.request("POST", "/clone", {"clones": [clone("late", createParent=True)]})
        assert (code, answer["status"]) == (507, "error")
        assert "the disk of the service's store is full" in answer["message"]
        assert service.status(job)["status"] != "complete"
        disk.make_room()
        done = service.wait(job)
        assert (done["status"], done["num_completed"]) == ("complete", 8)
        assert service.wait(service.create(clone("late", createParent=True)))["status"] == "complete"
        assert world.runs(job, "zfs_clone") == 1  # nothing was done twice
    finally:
        service.kill()
    store = Store(world.store)
    events: list[Event] = store.events(job)
    assert store.check() == []
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert sum(event.kind == "item" for event in events) == 24
    store.close()
    with closing(sqlite3.connect(disk.folder / "lunops-engine.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_killed_while_the_disk_is_full_it_says_why_it_does_not_start_and_then_goes_on(
    tmp_path: Path, disk: Disk
) -> None:
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world")
    world.store = f"sqlite:///{disk.folder}/lunops.db"
    world.set_up()
    world.slow_down(zfs_clone=0.4)
    service = world.serve()
    try:
        job = service.create(*[clone(f"n{number}", createParent=True) for number in range(8)])
        service.wait(job, "start_creating_clones")
        disk.fill()
        wait_for(lambda: len(world.made("n")) >= 2, GUARD_S)
        service.kill()
        with pytest.raises(AssertionError, match=r"lunops: the disk of the store is full(?s:.)*to mend it: make room"):
            service = world.serve()
        disk.make_room()
        service = world.serve()
        assert service.wait(job)["num_completed"] == 8
        assert sorted(world.made("n")) == sorted(f"{kind} n{n}" for n in range(8) for kind in ("clone", "target"))
    finally:
        service.kill()
    with closing(Store(world.store)) as store:
        assert store.check() == []
