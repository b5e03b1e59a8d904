"""What is read can be written and read again as the same, and no text at all makes a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lunops.errors import InputError, PlaybookError
from lunops.playbook.model import Playbook
from lunops.playbook.reader import read_playbook
from lunops.playbook.writer import write_playbook
from lunops.yaml_source import Vaulted
from tests.playbook_values import anything, playbooks, yaml_text
from tests.reader_modules import READER_MODULES

PLAYBOOKS = [
    path
    for path in sorted((Path(__file__).parent.parent / "playbooks").glob("*.yml"))
    if "hosts:" in path.read_text("utf-8")
]
# Reading YAML is slow, and so is making up a playbook.
SLOW = settings(
    max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)


def read(text: str) -> Playbook:
    return read_playbook(text, "plan.yml", refuse, modules=READER_MODULES)


def refuse(path: str) -> str:
    raise InputError(f"there is no file {path}")


@SLOW
@given(playbooks)
def test_a_playbook_that_is_read_can_be_written_and_read_as_the_same(value: Any) -> None:
    first = read(yaml_text(value))

    assert read(write_playbook(first)) == first


@SLOW
@given(st.one_of(anything, st.lists(st.fixed_dictionaries({"hosts": st.just("all"), "tasks": st.lists(anything)}))))
@example([{"hosts": "all", "tasks": [{"block": "x"}]}])
def test_any_value_is_a_playbook_that_can_be_written_or_an_error_of_ours(value: Any) -> None:
    try:
        first = read(yaml_text(value))
    except PlaybookError as error:
        said = str(error)
    else:
        said = f"plan.yml\n{write_playbook(first)}"

    assert "plan.yml" in said


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("-:[]{}&*!|> \n#'\"hosts")), max_size=80))
def test_any_text_is_a_playbook_or_an_error_of_ours(text: str) -> None:
    error = "plan.yml"
    try:
        read(text)
    except PlaybookError as problem:
        error = str(problem)

    assert "plan.yml" in error


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("{}%#|()[]'\" .x1+is not")), max_size=60))
def test_any_expression_is_taken_or_an_error_of_ours(text: str) -> None:
    tasks = [{"debug": {"msg": text}}, {"debug": {"msg": f"{{{{ {text} }}}}"}}, {"debug": {}, "when": text}]
    said = "plan.yml:"
    try:
        read(yaml_text([{"hosts": "all", "tasks": tasks}]))
    except PlaybookError as error:
        said = str(error)

    assert "plan.yml:" in said


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_the_playbooks_that_ship_are_read_and_written_as_the_same(path: Path) -> None:
    first = read_playbook(path.read_text("utf-8"), str(path), lambda name: Path(name).read_text("utf-8"))

    assert read_playbook(write_playbook(first), str(path)) == first


def test_what_is_encrypted_is_written_encrypted() -> None:
    secret = "!vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      3132\n"
    text = f"- hosts: all\n  vars:\n    secret: {secret}  tasks:\n    - debug:\n"
    again = read(write_playbook(read(text))).plays[0].variables["secret"]

    assert isinstance(again, Vaulted)
    assert again == "$ANSIBLE_VAULT;1.1;AES256\n3132\n"


def test_a_written_playbook_reads_as_one_would_write_it() -> None:
    text = """\
- name: Refresh
  hosts: rack1,!jbod-03
  vars:
    pool: tank
  serial:
  - 1
  - 30%
  tasks:
  - name: Wait
    wait_for_device:
      dataset: '{{ item }}'
    loop:
    - a
    - b
    when: item != "b"
    register: waited
    tags:
    - slow
    timeout: 30.5
"""
    assert write_playbook(read(text)) == text
