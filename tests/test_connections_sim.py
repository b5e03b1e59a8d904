"""A simulated head's agent within this process: what it costs, what it bears, and when a process takes over."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.connections import Session, Timeouts, connect
from lunops.connections.base import Channel
from lunops.connections.sim_channel import SimChannel
from lunops.errors import AgentError, InventoryError, UnreachableError
from lunops.inventory import parse
from lunops.model import Host, Item, ItemResult, Status, Task
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem

HEADS, TASKS = 16, 5  # more heads are served by a worker


def head(folder: Path, name: str = "h", *, delay_s: float = 0.0, sim_process: bool = False) -> Host:
    return Host(
        name=name,
        connection="sim",
        state=folder / f"{name}.sim",
        pools=(name,),
        delay_s=delay_s,
        sim_process=sim_process,
    )


def clones(pool: str, *names: str) -> Task:
    items = tuple(
        Item(key=f"{pool}/{name}", args={"src": f"{pool}/images/golden@1", "dst": f"{pool}/{name}", "properties": {}})
        for name in names
    )
    return Task(id="01:zfs_clone", name="clone", module="zfs_clone", items=items, run="r", forks=1)


def look(pool: str, number: int = 1) -> Task:
    item = Item(key=f"{pool}/images/golden", args={"dataset": f"{pool}/images/golden", "timeout_s": 5})
    return Task(id=f"{number:02}:wait_for_device", name="look", module="wait_for_device", items=(item,))


def set_faults(host: Host, *faults: Fault, **others: dict[str, float]) -> None:
    assert host.state is not None
    system = SimulatedSystem(host.state, pools=host.pools)
    system.set_faults(Faults(faults=faults, **others))  # type: ignore[arg-type] # delays_s alone
    system.close()


class Counting:
    """A channel that counts what is sent over it."""

    def __init__(self, host: Host) -> None:
        assert host.state is not None
        self.requests = 0
        self._channel = SimChannel(host.state, host.pools, delay_s=0.0, start=never, is_process=False, close_s=5.0)
        self.receive = self._channel.receive
        self.hold_little = self._channel.hold_little
        self.stderr_tail = self._channel.stderr_tail
        self.exit_code = self._channel.exit_code
        self.close = self._channel.close

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        self.requests += data.count(b"\n")
        self._channel.send(data, timeout_s)


def never() -> Channel:
    raise AssertionError("a process was started")


def test_so_many_tasks_cost_as_many_requests_and_no_process_nor_thread(tmp_path: Path) -> None:
    hosts = [head(tmp_path, f"h{number}") for number in range(HEADS)]
    channels = [Counting(host) for host in hosts]
    sessions = [Session(host, channel) for host, channel in zip(hosts, channels, strict=True)]
    threads: set[int] = set()
    threading.setprofile(lambda *_event: threads.add(threading.get_ident()))  # called in every thread that is begun
    try:
        found = [
            [session.run(look(host.name, number)).status for number in range(TASKS)]
            for session, host in zip(sessions, hosts, strict=True)
        ]
    finally:
        threading.setprofile(None)

    assert [channel.requests for channel in channels] == [TASKS] * HEADS
    assert found == [[Status.OK] * TASKS] * HEADS
    assert threads == set()
    assert {session.hello.pid for session in sessions} == {os.getpid()}
    for session in sessions:
        session.close()


def test_the_inventory_says_how_far_away_a_head_is() -> None:
    heads = parse("a connection=sim delay_ms=20 sim_process=true\nb connection=sim\n", Path("inventory")).hosts

    assert (heads["a"].delay_s, heads["a"].sim_process) == (0.02, True)
    assert (heads["b"].delay_s, heads["b"].sim_process) == (0.0, False)
    with pytest.raises(InventoryError, match=r"inventory:1, delay_ms.*whole number from 0 to 99999"):
        parse("a connection=sim delay_ms=0.02\n", Path("inventory"))


def test_a_head_that_is_far_away_answers_late_and_many_of_them_not_later(tmp_path: Path) -> None:
    hosts = [head(tmp_path, f"h{number}", delay_s=0.3) for number in range(10)]

    def run(host: Host) -> float:
        session = connect(host)
        result = session.run(look(host.name))
        session.close()
        assert result.status is Status.OK
        assert session.connect_s >= 0.6
        assert result.times.transfer_s >= 0.3
        assert result.times.run_s < 0.3
        return session.connect_s

    begun, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(run, hosts))

    assert time.monotonic() - begun < 10 * 0.9  # one after the other
    assert time.process_time() - cpu < 0.9 * 2  # and nobody waits by looking again and again


def test_items_are_told_as_they_end_and_a_cancel_from_another_thread_leaves_the_rest(tmp_path: Path) -> None:
    host = head(tmp_path)
    set_faults(host, delays_s={"zfs clone": 0.2})
    session = connect(host)
    told: list[str] = []

    def hear(item: ItemResult) -> None:
        told.append(item.key)
        canceller = threading.Thread(target=session.cancel)
        canceller.start()
        canceller.join()

    result = session.run(clones("h", *"abcdefgh"), on_item=hear)

    assert told[0] == "h/a"
    assert 1 <= result.count(Status.CHANGED) < 8
    assert result.count(Status.CHANGED) + result.count(Status.SKIPPED) == 8
    assert session.run(look("h")).status is Status.OK
    session.close()


def test_a_cancel_between_request_and_work_is_heard(tmp_path: Path) -> None:
    host = head(tmp_path, delay_s=0.5)
    session = connect(host)
    threading.Timer(0.2, session.cancel).start()

    assert session.run(clones("h", "a")).status is Status.SKIPPED
    session.close()


def test_heads_that_wait_do_not_hold_up_others(tmp_path: Path) -> None:
    slow, quick = head(tmp_path, "slow"), head(tmp_path, "quick")
    set_faults(slow, delays_s={"zfs clone": 2.0})
    waiting, other = connect(slow), connect(quick)
    thread = threading.Thread(target=waiting.run, args=(clones("slow", "a"),))
    thread.start()
    time.sleep(0.2)
    begun = time.monotonic()
    other.run(clones("quick", "a"))

    assert time.monotonic() - begun < 1.5
    thread.join()
    waiting.close()
    other.close()


@pytest.mark.parametrize("effect", ["die_before", "die_after", "hang"])
def test_a_fault_that_ends_a_process_gets_one(tmp_path: Path, effect: str) -> None:
    host = head(tmp_path)
    set_faults(host, Fault(on="*", effect=effect, hang_s=0.1, nth=10_000))  # type: ignore[arg-type] # one of Effect
    session = connect(host)

    assert session.hello.pid != os.getpid()
    session.close()


def test_the_host_variable_gives_the_agent_a_process(tmp_path: Path) -> None:
    session = connect(head(tmp_path, sim_process=True))

    assert session.hello.pid != os.getpid()
    assert session.run(look("h")).status is Status.OK
    session.close()


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
@pytest.mark.parametrize(("effect", "made"), [("die_before", 0), ("die_after", 1)])
def test_an_agent_that_is_killed_within_this_process_is_gone_as_if_by_kill_9(
    tmp_path: Path, names: tuple[str, ...], effect: str, made: int
) -> None:
    host = head(tmp_path)
    session = connect(host)
    session.run(look("h"))
    set_faults(host, Fault(on="zfs clone", effect=effect))  # type: ignore[arg-type] # one of Effect

    with pytest.raises(AgentError, match="ended in the middle, by signal 9"):
        session.run(clones("h", *names))

    set_faults(host)
    again = connect(host)
    result = again.run(clones("h", *names))
    assert result.count(Status.OK) == made, result
    assert result.count(Status.CHANGED) == len(names) - made
    again.close()


def test_what_a_killed_agent_held_is_free(tmp_path: Path) -> None:
    host = head(tmp_path)
    session = connect(host)
    session.run(clones("h", "a"))
    assert host.state is not None
    eyes = SimulatedSystem(host.state)
    (lock,) = [name for name in eyes.listdir("/run/lock") if name.startswith("lunops-run-r.")]
    assert eyes.lock_holder(f"/run/lock/{lock}")
    set_faults(host, Fault(on="zfs clone", effect="die_before"))
    with pytest.raises(AgentError):
        session.run(clones("h", "b"))

    assert eyes.lock_holder(f"/run/lock/{lock}") == ""
    assert eyes.exists(f"/run/lock/{lock}")


def test_closing_from_another_thread_ends_a_task_that_runs(tmp_path: Path) -> None:
    host = head(tmp_path)
    set_faults(host, delays_s={"zfs clone": 0.3})
    session = connect(host)
    threading.Timer(0.5, session.close).start()

    begun = time.monotonic()
    with contextlib.suppress(AgentError, UnreachableError):
        session.run(clones("h", *(f"n{number}" for number in range(40))))
    assert time.monotonic() - begun < 10
    with pytest.raises(UnreachableError):
        session.run(look("h"))
    session.close()


def test_a_state_that_cannot_be_opened_says_which_and_why(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"cannot open the simulated head's file .*missing/h.sim.*\(h\)"):
        connect(replace(head(tmp_path), state=tmp_path / "missing" / "h.sim"))


def test_a_stream_comes_from_a_process_and_the_session_goes_on_after_it(tmp_path: Path) -> None:
    host = head(tmp_path)
    session = connect(host, timeouts=Timeouts(close_s=1.0))
    session.run(clones("h", "a"))
    pipe = session.pipe("send", {"how": "full", "src": "h/images/golden@1"}, stall_s=30)
    size = 0
    while data := pipe.read(30):
        size += len(data)

    assert size
    assert pipe.ending is not None
    assert pipe.ending.code == 0
    assert session.run(look("h")).status is Status.OK
    session.close()
