"""lunops and Ansible do the same with the playbooks in tests/scenarios/ansible, but for what DIFFERENCES.yml names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lunops.cli import run
from tests.ansible_compare import differences, unexplained
from tests.ansible_normal import Normal, from_lunops
from tests.ansible_record import CASES, cases, words

DIFFERENCES = YAML(typ="safe").load((CASES / "DIFFERENCES.yml").read_text("utf-8"))
REASONS: dict[str, str] = DIFFERENCES["reasons"]
MEANT: dict[str, dict[str, Any]] = DIFFERENCES["cases"]
PAGE = Path(__file__).resolve().parent.parent / "docs" / "ansible.md"
NOTHING: Normal = {"exit": 0, "plays": [], "tasks": [], "stats": {}}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_lunops_does_what_ansible_did(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lunops.play")
    monkeypatch.chdir(case)
    ansible = json.loads((case / "expected.json").read_text("utf-8"))

    code = run(["run", *words(case, tmp_path), "--json"])
    out, err = capsys.readouterr()
    lunops = from_lunops(json.loads(out) if out.strip() else None, code, str(tmp_path))

    wrong = unexplained(differences(ansible, lunops), MEANT.get(case.name, {}))
    assert not wrong, "\n".join([*wrong, err])


def test_there_are_cases_about_everything_that_a_playbook_is_made_of() -> None:
    assert len(cases()) >= 75
    said = "\n".join(path.read_text("utf-8") for case in cases() for path in case.rglob("*") if path.is_file())
    for word in (
        *("when", "loop", "with_items", "loop_var", "index_var", "label", "register", "until", "retries", "delay"),
        *("changed_when", "failed_when", "ignore_errors", "ignore_unreachable", "block", "rescue", "always", "vars"),
        *("handlers", "notify", "listen", "force_handlers", "run_once", "delegate_to", "serial", "order", "tags"),
        *("max_fail_percentage", "any_errors_fatal", "meta", "import_tasks", "include_tasks", "import_playbook"),
        *("pre_tasks", "post_tasks", "vars_files", "environment", "no_log", "check_mode", "gather_facts"),
    ):
        assert re.search(rf"\b{word}:", said), f"no case has `{word}`"
    for option in ("--tags", "--skip-tags", "--limit", "--check", "--start-at-task", "--force-handlers", "-e"):
        assert any(option in path.read_text("utf-8") for path in CASES.glob("*/options")), f"no case has {option}"


def test_every_case_says_in_its_first_line_what_it_is_about_and_has_what_ansible_did() -> None:
    for case in cases():
        assert (case / "playbook.yml").read_text("utf-8").startswith("# "), case.name
        assert (case / "expected.json").exists(), f"make it with: python -m tests.ansible_record {case.name}"


def test_the_differences_are_of_cases_and_reasons_that_there_are() -> None:
    assert set(MEANT) <= {case.name for case in cases()}
    used = {why["why"] if isinstance(why, dict) else why for paths in MEANT.values() for why in paths.values()}
    assert used == set(REASONS)


def test_the_page_for_those_who_know_ansible_names_every_difference_with_its_reason() -> None:
    page = PAGE.read_text("utf-8")
    section = page.split("\n## What differs on purpose\n")[1].split("\n## ")[0]
    told = {" ".join(each.split()) for each in re.split(r"^- ", section, flags=re.MULTILINE)[1:]}

    assert told == {" ".join(reason.split()) for reason in REASONS.values()}


def test_a_difference_that_nobody_meant_is_told_with_its_path() -> None:
    theirs = with_task({"status": "ok", "items": [{"status": "ok", "msg": 1}]})
    ours = with_task({"status": "ok", "items": [{"status": "ok", "msg": True}]})

    assert unexplained(differences(theirs, ours), {}) == ["tasks.say.h1.0.msg: Ansible 1, lunops True"]
    assert unexplained(differences(theirs, ours), {"tasks.say.*": "reason"}) == []


def test_a_difference_that_is_meant_and_no_longer_there_is_told() -> None:
    theirs = with_task({"status": "ok", "items": []})

    assert unexplained(differences(theirs, theirs), {"exit": "reason"}) == [
        "exit: is said to differ (reason), and does not"
    ]


def test_a_difference_other_than_the_one_that_is_meant_is_told() -> None:
    found = differences({**NOTHING, "exit": 4}, {**NOTHING, "exit": 2})

    assert unexplained(found, {"exit": {"why": "reason", "is": 2}}) == []
    assert unexplained(found, {"exit": {"why": "reason", "is": 6}}) == ["exit: Ansible 4, lunops 2, and 6 is meant"]


def test_the_order_of_tasks_is_compared() -> None:
    task = with_task({"status": "ok", "items": []})["tasks"][0]
    theirs = {**NOTHING, "tasks": [task, {**task, "task": "next"}]}
    ours = {**NOTHING, "tasks": [{**task, "task": "next"}, task]}

    assert [each.path for each in differences(theirs, ours)] == ["order"]


def with_task(result: Normal) -> Normal:
    return {**NOTHING, "tasks": [{"play": "all", "task": "say", "hosts": {"h1": result}}]}
