"""docs/ansible.md is true of what the reader refuses; what runs differently is held by test_ansible.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lunops.errors import PlaybookError
from lunops.playbook.reader import read_playbook

TEXT = (Path(__file__).parents[1] / "docs/ansible.md").read_text("utf-8")
TASK = "- hosts: all\n  tasks:\n    - debug: {msg: hi}\n"

# The row of the table → a playbook that has it, and what the error says.
REFUSED = {
    "`notify` of a handler that is not there": (f"{TASK}      notify: nobody\n", "there is no handler"),
    "a handler without `name` and `listen`": (f"{TASK}  handlers:\n    - debug: {{}}\n", "without a name"),
    "`tags` with an expression": (f'{TASK}      tags: "{{{{ t }}}}"\n', "a tag cannot be an expression"),
    "`serial: 0`": (f"{TASK}  serial: 0\n", "no size of a batch"),
    "`timeout: 0`": (f"{TASK}      timeout: 0\n", "0 is no number"),
    "`order: shuffle`": (f"{TASK}  order: shuffle\n", "'shuffle' is not one of"),
    "`environment` as one expression": (f'{TASK}      environment: "{{{{ e }}}}"\n', "no object of names and values"),
    '`debug` with `var: "{{ x }}"`': (TASK.replace("msg: hi", 'var: "{{ x }}"'), "an expression already"),
    "`delay` alone": (f"{TASK}      delay: 3\n", "of no use without"),
    "a variable called `groups`, `hostvars`, `in` …": (f"{TASK}      register: groups\n", "a meaning of its own"),
    "an import of a file with no tasks": (f"{TASK}    - import_tasks: empty.yml\n", "no tasks in this file"),
    "`command: ls chdir=/tmp`": (f"{TASK}    - command: ls chdir=/tmp\n", "'chdir' stands in the text"),
    "`debug: msg=hi`": (f"{TASK}    - debug: msg=hi\n", "takes an object of arguments"),
}


def rows(heading: str) -> list[list[str]]:
    part = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def test_the_table_of_what_is_refused_has_a_playbook_for_each_row() -> None:
    assert [row[0] for row in rows("What is refused when the playbook is read")] == list(REFUSED)


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_the_page_says_is_refused_is_refused_with_a_remedy(text: str, said: str) -> None:
    with pytest.raises(PlaybookError, match=re.escape(said)) as error:
        read_playbook(text, "book.yml", lambda _path: "[]")

    assert error.value.fix
    assert ":" in error.value.where


def test_the_playbook_that_the_refusals_are_made_of_is_sound() -> None:
    assert read_playbook(TASK, "book.yml").plays


def test_there_are_twenty_complaints() -> None:
    assert [row[0] for row in rows("Twenty complaints about Ansible")] == [str(n) for n in range(1, 21)]
