"""Whatever goes wrong at whichever write of a play, each LUN is whole or not there, and a resume makes all of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from lunops.connections import connect
from lunops.inventory import Inventory, parse
from lunops.model import RunResult
from lunops.planner.prepare import prepare
from lunops.play import journal_file
from lunops.play.engine import run_playbook
from lunops.play.journal_file import FileJournal
from lunops.play.run_state import Options
from lunops.playbook.reader import read_playbook
from lunops.resources import load_templates
from lunops.sim.faults import Effect, Fault, Faults
from lunops.sim.head import SimulatedSystem

PLAY = """
- name: Make LUNs
  hosts: all
  tasks:
    - zfs_clone: {src: "tank/images/golden@1", dst: "tank/{{ item }}", wwn: "iqn.2024-01.org.example:{{ item }}"}
      loop: [n1, n2]
    - wait_for_device: {dataset: "tank/{{ item }}"}
      loop: [n1, n2]
    - lio_target:
        dataset: "tank/{{ item }}"
        wwn: "iqn.2024-01.org.example:{{ item }}"
        initiators: ["iqn.2024-01.org.example:i"]
      loop: [n1, n2]
    - zfs_set: {dataset: "tank/{{ item }}", properties: {"site:done": "yes"}}
      loop: [n1, n2]
"""
NAMES = ("n1", "n2")
STEP = 7  # of every so many writes one is struck: all of them take minutes


def played(folder: Path, inventory: Inventory, number: int, recalled: str = "") -> RunResult:
    templates = load_templates(folder / "templates", folder)
    prepared = prepare(read_playbook(PLAY, "plan.yml"), inventory, templates=templates, run="r")
    done = journal_file.read(folder, recalled)[1] if recalled else None
    journal = FileJournal(folder / f"r{number}.jsonl", {"run": "r"}, recalled=done)
    result = run_playbook(
        prepared, inventory, connect=connect, options=Options(run="r"), templates=templates, journal=journal
    )
    journal.close("failed" if result.is_bad else "done")
    return result


def there(head: SimulatedSystem) -> dict[str, int]:
    """Return how much of each LUN is there: its clone, its target, what is set on it."""
    listed = head.run(["zfs", "list", "-Hp", "-o", "name,site:done", "-t", "volume"]).out.splitlines()
    done = dict(line.split("\t") for line in listed)
    base = "/sys/kernel/config/target/iscsi"
    targets = set(head.listdir(base)) if head.is_dir(base) else set()
    return {
        name: (f"tank/{name}" in done) + (f"iqn.2024-01.org.example:{name}" in targets)
        + (done.get(f"tank/{name}") == "yes")
        for name in NAMES
    }  # fmt: skip


@pytest.mark.parametrize("effect", ["fail", "die_before", "die_after"])
def test_each_lun_is_whole_or_not_there_whichever_write_fails_and_a_resume_makes_all(
    effect: Effect, tmp_path: Path
) -> None:
    struck = 0
    for nth in itertools.count(1, STEP):
        folder = tmp_path / str(nth)
        folder.mkdir()
        inventory = parse(f"h connection=sim pools=tank state={folder}/h.sim\n", folder / "inventory")
        head = SimulatedSystem(folder / "h.sim", pools=["tank"])
        head.set_faults(Faults(faults=(Fault(on="*", nth=nth, effect=effect, errno=5),)))
        result = played(folder, inventory, 1)
        head.set_faults(Faults())
        if not result.is_bad:
            head.close()
            break
        struck += 1
        left = {item.key for task in result.tasks for item in task.items if item.left_behind}
        half = {name for name, parts in there(head).items() if parts not in (0, 3) and f"tank/{name}" not in left}
        assert not half, f"{effect} at write {nth}: {there(head)}"

        again = played(folder, inventory, 2, recalled="r1")
        assert not again.is_bad, [(task.name, task.error, task.items) for task in again.tasks if task.status.is_bad]
        assert there(head) == dict.fromkeys(NAMES, 3), f"{effect} at write {nth}, resumed"
        head.close()
    assert struck * STEP > 40  # writes
