"""A controller that says nothing any more: its agent ends by itself, and what it held is free."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lunops.agent.quiet import LEFT
from lunops.agent_bundle import preamble
from lunops.connections import Timeouts, connect
from lunops.connections.elevation import Elevation
from lunops.model import Host, Item, Status, Task
from tests.support import stubborn
from tests.support.started import is_gone, soon

CONTROLLER = """\
import sys
from pathlib import Path
from lunops.connections import Timeouts, connect
from lunops.errors import HeadError
from lunops.model import Host, Item, Task

host = Host(name="h", connection=sys.argv[1], python=sys.executable, state=Path(sys.argv[2]), sim_process=True)
session = connect(host, timeouts=Timeouts(quiet_s=1.0))
print(session.hello.pid, flush=True)
clone = {"src": "p1/images/golden@1", "dst": "p1/x", "marks": {"lunops:managed": "1"}, "properties": {}}
tasks = {
    "clone": Task(id="1", name="Clone", module="zfs_clone", items=(Item(key="p1/x", args=clone),), run="run-1"),
    "true": Task(id="2", name="True", module="command", items=(Item(key="t", args={"argv": ["true"], "cmd": "t"}),)),
    "long": Task(
        id="3", name="Long", module="command", items=(Item(key="l", args={"argv": ["sh", "long.sh"], "cmd": "l"}),)
    ),
}
try:
    for name in sys.argv[3:]:
        if name == "wait":
            print("waiting", flush=True)
            sys.stdin.readline()
        else:
            session.run(tasks[name])
    print("good", flush=True)
except HeadError as error:
    print(type(error).__name__, error.what.splitlines()[0], flush=True)
"""


@contextmanager
def controller(folder: Path, kind: str, *does: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a controller with a session, and give its agent's pid, too."""
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, kind, str(folder / "h.sim"), *does],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, int(said(process))
    finally:
        process.kill()
        process.communicate(timeout=10)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("kind", ["local", "sim"])
def test_the_agent_of_a_controller_that_was_stopped_ends_and_the_controller_is_told(tmp_path: Path, kind: str) -> None:
    with controller(tmp_path, kind, "wait", "true") as (process, agent):
        assert said(process) == "waiting"
        process.send_signal(signal.SIGSTOP)
        assert soon(lambda: is_gone(agent))
        process.send_signal(signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert said(process).split()[0] in ("AgentError", "UnreachableError")


def test_the_names_of_a_controller_that_was_stopped_are_anothers_to_have(tmp_path: Path) -> None:
    head = Host(name="h", connection="sim", state=tmp_path / "h.sim", pools=("p1",))
    connect(head).close()  # made
    with controller(tmp_path, "sim", "clone", "wait") as (process, agent):
        assert said(process) == "waiting"
        args = {"src": "p1/images/golden@1", "dst": "p1/x", "marks": {"lunops:managed": "1"}, "properties": {}}
        task = Task(id="1", name="C", module="zfs_clone", items=(Item(key="p1/x", args=args),), run="run-2")
        other = connect(head, timeouts=Timeouts(lock_wait_s=0.2))
        held = other.run(task).items[0]
        process.send_signal(signal.SIGSTOP)
        assert soon(lambda: not other.at_work("run-1"))
        free = other.run(task).items[0]
        other.close()
        assert soon(lambda: is_gone(agent))
    assert held.busy
    assert f"pid {agent} " in held.error
    assert free.status is Status.OK


def test_what_runs_for_a_controller_that_was_stopped_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    stubborn.write(tmp_path)
    with controller(tmp_path, "local", "long") as (process, agent):
        assert soon(lambda: len(stubborn.pids(tmp_path)) == 2)
        process.send_signal(signal.SIGSTOP)
        assert soon(lambda: is_gone(agent))
        assert soon(lambda: all(map(is_gone, stubborn.pids(tmp_path))), 2.0)
        process.send_signal(signal.SIGCONT)
        assert "the agent ended in the middle" in said(process)


def test_an_agent_whose_words_nobody_reads_ends() -> None:
    host = Host(name="h", connection="local", python=sys.executable)
    process = subprocess.Popen(Elevation(host).argv(host.python), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    much = {"argv": ["sh", "-c", "yes | head -c 300000"], "cmd": "much"}
    requests = [
        {"do": "alive", "quiet_s": 0.5},
        {"do": "task", "id": "1", "module": "command", "items": [{"key": "a", "args": much}]},
    ]
    assert process.stdin is not None
    process.stdin.write(preamble() + "".join(json.dumps(request) + "\n" for request in requests).encode())
    process.stdin.flush()
    try:
        assert process.wait(20) == LEFT
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_an_agent_that_is_ended_by_term_leaves_nothing_running(tmp_path: Path) -> None:
    stubborn.write(tmp_path)
    with controller(tmp_path, "local", "long") as (process, agent):
        assert soon(lambda: len(stubborn.pids(tmp_path)) == 2)
        subprocess.run(["kill", "-TERM", str(agent)], check=True)
        assert "the agent ended in the middle" in said(process)
        assert soon(lambda: all(map(is_gone, stubborn.pids(tmp_path))), 2.0)


@pytest.mark.parametrize("kind", ["local", "sim"])
def test_a_session_that_has_nothing_to_do_stays_for_as_long_as_it_is_kept(tmp_path: Path, kind: str) -> None:
    head = Host(name="h", connection=kind, python=sys.executable, state=tmp_path / "h.sim", sim_process=True)
    session = connect(head, timeouts=Timeouts(quiet_s=0.4))
    time.sleep(1.5)
    task = Task(id="1", name="T", module="command", items=(Item(key="t", args={"argv": ["true"], "cmd": "t"}),))
    assert session.run(task).items[0].status is Status.CHANGED
    session.close()


def test_nothing_is_said_in_the_middle_of_a_stream_and_its_head_stays(tmp_path: Path) -> None:
    head = Host(name="h", connection="sim", state=tmp_path / "h.sim", pools=("p1",), sim_process=True)
    session = connect(head, timeouts=Timeouts(quiet_s=0.4))
    pipe = session.pipe("send", {"src": "p1/images/golden@1", "how": "full"}, stall_s=30)
    time.sleep(1.5)
    size = 0
    while data := pipe.read(20):
        size += len(data)
    assert pipe.ending is not None
    assert (pipe.ending.code, pipe.ending.bytes_moved) == (0, size)
    time.sleep(1.0)  # behind the stream, too
    assert session.at_work("run-1") == ""
    session.close()
