"""docs/playbooks.md is true: its playbooks are run, its tables have the reader's own keywords."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lunops.cli.inputs import read_inputs
from lunops.cli.run_options import Options
from lunops.model import Host
from lunops.planner.variables import names_of_play
from lunops.playbook import inherit, loop, nodes, play, task

PAGE = Path(__file__).parents[1] / "docs/playbooks.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.findall(r"```(?:ini|yaml)\n# ([^\n:]+)(?:: ([^\n]*))?\n(.*?)```", TEXT, re.S)
BOOKS = [(name, note) for name, note, text in BLOCKS if "hosts:" in text]


def lunops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lunops", "run", *words, "-i", "inventory"]
    return subprocess.run(
        command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the page's files; its playbooks work on the same heads, one after the other."""
    made = tmp_path_factory.mktemp("page")
    for name, _note, text in BLOCKS:
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text)
    return made


@pytest.mark.parametrize(("name", "note"), BOOKS, ids=[name for name, _ in BOOKS])
def test_each_playbook_of_the_page_does_what_is_said_of_it(name: str, note: str, folder: Path) -> None:
    code = int(note.removeprefix("exit code ")) if note.startswith("exit code ") else 0
    more = [["--check"]] if note == "also with --check" else []
    for options in ([], *more):
        done = lunops(folder, name, *options)

        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"


def test_the_page_has_a_playbook_on_each_of_its_subjects() -> None:
    assert len(BOOKS) >= 11


def table(heading: str) -> dict[str, str]:
    """Return the rows of the table below a heading, by each name in the first column."""
    part = TEXT.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    return {name: row for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def test_the_keywords_of_a_play_are_those_that_the_reader_has() -> None:
    own = set(play.KEYS) - set(inherit.KEYS)

    assert set(table("### Of a play")) == own


def test_the_keywords_that_are_handed_down_are_those_that_the_reader_has_and_say_which_a_play_has_not() -> None:
    rows = table("### Of plays, blocks, imports and tasks")

    assert set(rows) == set(inherit.KEYS)
    assert {name for name, row in rows.items() if "not of a play" in row} == set(inherit.KEYS) - set(play.KEYS)


def test_the_keywords_of_a_task_and_a_handler_are_those_that_the_reader_has() -> None:
    assert set(table("### Of a task")) == {*task.KEYS, "listen"} - set(inherit.KEYS)
    assert set(loop.KEYS) < set(table("### Of a task"))


def test_the_keywords_of_a_block_and_an_import_are_those_that_the_reader_has() -> None:
    assert set(table("### Of a block")) == set(nodes.BLOCK_KEYS) - set(inherit.KEYS)
    for key in play.IMPORT_KEYS:
        assert f"`{key}`" in TEXT.split("### Of a block")[1].split("## Order")[0]


def test_every_name_that_lunops_gives_to_tasks_is_in_the_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    inputs = read_inputs(Options(plan=Path("nodes.yml"), inventory=("inventory",), limit="rack2"))
    of_play = names_of_play("", Host(name="h"), lambda: (), lambda: (), lambda: ())

    assert {*inputs.said, *of_play, "groups", "group_names", "hostvars", "omit"} <= set(table("## Variables"))


def test_every_name_of_the_table_is_there(tmp_path: Path) -> None:
    names = set(table("## Variables")) - {"ansible_failed_task", "ansible_failed_result", "item"}
    (tmp_path / "inventory").write_text("h connection=sim pools=p\n")
    that = "\n".join(f"          - {name} is defined" for name in sorted(names))
    (tmp_path / "book.yml").write_text(f"- hosts: h\n  tasks:\n    - assert:\n        that:\n{that}\n")

    done = lunops(tmp_path, "book.yml", "--limit", "h")

    assert done.returncode == 0, done.stdout + done.stderr
