"""A run that failed is gone on with: what was done is not done again, what it learnt is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lunops.cli import run
from lunops.play.journal_file import folder

BOOK = """
- hosts: all
  tasks:
    - name: Count
      shell: echo x >> {counter}; wc -l < {counter}
      register: counted
      notify: Tell
    - name: Need the file
      command: cat {needed}
  handlers:
    - name: Tell
      debug:
        msg: counted {{{{ counted.stdout }}}}
"""


def test_a_run_that_failed_is_gone_on_with_at_what_was_not_done_and_its_handlers_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    counter, needed = tmp_path / "counter", tmp_path / "needed"
    (tmp_path / "inventory").write_text("localhost connection=local\n")
    (tmp_path / "book.yml").write_text(BOOK.format(counter=counter, needed=needed))

    assert run(["run", "book.yml", "-i", "inventory"]) == 2
    [journal] = folder({"XDG_STATE_HOME": str(tmp_path / "state")}).glob("*.jsonl")
    assert f"lunops run --resume {journal.stem}" in capsys.readouterr().err
    assert oct(journal.stat().st_mode & 0o777) == "0o600"
    needed.write_text("")

    assert run(["run", "--resume", journal.stem, "--json"]) == 0
    tasks = {each["name"]: each for each in json.loads(capsys.readouterr().out)["tasks"]}

    assert counter.read_text() == "x\n"
    assert list(tasks) == ["Count", "Need the file", "Tell"]
    assert tasks["Tell"]["items"][0]["data"] == {"msg": "counted 1"}
