"""Choosing tasks by tags and by where to start means what it means in Ansible; what matches nothing is an error."""

from __future__ import annotations

import pytest

from lunops.errors import PlaybookError
from lunops.playbook.model import Block, Playbook
from lunops.playbook.reader import read_playbook
from lunops.playbook.select import select
from lunops.playbook.walk import tasks_in
from tests.reader_modules import READER_MODULES

BOOK = """\
- name: One
  hosts: g
  tags: [one]
  pre_tasks:
    - name: before
      debug:
  tasks:
    - name: first
      debug:
      tags: b
    - name: B
      tags: blk
      block:
        - name: in block
          debug:
          tags: c
        - name: second in block
          debug:
      rescue:
        - name: in rescue
          debug:
      always:
        - name: in always
          debug:
          tags: d
    - import_tasks: more.yml
      tags: onimp
    - name: nv
      debug:
      tags: [never, rare]
    - name: al
      debug:
      tags: always
  handlers:
    - name: H
      debug:
- name: Two
  hosts: h
  gather_facts: true
  tasks:
    - name: plain
      debug:
- hosts: h
  tasks:
    - name: last
      debug:
      tags: z
"""
MORE = "- name: imported\n  debug:\n"
ALL = "before first in-block second-in-block in-rescue in-always imported al plain last"


def book() -> Playbook:
    return read_playbook(BOOK, "plan.yml", lambda _: MORE, modules=READER_MODULES)


def names(playbook: Playbook) -> str:
    return " ".join(
        spec.name.replace(" ", "-") for play in playbook.plays for spec in tasks_in(play.tasks) if not spec.is_implicit
    )


# Each as ansible-playbook 2.19 --list-tasks answers it, and what is in rescue and always by the same rules.
@pytest.mark.parametrize(
    ("tags", "skip_tags", "expected"),
    [
        ([], [], ALL),
        (["all"], [], ALL),
        (["c"], [], "in-block al"),
        (["c,z", " b"], [], "first in-block al last"),
        (["one"], [], "before first in-block second-in-block in-rescue in-always imported nv al"),
        (["never"], [], "nv al"),
        (["rare"], [], "nv al"),
        (["all,never"], [], ALL.replace("imported al", "imported nv al")),
        (["tagged"], [], "before first in-block second-in-block in-rescue in-always imported al last"),
        (["untagged"], [], "al plain"),
        (["always"], [], "al"),
        ([], ["always"], ALL.replace(" al ", " ")),
        ([], ["blk"], "before first imported al plain last"),
        ([], ["tagged"], "plain"),
        ([], ["untagged"], ALL.replace(" plain", "")),
        ([], ["one,z"], "plain"),
        ([], ["all"], "al"),
        (["blk"], ["d", "c"], "second-in-block in-rescue al"),
    ],
)
def test_tags_choose_as_in_ansible(tags: list[str], skip_tags: list[str], expected: str) -> None:
    assert names(select(book(), tags=tags, skip_tags=skip_tags)) == expected


def test_plays_ids_and_handlers_stay_and_a_play_without_tasks_has_no_flush_either() -> None:
    chosen = select(book(), tags=["z"], skip_tags=["always"])

    assert [play.name for play in chosen.plays] == ["One", "Two", "h"]
    assert [len(play.tasks) for play in chosen.plays] == [0, 0, 1]
    assert [spec.id for spec in tasks_in(chosen.plays[2].tasks)] == ["3.1"]
    assert [each.name for each in chosen.plays[0].handlers] == ["H"]
    assert chosen.plays[1].gather_facts


def test_what_is_notified_before_is_still_run_between_the_sections() -> None:
    chosen = select(book(), tags=["c"])

    assert [spec.id for spec in tasks_in(chosen.plays[0].tasks)] == ["1.f1", "1.3", "1.9"]


def test_a_block_of_which_only_a_part_is_chosen_keeps_that_part() -> None:
    [block] = [node for node in select(book(), tags=["d"]).plays[0].tasks if isinstance(node, Block)]

    assert (block.tasks, block.rescue, [spec.name for spec in tasks_in(block.always)]) == ((), (), ["in always"])


def test_nothing_chosen_leaves_the_playbook_as_it_is() -> None:
    one = read_playbook("- hosts: a\n  tasks:\n    - debug:\n      tags: x\n", "plan.yml", modules=READER_MODULES)

    assert select(one) == one


@pytest.mark.parametrize(
    ("tags", "skip_tags", "said"),
    [
        (["onipm"], [], "no task has the tag 'onipm' (plan.yml, --tags); did you mean 'onimp'?"),
        (["c,qq"], [], "no task has the tag 'qq' (plan.yml, --tags); the tags there are: always, b, blk, c, d, never,"),
        ([], ["onipm"], "no task has the tag 'onipm' (plan.yml, --skip-tags); did you mean 'onimp'?"),
    ],
)
def test_a_tag_that_no_task_has_is_an_error_that_names_the_nearest(
    tags: list[str], skip_tags: list[str], said: str
) -> None:
    with pytest.raises(PlaybookError) as error:
        select(book(), tags=tags, skip_tags=skip_tags)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("tags", "skip_tags", "said"),
    [
        (["a"], ["b"], "the tags leave no task (plan.yml, --tags a, --skip-tags b); the tags there are: a, b"),
        (["untagged"], [], "the tags leave no task (plan.yml, --tags untagged); the tags there are: a, b"),
    ],
)
def test_tags_that_leave_no_task_are_an_error(tags: list[str], skip_tags: list[str], said: str) -> None:
    text = "- hosts: a\n  tasks:\n    - debug:\n      tags: [a, b]\n"
    with pytest.raises(PlaybookError) as error:
        select(read_playbook(text, "plan.yml", modules=READER_MODULES), tags=tags, skip_tags=skip_tags)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("start_at", "expected"),
    [
        ("first", "first in-block second-in-block in-rescue in-always imported al plain last"),
        ("second in block", "second-in-block in-rescue in-always imported al plain last"),
        ("in always", "in-always imported al plain last"),
        ("imp*", "imported al plain last"),
        ("1.7", "imported al plain last"),
        ("3.1", "last"),
        ("[lm]as?", "last"),
    ],
)
def test_a_run_starts_at_a_name_a_glob_or_an_id_in_blocks_and_imports_too(start_at: str, expected: str) -> None:
    assert names(select(book(), start_at=start_at)) == expected


def test_plays_before_the_start_do_nothing_and_its_own_play_asks_for_facts() -> None:
    assert [play.gather_facts for play in select(book(), start_at="last").plays] == [False, False, False]
    assert [play.gather_facts for play in select(book(), start_at="plain").plays] == [False, True, False]


def test_a_run_starts_among_the_tasks_that_the_tags_leave() -> None:
    assert names(select(book(), tags=["c", "z"], start_at="al")) == "al last"
    with pytest.raises(PlaybookError, match="no task is named 'first'"):
        select(book(), tags=["c", "z"], start_at="first")


@pytest.mark.parametrize(
    ("start_at", "said"),
    [
        ("frist", "no task is named 'frist' (plan.yml, --start-at-task); did you mean 'first'?"),
        (
            "in rescue",
            "'in rescue' is in a rescue, which is run only after a failure (plan.yml:20:11) "
            "(plan.yml, --start-at-task); start at the first task of its block",
        ),
        ("flush_handlers", "no task is named 'flush_handlers' (plan.yml, --start-at-task); the tasks there are: al,"),
        ("", ""),
    ],
)
def test_a_start_that_no_task_has_is_an_error_that_names_the_nearest(start_at: str, said: str) -> None:
    if not start_at:
        assert names(select(book(), start_at="")) == ALL
        return
    with pytest.raises(PlaybookError) as error:
        select(book(), start_at=start_at)
    assert str(error.value).startswith(said)
