"""The service, stopped and killed in the middle of its jobs, on simulated heads that keep a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service_process import Service, World
from tests.service_support import clone, gone


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def serve(world: World) -> Iterator[Callable[[], Service]]:
    started: list[Service] = []

    def start() -> Service:
        started.append(world.serve())
        return started[-1]

    yield start
    for service in started:
        service.kill()


def batch(count: int) -> list[dict[str, object]]:
    return [clone(f"n{number}", createParent=True) for number in range(count)]


def removal(count: int) -> list[dict[str, object]]:
    return [gone(f"n{number}", deleteClones=True) for number in range(count)]


def each_once(count: int) -> list[str]:
    return sorted(f"{what} n{number}" for number in range(count) for what in ("clone", "target"))


@pytest.mark.parametrize(
    ("slow", "phase", "clones", "module"),
    [
        ({"zfs_clone": 0.25}, "start_creating_clones", 2, "zfs_clone"),
        ({"symlink": 0.15}, "start_creating_targets", 6, "lio_target"),
    ],
)
def test_a_job_whose_service_is_killed_goes_on_at_the_next_start_and_nothing_is_made_twice(
    world: World, serve: Callable[[], Service], slow: dict[str, float], phase: str, clones: int, module: str
) -> None:
    world.slow_down(**slow)
    service = serve()
    job = service.create(*batch(6))
    behind = service.delete(*removal(1))
    service.wait(job, phase, num_clones=clones)
    service.kill()
    service = serve()
    done = service.wait(job)
    assert (done["status"], done["num_clones"], done["num_completed"]) == ("complete", 6, 6), done
    assert world.runs(job, module) == 2  # it was cut off, and begun again
    assert service.wait(behind)["status"] == "complete"  # after the first, or its target would be there still
    assert sorted(world.made("n")) == each_once(6)
    assert service.wait(service.delete(*removal(6)))["status"] == "complete"
    assert world.left("n") == []


def test_killed_again_and_again_it_still_comes_to_its_end(world: World, serve: Callable[[], Service]) -> None:
    world.slow_down(zfs_clone=0.5, symlink=0.3)  # each phase lasts long enough to be seen on a busy machine
    # Four at a time: a killed agent ends those that it has begun, and some are left for each life.
    service = serve()
    job = service.create(*batch(16))
    lives = (
        ("start_creating_clones", "zfs_clone", 1),
        ("start_creating_clones", "zfs_clone", 2),
        ("start_creating_targets", "lio_target", 1),
    )
    for phase, module, run in lives:
        service.wait(job, phase, num_clones=1)
        # The status is what the life before it left, until this one has begun the task again.
        world.wait_for_run(job, module, run)
        service.kill()
        if phase == "start_creating_targets":
            world.slow_down(symlink=0.01)
        service = serve()
    done = service.wait(job)
    assert (done["status"], done["num_completed"], done["percent_completed"]) == ("complete", 16, 1.0), done
    assert (world.runs(job, "zfs_clone"), world.runs(job, "lio_target")) == (3, 2)
    assert sorted(world.made("n")) == each_once(16)


def test_sigterm_lets_the_running_task_end_and_the_next_start_goes_on(
    world: World, serve: Callable[[], Service]
) -> None:
    world.slow_down(zfs_clone=0.2)
    service = serve()
    job = service.create(*batch(6))
    service.wait(job, "start_creating_clones", num_clones=1)
    assert service.stop() == 0
    assert [each.split()[0] for each in world.made("n")] == ["clone"] * 6
    service = serve()
    assert service.status(job)["num_clones"] == 6
    assert service.wait(job)["status"] == "complete"
    assert world.runs(job, "zfs_clone") == 1
    assert sorted(world.made("n")) == each_once(6)


def test_a_task_that_does_not_end_holds_sigterm_no_longer_than_it_was_told(
    world: World, serve: Callable[[], Service]
) -> None:
    world.set_up(stop_s=0.5)
    world.slow_down(zfs_clone=5.0)
    service = serve()
    job = service.create(*batch(1))
    service.wait(job, "start_creating_clones")
    assert service.stop() == 0
    world.slow_down()
    service = serve()
    assert service.wait(job)["status"] == "complete"
    assert world.runs(job, "zfs_clone") == 2
