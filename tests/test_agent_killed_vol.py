"""kill -9 of the agent after any write of a plan of volumes and file systems: each is whole, or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.connections import connect
from lunops.inventory import parse
from lunops.model import RunResult, Status
from lunops.playbook.reader import read_playbook as parse_playbook
from lunops.resources import load_templates
from lunops.runner import run_plan
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem
from tests.planned import plan_playbook

WRITES = 12  # of the plan below, and a few more: a fault that never strikes must change nothing
PLAN = """
- hosts: all
  name: volumes
  tasks:
    - zfs_filesystem: {dataset: p/a/fs, create_parent: true, properties: {atime: "off"}}
    - zfs_volume: {dataset: "p/b/{{ item }}", size: 16M, create_parent: true}
      loop: [one, two]
    - zfs_set: {dataset: "p/b/{{ item }}", properties: {compression: lz4}}
      loop: [one, two]
"""


def state(head: SimulatedSystem) -> dict[str, str]:
    out = head.run(["zfs", "list", "-Hp", "-r", "-t", "all", "-o", "name,volsize,compression", "p"]).out
    return {
        name: f"{size} {compression}" for name, size, compression in (line.split("\t") for line in out.splitlines())
    }


def play(path: Path, run: str) -> RunResult:
    inventory = parse(f"h connection=sim pools=p state={path}/h.sim\n", path / "inventory")
    plan = plan_playbook(parse_playbook(PLAN, "plan.yml"), inventory, templates=load_templates(), run=run)
    return run_plan(plan, connect=connect)


@pytest.mark.parametrize("write", range(1, WRITES))
def test_a_run_whose_agent_dies_leaves_each_dataset_whole_or_not_at_all(tmp_path: Path, write: int) -> None:
    head = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    before = state(head)
    head.set_faults(Faults(faults=(Fault(on="*", nth=write, effect="die_after"),)))

    result = play(tmp_path, "run-1")
    head.set_faults(Faults())
    after = state(head)

    ended = {item.key: item.status in (Status.OK, Status.CHANGED) for task in result.tasks for item in task.items}
    if result.tasks[-1].module == "undo":  # what it took back or found gone has ended well, and is not there
        ended |= {item.key: False for item in result.tasks[-1].items}
    assert {key: key in after for key in ended} == ended, result
    assert {after[key] for key in ("p/b/one", "p/b/two") if key in after} <= {f"{16 << 20} lz4"}
    if all(key not in after for key in ("p/a/fs", "p/b/one", "p/b/two")):
        assert after == before, result
    again = play(tmp_path, "run-2")
    end = state(head)
    head.close()
    assert not again.is_bad, again
    assert {key: end[key] for key in end if key not in before} == {
        "p/a": "- off",
        "p/a/fs": "- off",
        "p/b": "- off",
        "p/b/one": f"{16 << 20} lz4",
        "p/b/two": f"{16 << 20} lz4",
    }
