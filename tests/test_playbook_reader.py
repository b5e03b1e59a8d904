"""What a playbook comes to when it is read: keywords in their types, handed down, in order, with their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lunops.errors import InputError, PlaybookError
from lunops.playbook.model import Block, Loop, Playbook, TaskSpec, Until, VarsFile
from lunops.playbook.reader import read_playbook
from lunops.playbook.walk import tasks_in
from tests.reader_modules import READER_MODULES


def read(text: str, files: Mapping[str, str] | None = None) -> Playbook:
    return read_playbook(text, "plays/plan.yml", lambda path: found(files or {}, path), modules=READER_MODULES)


def _set(*tags: str) -> frozenset[str]:
    return frozenset(tags)


def found(files: Mapping[str, str], path: str) -> str:
    if path not in files:
        raise InputError(f"there is no file {path}")
    return files[path]


def tasks(text: str, files: Mapping[str, str] | None = None) -> list[TaskSpec]:
    return list(tasks_in(read(text, files).plays[0].tasks))


def only_task(text: str) -> TaskSpec:
    [spec] = tasks(f"- hosts: all\n  tasks:\n    - {text}")
    return spec


def test_a_task_is_read_with_all_its_keywords_and_the_place_of_each() -> None:
    spec = only_task(
        """\
name: Wait for {{ item }}
      wait_for_device:
        dataset: "{{ item }}"
      args:
        timeout_s: 5
      vars: {x: 1}
      when: [x == 1, true]
      loop: [a, b]
      loop_control: {label: "{{ item }}!", loop_var: each, index_var: n, pause: 0.5}
      register: waited
      until: waited is defined
      retries: "{{ tries }}"
      delay: 0.5
      changed_when: false
      failed_when: [a, b]
      ignore_errors: true
      ignore_unreachable: "{{ x }}"
      any_errors_fatal: false
      tags: a, b
      run_once: true
      delegate_to: h1
      become: true
      become_user: root
      environment: {LANG: C}
      no_log: true
      check_mode: false
      diff: false
      throttle: 2
      timeout: 30.5
      on_failure: stop
"""
    )

    assert spec == TaskSpec(
        id="1.1",
        name="Wait for {{ item }}",
        module="wait_for_device",
        args={"dataset": "{{ item }}", "timeout_s": 5},
        variables={"x": 1},
        when=("x == 1", "true"),
        loop=Loop(over=["a", "b"], item="each", index="n", label="{{ item }}!", pause_s=0.5),
        register="waited",
        until=Until(conditions=("waited is defined",), retries="{{ tries }}", delay_s=0.5),
        changed_when=("false",),
        failed_when=("a", "b"),
        ignore_errors=True,
        ignore_unreachable="{{ x }}",
        any_errors_fatal=False,
        tags=frozenset({"a", "b"}),
        run_once=True,
        delegate_to="h1",
        become=True,
        become_user="root",
        environment={"LANG": "C"},
        no_log=True,
        check_mode=False,
        diff=False,
        throttle=2,
        timeout_s=30.5,
        on_failure="stop",
    )
    assert spec.place("") == "plays/plan.yml:3:7"
    assert spec.place("args") == "plays/plan.yml:4:7, wait_for_device"
    assert spec.place("args.dataset") == "plays/plan.yml:5:9, wait_for_device.dataset"
    assert spec.place("args.timeout_s") == "plays/plan.yml:7:9, wait_for_device.timeout_s"
    assert spec.place("when") == "plays/plan.yml:9:7, when"
    assert spec.place("when.1") == "plays/plan.yml:9:22, when[1]"
    assert spec.place("vars.x") == "plays/plan.yml:8:14, vars.x"
    assert spec.place("loop_control.label") == "plays/plan.yml:11:22, loop_control.label"
    assert spec.place("environment.LANG") == "plays/plan.yml:26:21, environment.LANG"
    assert spec.place("register.unheard") == "plays/plan.yml:12:7, register.unheard"
    assert spec.place("unheard") == "plays/plan.yml:3:7, unheard"


def test_a_play_is_read_with_all_its_keywords() -> None:
    [play] = read(
        """\
- name: Refresh
  hosts: [rack1, "!jbod-03"]
  vars: {pool: tank}
  vars_files: [a.yml, "{{ b }}.yml"]
  serial: [1, "5", 30%]
  order: sorted
  strategy: free
  forks: 9
  gather_facts: true
  any_errors_fatal: true
  max_fail_percentage: 30
  force_handlers: true
  on_failure: undo
  tags: [x, 5]
  tasks:
    - debug:
"""
    ).plays

    assert replace(play, tasks=()) == replace(
        play,
        tasks=(),
        name="Refresh",
        hosts="rack1,!jbod-03",
        variables={"pool": "tank"},
        vars_files=(VarsFile(path="a.yml"), VarsFile(path="{{ b }}.yml")),
        serial=(1, 5, "30%"),
        order="sorted",
        strategy="free",
        forks=9,
        gather_facts=True,
        any_errors_fatal=True,
        max_fail_percentage=30,
        force_handlers=True,
        on_failure="undo",
        tags=frozenset({"x", "5"}),
    )
    assert play.place("vars.pool") == "plays/plan.yml:3:10, vars.pool"
    assert play.vars_files[1].where == "plays/plan.yml:4:23"


def test_what_is_not_said_has_its_default() -> None:
    [play] = read("- hosts: all\n  tasks:\n    - debug:\n").plays

    assert (play.name, play.serial, play.gather_facts, play.strategy) == ("all", (), False, "linear")
    assert play.tasks == (TaskSpec(id="1.1", name="debug", module="debug", args={}),)


def test_a_block_hands_down_its_keywords_and_the_nearest_one_holds() -> None:
    specs = tasks(
        """\
- hosts: all
  become: true
  become_user: a
  environment: {A: 1, B: 1}
  timeout: 5
  no_log: true
  on_failure: undo
  tags: play
  vars: {of_play: 1}
  tasks:
    - block:
        - name: inner
          debug:
          when: c
          tags: own
          vars: {y: 3}
          environment: {C: 3}
          become_user: c
          on_failure: keep
          no_log: false
          timeout: 9
      when: [a, b]
      tags: [block]
      vars: {x: 1, y: 2}
      environment: {B: 2, C: 2}
      become: false
      become_user: b
      delegate_to: h1
      notify: Restart
      rescue:
        - debug:
      always:
        - debug:
    - debug:
  handlers:
    - name: Restart
      debug:
"""
    )
    inner, rescue, always, outside = specs

    assert inner.when == ("a", "b", "c")
    assert inner.tags == {"play", "block", "own"}
    assert inner.variables == {"x": 1, "y": 3}
    assert inner.environment == {"A": 1, "B": 2, "C": 3}
    assert (inner.become, inner.become_user, inner.timeout_s, inner.no_log) == (False, "c", 9, False)
    assert (inner.on_failure, inner.delegate_to, inner.notify) == ("keep", "h1", ("Restart",))
    for spec in (rescue, always):
        assert (spec.when, spec.tags, spec.become, spec.become_user) == (("a", "b"), _set("play", "block"), False, "b")
        assert (spec.timeout_s, spec.no_log, spec.on_failure) == (5, True, "undo")
    assert (outside.when, outside.tags, outside.variables, outside.become) == ((), _set("play"), {}, True)
    assert inner.place("when.0") == "plays/plan.yml:22:14, when[0]"
    assert inner.place("when.2") == "plays/plan.yml:14:11, when[2]"
    assert inner.place("vars.x") == "plays/plan.yml:24:14, vars.x"
    assert rescue.place("become_user") == "plays/plan.yml:27:7, become_user"
    assert rescue.place("timeout") == "plays/plan.yml:5:3, timeout"


def test_tasks_are_numbered_through_blocks_and_imports_and_handlers_of_their_own() -> None:
    book = read(
        """\
- hosts: all
  tasks:
    - block:
        - block:
            - debug:
          name: Inner
        - debug:
      rescue:
        - debug:
      rescue_unreachable: true
    - import_tasks: more.yml
    - debug:
- hosts: all
  tasks:
    - debug:
      notify: b
  handlers:
    - name: a
      debug:
    - import_tasks: handlers.yml
""",
        {"plays/more.yml": "- debug:\n- debug:\n", "plays/handlers.yml": "- name: b\n  listen: [x, y]\n  debug:\n"},
    )
    first, second = book.plays
    block = first.tasks[0]

    assert [spec.id for spec in tasks_in(first.tasks)] == ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]
    assert isinstance(block, Block)
    assert isinstance(block.tasks[0], Block)
    assert (block.id, block.tasks[0].id, block.tasks[0].name) == ("bb1.1", "b1.1", "Inner")
    assert (block.rescue_unreachable, block.where) == (True, "plays/plan.yml:3:7")
    assert [spec.id for spec in tasks_in(second.tasks)] == ["2.1"]
    assert [(spec.id, spec.name, spec.listen) for spec in second.handlers] == [
        ("2.h1", "a", ()),
        ("2.h2", "b", ("x", "y")),
    ]


@pytest.mark.parametrize("key", ["import_tasks", "include_tasks", "ansible.builtin.import_tasks"])
def test_the_keywords_of_an_import_are_those_of_every_task_in_its_file(key: str) -> None:
    [first, second] = tasks(
        f"- hosts: all\n  tasks:\n    - {key}: sub/more.yml\n      when: a\n      tags: t\n      vars: {{x: 1}}\n",
        {
            "plays/sub/more.yml": "- debug:\n  when: b\n- import_tasks: {file: even.yml}\n",
            "plays/sub/even.yml": "- debug:\n",
        },
    )

    assert (first.when, second.when) == (("a", "b"), ("a",))
    assert (first.tags, second.tags) == (_set("t"), _set("t"))
    assert second.variables == {"x": 1}
    assert second.place("") == "plays/sub/even.yml:1:3"
    assert second.place("when") == "plays/plan.yml:4:7, when"


def test_a_playbook_that_is_imported_stands_in_its_place() -> None:
    book = read(
        """\
- import_playbook: sub/a.yml
  tags: t
  when: ok
  vars: {x: 2}
- hosts: b
  tasks:
    - debug:
""",
        {
            "plays/sub/a.yml": """\
- hosts: a
  vars: {x: 1, y: 1}
  vars_files: [v.yml, /etc/v.yml, "{{ v }}"]
  handlers:
    - name: h
      debug:
  tasks:
    - debug:
- import_playbook: ../b.yml
""",
            "plays/sub/../b.yml": "- hosts: c\n  tasks:\n    - debug:\n      when: x\n",
        },
    )

    assert [play.hosts for play in book.plays] == ["a", "c", "b"]
    assert [[spec.id for spec in tasks_in(play.tasks)] for play in book.plays] == [["1.1"], ["2.1"], ["3.1"]]
    first, second, third = book.plays
    assert first.variables == {"x": 2, "y": 1}
    assert [each.path for each in first.vars_files] == ["sub/v.yml", "/etc/v.yml", "{{ v }}"]
    assert (first.tags, second.tags, third.tags) == (_set("t"), _set("t"), _set())
    assert [spec.when for play in book.plays for spec in tasks_in(play.tasks)] == [("ok",), ("ok", "x"), ()]
    assert first.handlers[0].when == ()


@pytest.mark.parametrize(
    ("sections", "ids"),
    [
        (("pre_tasks", "tasks", "post_tasks"), ["1.1", "1.f1", "1.2", "1.f2", "1.3"]),
        (("pre_tasks", "post_tasks"), ["1.1", "1.f1", "1.2"]),
        (("tasks",), ["1.1"]),
    ],
)
def test_what_was_notified_is_run_between_the_sections_where_there_are_handlers(
    sections: tuple[str, ...], ids: list[str]
) -> None:
    text = "- hosts: all\n" + "".join(f"  {section}:\n    - debug:\n" for section in sections)
    specs = tasks(text + "  handlers:\n    - name: h\n      debug:\n")

    assert [spec.id for spec in specs] == ids
    for spec in specs:
        assert spec.is_implicit == (spec.module == "meta") == (".f" in spec.id)
    assert not any(spec.is_implicit for spec in tasks(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a, [b, [c]]]", Loop(over=["a", "b", ["c"]])),
        ('["{{ a }}", [b]]', Loop(over=["{{ a }}", ["b"]], flatten=True)),
        ('"{{ a }}"', Loop(over="{{ a }}", flatten=True)),
    ],
)
def test_with_items_takes_lists_apart_one_level_deep_as_soon_as_they_are_known(text: str, expected: Loop) -> None:
    assert only_task(f"{{debug: , with_items: {text}}}").loop == expected


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("command: ls -l", {"cmd": "ls -l"}),
        ("{command: ls, args: {chdir: /}}", {"cmd": "ls", "chdir": "/"}),
        ("{command: , args: {argv: [ls]}}", {"argv": ["ls"]}),
        ("ansible.legacy.command: ls cmd=x", {"cmd": "ls cmd=x"}),
        ("meta: flush_handlers", {"action": "flush_handlers"}),
        ("set_fact: {any: 1, name: 2}", {"any": 1, "name": 2}),
    ],
)
def test_a_text_stands_for_the_argument_that_the_module_says(text: str, args: dict[str, Any]) -> None:
    assert only_task(text).args == args


@pytest.mark.parametrize(
    "text",
    [
        "debug: {msg: '{% macro f(x) %}{{ x }}{% endmacro %}{{ f(1) }}'}",
        "debug: {msg: '{% for x in y recursive %}{{ loop(x) }}{% endfor %}'}",
        "debug: {msg: '{% set f = range %}{{ f(3) }}{{ x.items() }}'}",
        "debug: {msg: '{{ a | head }} {{ b | pools }} {{ c | json }}'}",
        "{debug: , when: 9**9**9**9 > 1}",
        "zfs_volume: {dataset: '{{ x }}', size: '{{ y }}', properties: {a: '{{ z }}'}}",
        "lio_target: {dataset: tank/x, wwn: '{{ w }}', initiators: ['{{ i }}', 'iqn.2024-01.org.example:x']}",
        "{debug: , environment: {A: '{{ x }}'}, delegate_to: '{{ y }}', notify: '{{ z }}'}",
    ],
)
def test_what_cannot_be_judged_yet_is_let_pass(text: str) -> None:
    only_task(text)


def test_a_name_to_notify_is_not_judged_where_a_handlers_own_name_is_an_expression() -> None:
    [spec] = tasks(
        "- hosts: all\n  tasks:\n    - debug:\n      notify: Restart x\n"
        "  handlers:\n    - name: Restart {{ it }}\n      debug:\n"
    )

    assert spec.notify == ("Restart x",)


def test_the_filters_that_the_caller_has_are_known() -> None:
    text = "- hosts: all\n  tasks:\n    - wait_for_device: {dataset: '{{ a | mine }}'}\n"

    assert read_playbook(text, "plan.yml", filters=["mine"]).plays
    with pytest.raises(PlaybookError, match="there is no filter 'mine'"):
        read_playbook(text, "plan.yml")


def test_a_play_that_only_asks_for_facts_needs_no_tasks() -> None:
    [play] = read("- hosts: all\n  gather_facts: true\n").plays

    assert (play.gather_facts, play.tasks) == (True, ())


def test_the_errors_of_a_playbook_come_in_the_order_of_its_lines_its_own_file_first() -> None:
    with pytest.raises(PlaybookError) as error:
        read(
            "- hosts: all\n  tasks:\n    - import_tasks: a.yml\n    - debgu:\n"
            "  handlers:\n    - debgu:\n      name: h\n",
            {"plays/a.yml": "- debgu:\n"},
        )

    lines = [line.partition("(")[2].partition(",")[0] for line in error.value.what.splitlines()[1:]]
    assert lines == ["plays/plan.yml:4:7", "plays/plan.yml:6:7", "plays/a.yml:1:3"]


def test_yaml_is_1_2_so_that_yes_is_text_and_a_leading_zero_is_decimal() -> None:
    spec = only_task("set_fact: {a: yes, b: 012, c: 1:30, d: on, e: '1'}")

    assert spec.args == {"a": "yes", "b": 12, "c": "1:30", "d": "on", "e": "1"}


def test_anchors_may_be_used_again() -> None:
    first, second = tasks("- hosts: all\n  tasks:\n    - &t\n      debug: {msg: x}\n    - *t\n")

    assert (first.args, first.id, second.id) == (second.args, "1.1", "1.2")


def test_a_small_text_that_stands_for_a_huge_value_is_refused() -> None:
    bomb = "- &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"- &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(8)
    )

    with pytest.raises(PlaybookError, match="too deep or too large"):
        read(bomb)


def test_an_include_with_a_loop_is_a_block_that_is_done_for_each_element() -> None:
    loop = "loop: [a, b]\n      loop_control: {loop_var: each}"
    text = f"- hosts: all\n  tasks:\n    - include_tasks: more.yml\n      {loop}\n"
    [play] = read_playbook(text, "plan.yml", lambda _path: "- debug: {msg: 1}\n- debug: {msg: 2}\n").plays
    [block] = play.tasks

    assert isinstance(block, Block)
    assert block.loop == Loop(over=["a", "b"], item="each")
    assert [task.args for task in block.tasks if isinstance(task, TaskSpec)] == [{"msg": 1}, {"msg": 2}]
