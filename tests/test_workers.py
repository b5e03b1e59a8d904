"""Services and workers as processes of their own, killed, stopped and bound to heads, on SQLite and PostgreSQL."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from lunops.model import Json
from lunops.store.rows import JobRecord
from tests.service_process import GUARD_S, Process, Service, World
from tests.service_support import clone, gone, wait_for


@pytest.fixture
def world(store_url: str, tmp_path: Path) -> World:
    made = World(tmp_path)
    if not store_url.startswith("sqlite:"):
        made.use(store_url)
    return made


P = TypeVar("P", bound=Process)


class Processes:
    """What a test starts, ended with it."""

    def __init__(self, world: World, stack: ExitStack) -> None:
        self._world = world
        self._stack = stack

    def front(self) -> Service:
        """Start a service that does no jobs itself."""
        return self._kept(self._world.serve("--no-worker"))

    def serve(self) -> Service:
        """Start a service that does jobs, too."""
        return self._kept(self._world.serve())

    def work(self, *options: str) -> Process:
        """Start a worker."""
        return self._kept(self._world.work(*options))

    def _kept(self, process: P) -> P:
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def start(world: World) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(world, stack)


def batch(name: str, count: int = 6, pool: str = "p1") -> list[Json]:
    return [clone(f"{name}{number}", pool, createParent=True) for number in range(count)]


def each_once(name: str, count: int = 6) -> list[str]:
    return sorted(f"{what} {name}{number}" for number in range(count) for what in ("clone", "target"))


def workers_of(record: JobRecord) -> set[str]:
    return {run.worker for run in record.runs}


def name_of(process: Process) -> str:
    return f":{process.process.pid}"


def who_does(world: World, job: str, *workers: Process) -> tuple[Process, Process]:
    """Return the worker that does the job, and the other one."""
    name = world.record(job).parts[0].worker
    (mine,) = [worker for worker in workers if name.endswith(name_of(worker))]
    (other,) = [worker for worker in workers if worker is not mine]
    return mine, other


def test_a_worker_that_is_killed_leaves_its_job_to_another(world: World, start: Processes) -> None:
    world.slow_down(zfs_clone=0.5)
    front, workers = start.front(), (start.work(), start.work())
    job = front.create(*batch("n", 12))
    front.wait(job, "start_creating_clones", num_clones=2)
    mine, other = who_does(world, job, *workers)
    mine.kill()
    assert front.wait(job)["status"] == "complete"
    assert world.runs(job, "zfs_clone") == 2
    assert sorted(world.made("n")) == each_once("n", 12)
    assert world.record(job).parts[0].worker.endswith(name_of(other))


def test_a_worker_that_was_stopped_loses_its_job_and_changes_nothing_when_it_goes_on(
    world: World, start: Processes
) -> None:
    world.set_up(lease_s=2)
    world.slow_down(zfs_clone=0.5)
    front, workers = start.front(), (start.work(), start.work())
    job = front.create(*batch("n", 12))
    front.wait(job, "start_creating_clones", num_clones=1)
    mine, other = who_does(world, job, *workers)
    mine.process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: world.record(job).parts[0].worker.endswith(name_of(other)), GUARD_S)
    finally:
        mine.process.send_signal(signal.SIGCONT)
    assert front.wait(job)["status"] == "complete"
    assert sorted(world.made("n")) == each_once("n", 12)
    assert front.wait(front.create(*batch("after", 1)))["status"] == "complete"


def test_a_worker_that_ends_hands_its_job_over(world: World, start: Processes) -> None:
    world.slow_down(zfs_clone=0.3)
    front, workers = start.front(), (start.work(), start.work())
    job = front.create(*batch("n", 8))
    front.wait(job, "start_creating_clones", num_clones=1)
    mine, _ = who_does(world, job, *workers)
    assert mine.stop() == 0
    assert front.wait(job)["status"] == "complete"
    assert world.runs(job, "zfs_clone") == 1  # the task that ran came to its end
    assert len(workers_of(world.record(job))) == 2
    assert sorted(world.made("n")) == each_once("n", 8)


def test_without_a_worker_a_job_waits_and_with_the_first_it_runs(start: Processes) -> None:
    front = start.front()
    job = front.create(*batch("n", 1))
    assert front.status(job)["status"] == "pending"
    start.work()
    assert front.wait(job)["status"] == "complete"


def test_a_worker_with_a_label_does_the_jobs_of_its_heads_and_no_others(world: World, start: Processes) -> None:
    lines = ["jbod-01 connection=sim pools=p1 state=h1.db worker_label=rack1\n"]
    lines += ["jbod-02 connection=sim pools=p2 state=h2.db\n"]
    (world.folder / "inventory").write_text("".join(lines))
    front = start.front()
    rack = start.work("--label", "rack1")
    job = front.create(*batch("n", 1), *batch("m", 1, "p2"))
    wait_for(lambda: {part.head: part.ended_s for part in world.record(job).parts}["jbod-01"] is not None, GUARD_S)
    assert front.status(job)["status"] == "pending"  # of the other head
    others = start.work()
    assert front.wait(job)["status"] == "complete"
    workers = {run.head: run.worker for run in world.record(job).runs}
    assert workers["jbod-01"].endswith(name_of(rack))
    assert workers["jbod-02"].endswith(name_of(others))


def test_two_services_on_one_store_share_the_work_and_keep_the_order_of_equal_names(
    world: World, start: Processes
) -> None:
    world.slow_down(zfs_clone=0.1)
    one, two = start.serve(), start.serve()
    jobs = [(one, one.create(*batch("n", 2)))]
    for turn in range(3):
        service = (two, one)[turn % 2]
        jobs.append((service, service.delete(*[gone(f"n{n}", deleteClones=True) for n in range(2)])))
        jobs.append((service, service.create(*batch("n", 2))))
    for service, job in jobs:
        assert service.wait(job)["status"] == "complete"
    assert len(world.made("n")) == 4 * 4  # each time anew


def test_a_head_that_goes_away_in_the_middle_is_waited_for(world: World, start: Processes) -> None:
    """The file of a simulated head that cannot be opened is a head that is off."""
    service = start.serve()
    assert service.wait(service.create(*batch("a", 1)))["status"] == "complete"
    file = world.folder / "h1.db"
    aside = {path: path.with_name(path.name + ".aside") for path in world.folder.glob("h1.db*")}
    for path, other in aside.items():
        path.rename(other)
    file.mkdir()
    job = service.create(*batch("n", 2))
    wait_for(lambda: world.record(job).parts[0].attempt > 1, GUARD_S)
    file.rmdir()
    for path, other in aside.items():
        other.rename(path)
    assert service.wait(job)["status"] == "complete"
    assert sorted(world.made("n")) == each_once("n", 2)
