"""A run's journal, and `lunops run --resume`, on simulated heads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lunops.cli import run
from lunops.mask import Mask
from lunops.sim.head import SimulatedSystem

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - command: "true"
      register: first
    - zfs_set: {dataset: "{{ pools[0] }}", properties: {compression: "{{ 'lz4' if first.rc == 0 else 'off' }}"}}
    - stat: {path: /etc/ready}
      register: ready
      failed_when: not ready.stat.exists
"""


def test_a_resumed_run_does_not_do_again_what_went_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "inventory").write_text("h1 connection=sim pools=p1 state=h1.sim\n")
    assert run(["run", "play.yml", "-i", "inventory"]) == 2
    match = re.search(r"--resume (\S+)", capsys.readouterr().err)
    assert match
    lines = (tmp_path / "lunops" / "runs" / f"{match[1]}.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["result"]["module"] for line in lines[1:-1]] == ["command", "zfs_set"]

    head = SimulatedSystem(tmp_path / "h1.sim")
    head.replace("/etc/ready", "")
    before = head.journal()[-1].n
    assert run(["run", "--resume", match[1], "--json"]) == 0
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert {task["module"]: task["status"] for task in tasks} == {
        "command": "changed",
        "zfs_set": "changed",
        "stat": "ok",
    }
    assert not [change for change in head.journal(before) if change.kind in ("zfs set", "command")]
    head.close()


def test_a_secret_is_found_wherever_it_is_in_data() -> None:
    mask = Mask()
    assert not mask.finds({"a": ("one", ["two"])})
    mask.add(["canary", "4711"])
    for value in ("a canary", {"canary": 1}, {"a": ["x", {"b": ("canary",)}]}, [4711]):
        assert mask.finds(value)
    assert not mask.finds({"a": ("one", ["two", 3, None, True]), "b": 1.5})
