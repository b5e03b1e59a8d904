"""Several processes on one simulated head see one state, and what one did outlives its end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lunops.agent.system import Locked
from lunops.sim.head import SimulatedSystem

GOLDEN = "p1/images/golden@1"


def start(state: Path, code: str) -> subprocess.Popen[str]:
    """Start a process that has the head as `head` and runs the code."""
    imports = "import os, sys, time; from pathlib import Path; from lunops.sim.head import SimulatedSystem\n"
    program = f"{imports}head = SimulatedSystem(Path({str(state)!r}), pools=['p1'])\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> str:
    """Wait for a process that must succeed, and return what it printed."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_processes_that_open_a_new_head_at_once_make_one_head(tmp_path: Path) -> None:
    ended = [end(process) for process in [start(tmp_path / "head", "print('good')") for _ in range(2)]]
    assert ended == ["good\n"] * 2
    head = SimulatedSystem(tmp_path / "head")
    assert head.run(["zfs", "list", "-H", "-o", "name"]).out.split() == ["p1", "p1/images", "p1/images/golden"]
    head.close()


def test_changes_of_several_processes_at_once_are_all_there(tmp_path: Path) -> None:
    code = "for n in range(25): assert head.run(['zfs', 'clone', 'p1/images/golden@1', f'p1/{NAME}{n}']).code == 0"
    processes = [start(tmp_path / "head", code.replace("{NAME}", name)) for name in "ab"]
    for process in processes:
        end(process)
    head = SimulatedSystem(tmp_path / "head")
    assert len(head.listdir("/dev/zvol/p1")) == 1 + 2 * 25
    assert len({head.resolve(f"/dev/zvol/p1/a{number}") for number in range(25)}) == 25
    assert [change.n for change in head.journal()] == list(range(1, 51))
    head.close()


def test_a_change_that_has_returned_outlives_kill_minus_nine(tmp_path: Path) -> None:
    told = tmp_path / "told"  # one byte for each change that has returned
    told.touch()
    process = start(
        tmp_path / "head",
        f"told = os.open({str(told)!r}, os.O_WRONLY | os.O_APPEND)\n"
        "for n in range(10**6):\n    head.mkdir(f'/tmp/{n}')\n    os.write(told, b'.')\n",
    )
    deadline = time.monotonic() + 30
    while told.stat().st_size < 200:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=30)
    returned = told.stat().st_size
    head = SimulatedSystem(tmp_path / "head")
    made = {int(name) for name in head.listdir("/tmp")}
    assert made in (set(range(returned)), set(range(returned + 1)))  # the one under way may or may not be there
    assert len(head.journal()) == len(made)
    head.close()


def test_a_lock_is_seen_by_other_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    process = start(
        tmp_path / "head",
        "with head.lock('/run/lock/lunops-lio.lock', 1):\n    print('held', flush=True); time.sleep(60)",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    head = SimulatedSystem(tmp_path / "head")
    with pytest.raises(Locked) as caught, head.lock("/run/lock/lunops-lio.lock", 0.1):
        raise AssertionError("the lock was free")
    assert caught.value.holder.startswith(f"pid {process.pid} (")
    process.kill()
    process.communicate(timeout=30)
    with head.lock("/run/lock/lunops-lio.lock", 5.0):
        pass
    head.close()


def test_the_agent_is_served_over_a_head(tmp_path: Path) -> None:
    state = tmp_path / "head"
    task = {
        "do": "task",
        "id": "01:zfs_clone",
        "module": "zfs_clone",
        "items": [
            {
                "key": "p1/nodes/x",
                "args": {"src": GOLDEN, "dst": "p1/nodes/x", "create_parent": True, "marks": {"lunops:managed": "1"}},
            }
        ],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "lunops.sim", str(state), "--pool", "p1", "--pool", "p2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    events: list[dict[str, object]] = []
    while not events or events[-1]["event"] not in ("task_finished", "error"):
        events.append(json.loads(process.stdout.readline()))
    process.communicate(timeout=30)  # the end of its input ends it
    assert process.returncode == 0
    assert [event["event"] for event in events][:2] == ["hello", "task_started"]
    assert [event["status"] for event in events if event["event"] == "item"] == ["changed"]
    head = SimulatedSystem(state)
    assert head.is_block_device("/dev/zvol/p1/nodes/x")
    assert head.run(["zpool", "list", "-H", "-o", "name"]).out == "p1\np2\n"
    head.close()
