"""A play that is all or nothing, on two real heads through the command itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lunops.resources import playbook_folder
from tests.acceptance.conftest import BENCH_HEAD, lab
from tests.acceptance.eyes import LabEyes
from tests.lab.access import Access
from tests.operations.bench import ISCSI
from tests.support.service import LUNOPS

pytestmark = pytest.mark.lab

OTHER_HEAD = os.environ.get("LUNOPS_LAB_OTHER_HEAD", "jbod-02")


def test_what_fails_on_one_head_is_taken_back_on_both(
    heads: dict[str, Access], eyes: dict[str, LabEyes], tmp_path: Path
) -> None:
    names = (BENCH_HEAD, OTHER_HEAD)
    inventory, playbook, batch = tmp_path / "inventory", tmp_path / "play.yml", tmp_path / "batch.json"
    inventory.write_text(lab("inventory"), "utf-8")
    text = (playbook_folder() / "create-batch.yml").read_text("utf-8")
    playbook.write_text(text.replace("  hosts: all\n", "  hosts: all\n  on_failure: undo\n"), "utf-8")
    clones = [
        {
            "src": heads[name].golden,
            "dst": f"{heads[name].pool}/whole/deep/n{number}",
            "wwn": f"iqn.2024-01.org.example:whole.{name}.n{number}",
            "initiators": ["iqn.2024-01.org.example:init"],
            "createParent": True,
        }
        for name in names
        for number in range(3)
    ]
    taken = f"iqn.2024-01.org.example:whole.{names[1]}.n2"
    target = f"{ISCSI}/{taken}"

    def run(playbook: Path = playbook) -> tuple[int, Any]:
        batch.write_text(json.dumps({"clones": clones, "deleteClones": True}), "utf-8")
        words = [
            *LUNOPS,
            "run",
            str(playbook),
            "-i",
            str(inventory),
            "-e",
            f"@{batch}",
            "-l",
            ",".join(names),
            "--json",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, json.loads(done.stdout)

    def left() -> list[str]:
        return [
            line
            for name in names
            for line in eyes[name]
            .shell(f"zfs list -H -o name -t all; ls {ISCSI}; cat /var/lib/lunops/luns.json")
            .splitlines()
            if "whole" in line and taken not in line
        ]

    # A target of this name with a stranger's LUN stands in the way of the last clone's, on the second head alone.
    eyes[names[1]].shell(
        f"mkdir -p {target}/tpgt_1 && targetcli /backstores/ramdisk create whole-stranger 1M >/dev/null"
    )
    eyes[names[1]].shell(f"targetcli /iscsi/{taken}/tpg1/luns create /backstores/ramdisk/whole-stranger >/dev/null")
    code, value = run()
    after = left()
    eyes[names[1]].shell(f"targetcli /iscsi delete {taken} && targetcli /backstores/ramdisk delete whole-stranger")

    assert code == 2, value
    assert after == []
    assert {task["head"] for task in value["tasks"] if task["module"] == "undo"} == set(names)
    code, value = run()
    assert code == 0, value
    assert len([line for line in left() if line.startswith("iqn.")]) == 5
    assert run(playbook_folder() / "delete-batch.yml")[0] == 0
    assert [line for line in left() if "/n" in line or "iqn." in line] == []
