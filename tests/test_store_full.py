"""A disk that is really full under the store: requests are refused, tasks go on, nothing is lost or damaged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lunops.errors import StoreFullError
from lunops.store import Filter, Store
from lunops.store.rows import Event
from tests.service_process import GUARD_S, World
from tests.service_support import clone, wait_for
from tests.store_support import accept, new_job


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


def test_what_does_not_fit_is_refused_whole_and_fits_later(disk: Disk) -> None:
    store = Store(disk.folder / "lunops.db")
    accept(store, new_job("a", "p/1"))
    disk.fill()

    def fill_up() -> None:
        for turn in range(50):  # what is left in the file's own pages comes first
            accept(store, new_job(f"big{turn}", *[f"p/{turn}-{number}" for number in range(2000)]))

    with pytest.raises(StoreFullError, match="the disk of the store is full"):
        fill_up()
    there = [job.id for job in store.jobs(Filter())]
    assert "a" in there
    disk.make_room()
    accept(store, new_job("later", "q/1"))
    assert store.check() == []
    assert [job.id for job in store.jobs(Filter())] == ["later", *there]
    store.close()


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
