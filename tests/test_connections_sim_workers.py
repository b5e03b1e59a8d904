"""Many simulated heads: those beyond the first are served by a worker, which is told apart by nothing else."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lunops.connections import Session, connect
from lunops.errors import AgentError, HeadError
from lunops.model import ItemResult, Status
from lunops.sim.faults import Fault
from lunops.sim.head import SimulatedSystem
from tests.test_connections_sim import clones, head, look, set_faults

HERE = 16  # heads that are served within the process

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor has no use for workers")


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[list[Session]]:
    """Give sessions with so many heads that others go to a worker; those that a test adds are closed, too."""
    sessions = [connect(head(tmp_path, f"crowd{number}")) for number in range(HERE)]
    yield sessions
    for session in sessions:
        session.close()


def workers() -> list[int]:
    """Return the workers of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    every = Path("/proc/self/task").glob("*/children")
    found = {int(word) for path in every for word in path.read_text().split()} | {int(word) for word in children}
    return [pid for pid in found if b"lunops.sim.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_heads_of_a_worker_do_what_others_do_and_it_ends_with_the_last_of_them(
    tmp_path: Path, crowd: list[Session]
) -> None:
    assert not workers()
    more = [connect(head(tmp_path, name)) for name in ("a", "b")]
    crowd += more
    [worker] = workers()
    assert [session.hello.pid for session in more] == [worker, worker]
    for name, session in zip("ab", more, strict=True):
        told: list[ItemResult] = []
        assert session.run(clones(name, "x", "y"), on_item=told.append).status is Status.CHANGED
        assert [item.key for item in told] == [f"{name}/x", f"{name}/y"]
        assert session.run(look(name)).status is Status.OK
    more[0].close()
    assert more[1].run(look("b", 2)).status is Status.OK
    more[1].close()
    assert until(lambda: not workers())
    assert crowd[0].run(look("crowd0")).status is Status.OK


def test_an_agent_that_is_killed_within_a_worker_is_gone_alone(tmp_path: Path, crowd: list[Session]) -> None:
    mine, other = (connect(head(tmp_path, name)) for name in ("a", "b"))
    crowd += [mine, other]
    set_faults(head(tmp_path, "a"), Fault(on="zfs clone", effect="die_before"))
    with pytest.raises(AgentError, match="by signal 9"):
        mine.run(clones("a", "x"))
    assert other.run(clones("b", "x")).status is Status.CHANGED


def test_a_worker_that_is_killed_takes_its_heads_with_it_and_no_others(tmp_path: Path, crowd: list[Session]) -> None:
    lost = connect(head(tmp_path, "a"))
    crowd.append(lost)
    assert lost.hello.pid in workers()
    os.kill(lost.hello.pid, signal.SIGKILL)
    with pytest.raises(HeadError):
        lost.run(look("a"))
    assert crowd[0].run(look("crowd0")).status is Status.OK
    again = connect(head(tmp_path, "a"))
    crowd.append(again)
    assert again.hello.pid != lost.hello.pid
    assert again.run(look("a")).status is Status.OK


def test_heads_of_a_worker_that_wait_do_not_hold_up_others(tmp_path: Path, crowd: list[Session]) -> None:
    slow = [head(tmp_path, f"slow{number}") for number in range(3)]
    for host in slow:
        set_faults(host, delays_s={"zfs clone": 1.5})
    sessions = [connect(host) for host in slow]
    quick = connect(head(tmp_path, "quick"))
    crowd += [*sessions, quick]
    begun = time.monotonic()
    threads = [
        threading.Thread(target=session.run, args=(clones(host.name, "x"),))
        for host, session in zip(slow, sessions, strict=True)
    ]
    for thread in threads:
        thread.start()
    assert quick.run(clones("quick", "x")).status is Status.CHANGED
    assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 4.0  # side by side


def test_a_task_within_a_worker_is_cancelled(tmp_path: Path, crowd: list[Session]) -> None:
    set_faults(head(tmp_path, "a"), delays_s={"zfs clone": 0.5})
    session = connect(head(tmp_path, "a"))
    crowd.append(session)
    threading.Timer(0.2, session.cancel).start()
    result = session.run(clones("a", "x", "y", "z"))
    assert [item.status for item in result.items] == [Status.CHANGED, Status.SKIPPED, Status.SKIPPED]


def test_a_fault_that_ends_a_process_gets_one_there_too_and_a_bad_file_is_named(
    tmp_path: Path, crowd: list[Session]
) -> None:
    set_faults(head(tmp_path, "a"), Fault(on="zfs clone", effect="die_before"))
    session = connect(head(tmp_path, "a"))
    crowd.append(session)
    assert session.hello.pid not in (os.getpid(), *workers())
    (tmp_path / "bad.sim").write_text("no database at all, and long enough to be none" * 100)
    with pytest.raises(AgentError, match=r"cannot open the simulated head's file .*bad.sim"):
        connect(head(tmp_path, "bad"))


def test_what_a_worker_holds_is_free_when_its_controller_is_gone(tmp_path: Path, crowd: list[Session]) -> None:
    """The worker's input ends with the controller: its locks are free then, and its heads as they were."""
    session = connect(head(tmp_path, "a"))
    crowd.append(session)
    assert session.run(clones("a", "x")).status is Status.CHANGED
    system = SimulatedSystem(tmp_path / "a.sim")
    assert json.dumps(system.listdir("/run/lock")).count("lunops-run-r") == 1
    session.close()
    assert not [name for name in system.listdir("/run/lock") if "lunops-run-r" in name]
    system.close()
