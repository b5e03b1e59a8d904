"""A play that is all or nothing, and a failure in it that is rescued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunops.cli import run

BOOK = """
- hosts: all
  on_failure: undo
  tasks:
    - name: Clone
      zfs_clone: {{src: p1/images/golden@1, dst: p1/n1}}
    - block:
        - name: Break
          fail: {{msg: broken}}
      rescue:
        - name: Rescue
          {rescue}
    - name: After
      debug: {{msg: after}}
- hosts: all
  tasks:
    - name: Next play
      debug: {{msg: next}}
"""


def ran(folder: Path, rescue: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[tuple[str, str]]]:
    (folder / "inventory").write_text("h1 connection=sim pools=p1\n")
    (folder / "book.yml").write_text(BOOK.format(rescue=rescue))
    code = run(["run", str(folder / "book.yml"), "-i", str(folder / "inventory"), "--json"])
    tasks: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["tasks"]
    return code, [(each["name"], each["status"]) for each in tasks]


def test_what_was_rescued_takes_nothing_back_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, tasks = ran(tmp_path, "debug: {msg: mended}", capsys)

    assert code == 0
    assert tasks == [
        ("Clone", "changed"),
        ("Break", "failed"),
        ("Rescue", "ok"),
        ("After", "ok"),
        ("Next play", "ok"),
    ]


def test_a_rescue_that_fails_takes_all_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, tasks = ran(tmp_path, "fail: {msg: not mended}", capsys)

    assert code == 2
    assert tasks == [("Clone", "changed"), ("Break", "failed"), ("Rescue", "failed"), ("Take back: Clone", "changed")]
