"""Playbooks: their words are checked, each error names its line, and all are told at once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import PlaybookError
from lunops.playbook import Playbook, TaskSpec, parse

GOOD = """\
- name: Refresh
  hosts: [rack1, "!jbod-03"]
  vars:
    pool: tank
  tasks:
    - name: Wait
      wait_for_device:
        dataset: "{{ item }}"
        timeout_s: 5
      loop:
        - a
        - b
      when: item != "b"
      timeout: 30.5
    - zfs_destroy: {dataset: tank/x}
      when: false
"""


def read(text: str) -> Playbook:
    return parse(text, "plan.yml")


def only_task(text: str) -> TaskSpec:
    return read(f"- hosts: all\n  tasks:\n    - {text}").plays[0].tasks[0]


def test_a_playbook_is_read_with_the_place_of_everything_in_it() -> None:
    [play] = read(GOOD).plays
    wait, destroy = play.tasks

    assert (play.name, play.hosts, play.variables, play.where) == (
        "Refresh",
        "rack1,!jbod-03",
        {"pool": "tank"},
        "plan.yml:1:3",
    )
    assert (wait.name, wait.module, wait.loop, wait.when, wait.timeout_s) == (
        "Wait",
        "wait_for_device",
        ["a", "b"],
        'item != "b"',
        30.5,
    )
    assert wait.args == {"dataset": "{{ item }}", "timeout_s": 5}
    assert wait.place("args.dataset") == "plan.yml:8:9, wait_for_device.dataset"
    assert wait.place("loop") == "plan.yml:10:7, loop"
    assert wait.place("args") == "plan.yml:7:7, wait_for_device"
    assert (destroy.when, destroy.loop, destroy.timeout_s) == ("false", None, None)


def test_yaml_is_1_2_so_that_yes_is_text_and_a_leading_zero_is_decimal() -> None:
    spec = only_task('zfs_clone: {src: a@1, dst: yes, properties: {a: 012, b: 1:30, c: on, d: "1"}}')

    assert spec.args["dst"] == "yes"
    assert spec.args["properties"] == {"a": 12, "b": "1:30", "c": "on", "d": "1"}


def test_anchors_may_be_used_again() -> None:
    book = read("- hosts: all\n  tasks:\n    - &t\n      zfs_destroy: {dataset: a/b}\n    - *t\n")

    assert len(book.plays[0].tasks) == 2
    assert book.plays[0].tasks[0].args == book.plays[0].tasks[1].args


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", None, "a list of plays"),
        ("hosts: all", None, "a list of plays"),
        ("- 5", 1, "a play is an object"),
        ("- [", 1, "not YAML"),
        ("- hosts: all\n\ttasks: []", 2, "not YAML"),
        ("- hosts: all\n  hosts: b", 2, 'duplicate key "hosts"'),
        ("- hosts: all\n  taks: []\n  tasks: [{zfs_destroy: {dataset: a/b}}]", 2, "did you mean 'tasks'"),
        ("- tasks: [{zfs_destroy: {dataset: a/b}}]", 1, "which `hosts` it is for"),
        ("- hosts: all", 1, "a list of `tasks`"),
        (
            "- hosts: all\n  on_failure: rollback\n  tasks: [{zfs_destroy: {dataset: a/b}}]",
            2,
            "`on_failure` is 'rollback' (plan.yml:2:3); write `keep`, which keeps what worked, or `undo`",
        ),
        ("- hosts: all\n  tasks: []", 2, "a list of `tasks`"),
        ("- hosts: all\n  vars: [a]\n  tasks: [{zfs_destroy: {dataset: a/b}}]", 2, "`vars` is an object"),
        (
            "- hosts: all\n  gather_facts: false\n  tasks: [{zfs_destroy: {dataset: a/b}}]",
            2,
            "a play has no 'gather_facts'",
        ),
        ("- hosts: !secret x", 1, "the tag !secret"),
        ("- hosts: 2024-01-01", 1, "read as a date"),
        ("- hosts: all\n  1: x", 2, "the key 1 is no text"),
        ("- &a [*a]", 1, "an alias is in itself"),
        ("- hosts: a\n--- \n- hosts: b", 2, "not YAML"),
    ],
)
def test_a_wrong_play_is_an_error_with_its_line(text: str, line: int | None, said: str) -> None:
    with pytest.raises(PlaybookError) as error:
        read(text)

    assert said in str(error.value)
    assert re.fullmatch(rf"plan\.yml:{line}:\d+" if line else r"plan\.yml", error.value.where)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            "zfs_clon: {}",
            "'zfs_clon' is neither a module nor a key of a task (plan.yml:3:7); did you mean 'zfs_clone'?",
        ),
        ("zfs_destroy: {dataset: a/b}\n      wen: x", "'wen' is neither"),
        ("zfs_destroy: {dataset: a/b}\n      wen: x", "(plan.yml:4:7); did you mean 'when'?"),
        ("name: x", "has no module"),
        ("zfs_destroy: {dataset: a/b}\n      lio_absent: {}", "has 2 modules, zfs_destroy, lio_absent"),
        ("zfs_destroy: a/b", "takes an object of arguments"),
        ("zfs_destroy:", "takes an object of arguments"),
        ("zfs_destroy: {datset: a/b}", "no argument 'datset' (plan.yml:3:21); did you mean 'dataset'?"),
        ("zfs_destroy: {dataset: a/b}\n      loop: clones", 'write `loop: "{{ NAME }}"`'),
        ("zfs_destroy: {dataset: a/b}\n      loop: 5", "`loop` is a list"),
        ('zfs_destroy: {dataset: a/b}\n      when: "{{ x }}"', "write it without {{ }}"),
        ("zfs_destroy: {dataset: a/b}\n      when: 5", "`when` is a bare expression"),
        ("zfs_destroy: {dataset: a/b}\n      timeout: 0", "above 0"),
        ("zfs_destroy: {dataset: a/b}\n      timeout: true", "above 0"),
        ("zfs_destroy: {dataset: a/b}\n      timeout: .nan", "above 0"),
        ("zfs_destroy: {dataset: a/b}\n      name: [x]", "a `name` is text"),
        ("5", "a task is an object"),
    ],
)
def test_a_wrong_task_is_an_error_that_names_the_nearest_word(task: str, said: str) -> None:
    with pytest.raises(PlaybookError) as error:
        only_task(task)
    assert said in str(error.value)


def test_all_errors_of_a_playbook_are_told_at_once_each_with_its_line() -> None:
    with pytest.raises(PlaybookError) as error:
        read("- host: all\n  tasks:\n    - zfs_clon: {}\n    - zfs_destroy: {x: 1}\n      when: 5\n")

    for place in ("plan.yml:1:3", "plan.yml:3:7", "plan.yml:4:21", "plan.yml:5:7"):
        assert f"({place})" in error.value.what
    assert error.value.what.startswith("5 errors:")


def test_a_small_text_that_stands_for_a_huge_value_is_refused() -> None:
    bomb = "- &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"- &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(8)
    )

    with pytest.raises(PlaybookError, match="too deep or too large"):
        read(bomb)


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("-:[]{}&*!|> \n#'\"hosts")), max_size=80))
def test_any_text_is_a_playbook_or_an_error_of_ours(text: str) -> None:
    error = "plan.yml"
    try:
        read(text)
    except PlaybookError as problem:
        error = str(problem)

    assert "plan.yml" in error
