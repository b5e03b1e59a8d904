"""A plan that is saved, and applied or refused, on a real head through the command itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import BENCH_HEAD, lab
from tests.acceptance.eyes import LabEyes
from tests.lab.access import Access
from tests.operations.bench import ISCSI
from tests.support.service import LUNOPS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

COUNT = 3
IQN = "iqn.2024-01.org.example:saved.n{}"


class Plans:
    """Plans for a batch of LUNs on one head."""

    def __init__(self, folder: Path, head: Access, eyes: LabEyes) -> None:
        self.folder = folder
        self.eyes = eyes
        self.below = f"{head.pool}/saved"
        clones = [
            {
                "src": head.golden,
                "dst": f"{self.below}/n{number}",
                "wwn": IQN.format(number),
                "initiators": ["iqn.2024-01.org.example:init"],
                "createParent": True,
            }
            for number in range(COUNT)
        ]
        (folder / "inventory").write_text(lab("inventory"), "utf-8")
        (folder / "batch.json").write_text(json.dumps({"clones": clones}), "utf-8")

    def lunops(self, *words: str) -> tuple[int, str]:
        """Run it, and return its exit code and all that it said."""
        done = subprocess.run(
            [*LUNOPS, *words], capture_output=True, text=True, timeout=300, check=False, cwd=self.folder
        )
        return done.returncode, done.stdout + done.stderr

    def plan(self, playbook: str, *more: str) -> tuple[int, str]:
        return self.lunops(
            *("plan", playbook, "-i", "inventory", "-l", BENCH_HEAD, "-e", "@batch.json", "-o", "p.json", *more)
        )

    def apply(self) -> tuple[int, str]:
        return self.lunops("apply", "p.json", "--yes")

    def state(self) -> list[str]:
        """Return the head's datasets and targets of these plans."""
        script = (
            f"zfs list -H -o name,guid -t all; ls {ISCSI} || true; cat /etc/rtslib-fb-target/saveconfig.json || true"
        )
        return [line for line in self.eyes.shell(script).splitlines() if "saved" in line]


@pytest.fixture
def plans(heads: dict[str, Access], eyes: dict[str, LabEyes], tmp_path: Path) -> Iterator[Plans]:
    plans = Plans(tmp_path, heads[BENCH_HEAD], eyes[BENCH_HEAD])
    yield plans
    plans.lunops(
        "run", "delete-batch", "-i", "inventory", "-l", BENCH_HEAD, "-e", "@batch.json", "-e", "deleteClones=true"
    )
    plans.eyes.run(["zfs", "destroy", "-r", plans.below])


def test_what_was_planned_is_done_and_only_once(plans: Plans) -> None:
    code, said = plans.plan("create-batch")
    assert code == 0, said
    assert plans.state() == []
    state = json.loads((plans.folder / "p.json").read_text("utf-8"))["states"][BENCH_HEAD]
    [golden] = [each for each in state["datasets"].values() if each is not None]
    assert golden.keys() >= {"guid", "createtxg"}
    assert set(state["targets"].values()) == {None}

    code, said = plans.apply()
    assert code == 0, said
    made = plans.state()
    assert sum(line.startswith("iqn.") for line in made) == COUNT
    code, said = plans.apply()
    assert code == 8, said
    assert "was not there, and is there now" in said
    assert plans.state() == made

    code, said = plans.plan("delete-batch", "-e", "deleteClones=true")
    assert code == 0, said
    assert plans.state() == made
    code, said = plans.apply()
    assert code == 0, said
    assert [line for line in plans.state() if "/n" in line or line.startswith("iqn.")] == []


def test_a_dataset_of_the_same_name_is_told_from_the_one_that_was_there(plans: Plans) -> None:
    volume = f"{plans.below}/n0"
    plans.eyes.shell(f"zfs create -o canmount=off {plans.below} && zfs create -s -V 64M {volume}")
    (plans.folder / "set.yml").write_text(
        f"- hosts: all\n  tasks:\n    - zfs_set: {{dataset: {volume}, properties: {{'user:note': x}}}}\n"
    )
    assert plans.plan("set.yml")[0] == 0
    plans.eyes.shell(f"zfs destroy {volume} && zfs create -s -V 64M {volume}")
    before = plans.state()

    code, said = plans.apply()
    assert code == 8, said
    assert f"{volume} is another one of the same name" in said
    assert plans.state() == before
    assert plans.eyes.shell(f"zfs get -H -o value user:note {volume}").strip() == "-"


def test_a_target_that_was_changed_by_hand_is_not_taken_away(plans: Plans) -> None:
    assert plans.plan("create-batch")[0] == 0
    assert plans.apply()[0] == 0
    code, said = plans.plan("delete-batch")
    assert code == 0, said
    tpg = f"{ISCSI}/{IQN.format(1)}/tpgt_1"
    plans.eyes.shell(f"echo 0 > {tpg}/enable; mkdir {tpg}/acls/iqn.2024-01.org.example:stranger")
    before = plans.state()

    code, said = plans.apply()
    assert code == 8, said
    assert f"the target {IQN.format(1)} was changed: not as they were are its enable, node acls" in said
    assert plans.state() == before
    plans.eyes.shell(f"rmdir {tpg}/acls/iqn.2024-01.org.example:stranger; echo 1 > {tpg}/enable")
    code, said = plans.apply()
    assert code == 0, said
    assert not [line for line in plans.state() if line.startswith("iqn.")]
