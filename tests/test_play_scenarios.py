"""Playbooks on simulated heads, held to the files in tests/scenarios/play: what is said, and what is on the heads then.

`LUNOPS_GOLDEN=rewrite` writes what comes now into those files; `git diff` is the review.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lunops.modules import MODULES
from lunops.playbook import loop, nodes, play, task
from tests.play_scenarios import CASES, FOLDER, Scenario

_SECTIONS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_playbook_says_and_does_what_its_scenario_has(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> tuple[str, str]:
        out, err = capsys.readouterr()
        return out, err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    scenario = Scenario(case, tmp_path, said)
    scenario.before()
    there = scenario.heads()

    held(case / "check.txt", scenario.play("--check", "--diff"))
    assert scenario.heads() == there or "check_mode: false" in (case / "playbook.yml").read_text(), "checking changed"
    scenario.set_faults()
    held(case / "run.txt", scenario.play() + scenario.heads())
    scenario.clear_faults()
    if (case / "resume.txt").exists():
        held(case / "resume.txt", scenario.resume() + scenario.heads())
    if (case / "again.txt").exists():
        before = scenario.heads()
        again = scenario.play()
        held(case / "again.txt", again)
        assert not re.search(r"changed=[1-9]", again), "a second run changes something"
        assert scenario.heads() == before


def held(path: Path, text: str) -> None:
    """Hold a text to a file, or write it there."""
    if os.environ.get("LUNOPS_GOLDEN") == "rewrite":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def test_every_keyword_and_every_module_has_a_scenario() -> None:
    used = set(_used())
    known = {
        *(("play", key) for key in play.KEYS),
        *(("import_playbook", key) for key in play.IMPORT_KEYS),
        *(("task", key) for key in task.KEYS),
        ("handler", "listen"),
        *(("block", key) for key in nodes.BLOCK_KEYS),
        *(("loop_control", key) for key in loop._CONTROL),
        *(("module", name) for name in MODULES),
        *(("module", name) for name in ("import_tasks", "include_tasks")),
        *(("meta", name) for name in MODULES["meta"].args.model_fields["action"].annotation.__args__),
        *(("on_failure", name) for name in ("keep", "undo", "stop")),
    }

    assert sorted(known - used) == []


def test_every_scenario_says_in_its_first_line_what_it_is_about_and_has_what_comes_of_it() -> None:
    for case in CASES:
        assert (case / "playbook.yml").read_text("utf-8").startswith("# "), case.name
        assert (case / "check.txt").exists(), f"make it with: LUNOPS_GOLDEN=rewrite pytest -k {case.name}"
    assert {path.parent for path in FOLDER.glob("*/*.txt")} == set(CASES)


def _used() -> Iterator[tuple[str, str]]:
    for case in CASES:
        for path in case.rglob("*.yml"):
            if path.name not in ("faults.yml", "before.yml") and path.parent.name not in ("vars", "group_vars"):
                yield from _of(YAML(typ="safe").load(path.read_text("utf-8")), is_handler=False)


def _of(value: Any, *, is_handler: bool) -> Iterator[tuple[str, str]]:
    """Give what a list of plays or tasks uses: the kind of place, and the keyword."""
    for each in value if isinstance(value, list) else ():
        if not isinstance(each, dict):
            continue
        kind = _kind(each, is_handler=is_handler)
        for key, said in each.items():
            yield kind, key
            if key in MODULES or key in ("import_tasks", "include_tasks"):
                yield "module", key
            if key == "meta":
                yield "meta", said if isinstance(said, str) else said["action"]
            if key == "on_failure":
                yield "on_failure", said
            if key == "loop_control":
                yield from (("loop_control", name) for name in said)
            if key in _SECTIONS:
                yield from _of(said, is_handler=key == "handlers")


def _kind(value: dict[str, Any], *, is_handler: bool) -> str:
    if "hosts" in value:
        return "play"
    if "import_playbook" in value:
        return "import_playbook"
    if "block" in value:
        return "block"
    return "handler" if is_handler else "task"
