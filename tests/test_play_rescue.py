"""A rescue is for the very LUNs that failed: its tasks take them up, and so do those after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunops.cli import run
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem

PLAN = """\
- hosts: all
  tasks:
    - block:
        - name: Make them
          zfs_clone: {src: p/images/golden@1, dst: "p/{{ item }}"}
          loop: [a, b]
      rescue:
        - name: Make them once more
          zfs_clone: {src: p/images/golden@1, dst: "p/{{ item }}"}
          loop: [a, b]
    - name: Wait for them
      wait_for_device: {dataset: "p/{{ item }}"}
      loop: [a, b]
"""


def test_a_rescue_takes_up_the_items_that_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yml").write_text(PLAN)
    (tmp_path / "inventory").write_text("h connection=sim pools=p\n")
    head = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    head.set_faults(Faults(faults=(Fault(on="zfs clone", match="p/b", stderr="out of space"),)))

    code = run(["run", str(tmp_path / "plan.yml"), "-i", str(tmp_path / "inventory"), "--json"])
    value: Any = json.loads(capsys.readouterr().out)

    made, again, waited = ({item["key"]: item["status"] for item in task["items"]} for task in value["tasks"])
    assert code == 0
    assert made == {"p/a": "changed", "p/b": "failed"}
    assert again == {"p/a": "changed", "p/b": "changed"}  # `a` was made earlier in this run
    assert waited == {"p/a": "ok", "p/b": "ok"}
