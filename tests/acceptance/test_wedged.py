"""A real call on configfs that hangs in state D, killable by nobody: noticed, marked, refused, and over in the end."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lunops.agent
from lunops.connections import connect
from lunops.inventory import parse
from lunops.model import HeadPlan, Plan, Status
from lunops.recap import Detail, exit_code, report
from lunops.runner import run_plan
from tests.acceptance.eyes import LabEyes
from tests.lab.access import ssh_command
from tests.operations.bench import ISCSI, Bench
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_wedged import MARK

pytestmark = pytest.mark.lab

AGENT = Path(lunops.agent.__file__).parent
HOLD = Path(__file__).with_name("hold_folder.py")


@contextlib.contextmanager
def held(eyes: LabEyes, folder: str) -> Iterator[None]:
    """Have everyone hang who makes, removes or looks up something in a folder."""
    eyes.put("/tmp/hold_folder.py", HOLD.read_text())
    eyes.run(["mkdir", "-p", folder])
    command = ssh_command(eyes.head, f"python3 /tmp/hold_folder.py {folder}")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "holding\n"
        yield
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def states(eyes: LabEyes, pid: int) -> set[str]:
    """Return the states of a process's threads."""
    return set(eyes.run(["sh", "-c", f"cut -d' ' -f3 /proc/{pid}/task/*/stat"])[1].split())


def test_a_kernel_call_that_hangs_wedges_its_head_alone_and_its_end_frees_it(bench: Bench, tmp_path: Path) -> None:
    eyes = bench.eyes
    assert isinstance(eyes, LabEyes)
    (lun,) = bench.luns(1)
    inventory = parse(f"[heads]\nother connection=sim pools=p state={tmp_path}/other.sim\n", tmp_path / "inventory")
    other = Bench(host=inventory.hosts["other"], eyes=SimEyes(inventory.hosts["other"]), inventory=inventory, test="o")

    def plan(*, with_other: bool) -> Plan:
        (mine,) = bench.create_plan([lun]).heads
        heads = [HeadPlan(host=dataclasses.replace(bench.host, hang_s=3.0), tasks=mine.tasks)]
        return Plan(name="p", heads=(*heads, *(other.create_plan(other.luns(2)).heads if with_other else ())))

    with held(eyes, ISCSI):
        first = run_plan(plan(with_other=True), connect=connect)
        pid = json.loads(eyes.read(MARK))["pid"]
        eyes.run(["kill", "-9", str(pid)])
        stuck = states(eyes, pid)
        second = run_plan(plan(with_other=False), connect=connect)
    third = run_plan(plan(with_other=False), connect=connect)
    mark_is_left = eyes.exists(MARK)
    served = bench.is_served(lun)
    bench.delete([lun])

    text = report(first, Detail())
    assert {task.head for task in first.tasks if task.wedged} == {bench.host.name}, text
    (said,) = {task.error for task in first.tasks if task.wedged and task.module == "lio_target"}
    assert f"pid {pid} hangs in the kernel, at " in said
    assert said.endswith(f"iscsi/{lun.wwn}")
    assert "WEDGED" in text
    assert exit_code(first.tasks) == 2
    assert [each for each in other.luns(2) if not other.is_served(each)] == []
    assert "D" in stuck  # kill -9 did not help
    assert [task.wedged for task in second.tasks if task.status is not Status.SKIPPED] == [True]
    assert not third.is_bad, third
    assert served
    assert not mark_is_left


def test_a_command_that_even_a_kill_does_not_end_is_told_with_its_pid(bench: Bench) -> None:
    eyes = bench.eyes
    assert isinstance(eyes, LabEyes)
    eyes.run(["mkdir", "-p", "/tmp/agent/lunops/agent"])
    needed = (
        "import sys, lunops.agent.system; print(*[name for name in sys.modules if name.startswith('lunops.agent.')])"
    )
    found = subprocess.run([sys.executable, "-c", needed], capture_output=True, text=True, check=True, timeout=60)
    for name in found.stdout.split():
        file = name.removeprefix("lunops.agent.") + ".py"
        eyes.put(f"/tmp/agent/lunops/agent/{file}", (AGENT / file).read_text())
    code = (
        "from lunops.agent.system import System; "
        f"output = System().run(['mkdir', '{ISCSI}/iqn.2024-01.org.example:never'], 1.0); "
        "print(output.code, output.err)"
    )

    with held(eyes, ISCSI):
        said = eyes.shell(f"cd /tmp/agent && python3 -c {shlex.quote(code)}")
    eyes.run(["rmdir", f"{ISCSI}/iqn.2024-01.org.example:never"])

    assert re.fullmatch(r"-9 no answer within 1 s, and pid \d+ hangs in the kernel: it cannot be killed\n", said), said
