"""The recap: what people read and what programs read of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.model import ItemResult, RunResult, Status, TaskResult, Times
from lunops.recap import Detail, Profile, as_json, counters, exit_code, recap_lines, report, slowest_lines, task_lines
from lunops.recap.heads import in_few_words
from lunops.recap.line import cells, fit, plain
from tests import recap_support as support

ITEMS = (
    ItemResult(key="tank/a", status=Status.CHANGED, changes=("zfs clone tank/g@1 tank/a",), seconds=0.5, made=(1,)),
    ItemResult(
        key="tank/b",
        status=Status.FAILED,
        error="out of space",
        fix="free some",
        rolled_back=("rmdir x",),
        left_behind=("zfs destroy tank/b",),
    ),
    ItemResult(key="tank/c", status=Status.OK),
)


def task(
    head: str, number: int, status: Status, *, items: tuple[ItemResult, ...] = (), seconds: float = 1.0
) -> TaskResult:
    times = Times(run_s=seconds - 0.25, transfer_s=0.25, total_s=seconds)
    return TaskResult(
        head=head,
        task_id=f"{number:02}:zfs_clone",
        name="Clone",
        module="zfs_clone",
        status=status,
        items=items,
        times=times,
    )


RESULT = RunResult(
    plan="Create",
    check=False,
    tasks=(
        task("jbod-01", 1, Status.FAILED, items=ITEMS, seconds=2.0),
        task("jbod-2", 1, Status.OK, items=ITEMS[2:]),
        task("jbod-01", 2, Status.CHANGED, items=ITEMS[:1], seconds=3.0),
        task("jbod-2", 2, Status.SKIPPED, seconds=0.0),
    ),
    heads=("jbod-01", "jbod-2", "jbod-3"),
    total_s=5.5,
)


def lines(result: TaskResult, **detail: bool) -> list[str]:
    return [line.text for line in task_lines(result, Detail(**detail))]


def test_an_error_that_all_items_share_is_told_once() -> None:
    items = tuple(ItemResult(key=str(number), status=Status.UNREACHABLE, error="no route") for number in range(100))
    result = replace(task("x", 1, Status.UNREACHABLE, items=items, seconds=0.0), error="no route\nat all", fix="f")

    assert lines(replace(result, error="no route")) == [
        "fatal: [x]: UNREACHABLE! 100 unreachable",
        "    error: no route",
        "    to mend it: f",
    ]
    assert lines(result)[-3:] == ["    error: no route", "      at all", "    to mend it: f"]


def test_every_item_is_told_where_that_is_asked_for_or_they_are_few() -> None:
    many = replace(RESULT.tasks[0], items=ITEMS * 2)

    assert not any("tank/c" in line for line in lines(many))
    assert "ok: [jbod-01] => (item=tank/c)" in lines(many, items=True)
    assert "ok: [jbod-01] => (item=tank/c)" in lines(RESULT.tasks[0])
    assert "    zfs clone tank/g@1 tank/a" in lines(many, changes=True)
    assert lines(many)[-1] == "failed: [jbod-01] 2 ok, 2 changed, 2 failed in 2.000s (run 1.750, transfer 0.250)"


def test_what_was_taken_back_is_always_told() -> None:
    items = (ItemResult(key="tank/b", status=Status.CHANGED, changes=("zfs destroy tank/b",)),)
    result = TaskResult(head="x", task_id="04:undo", name="n", module="undo", status=Status.CHANGED, items=items)

    assert "    zfs destroy tank/b" in lines(result)


def counts(**some: int) -> dict[str, int]:
    return {**dict.fromkeys(("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored"), 0), **some}


def test_the_recap_counts_tasks_as_ansible_does() -> None:
    assert counters(RESULT, "jbod-01") == counts(ok=1, changed=1, failed=1)
    assert counters(RESULT, "jbod-2") == counts(ok=1, skipped=1)
    shown = [line.text for line in recap_lines(RESULT)]
    assert shown[0].startswith("PLAY RECAP ***")
    assert [line.replace("rescued=0     ignored=0   ", "") for line in shown[1:]] == [
        "jbod-01 : ok=1     changed=1     unreachable=0     failed=1     skipped=0          5.000s",
        "jbod-2  : ok=1     changed=0     unreachable=0     failed=0     skipped=1          1.000s",
        "jbod-3  : ok=0     changed=0     unreachable=0     failed=0     skipped=0          0.000s",
        "4 items: 1 changed, 1 failed, in 5.500s",
    ]


def test_what_was_ignored_or_rescued_is_no_failure_in_any_sum() -> None:
    ignored = replace(task("a", 1, Status.FAILED, items=ITEMS[1:2]), is_ignored=True)
    rescued = replace(task("a", 2, Status.FAILED), is_rescued=True)
    away = replace(task("a", 3, Status.UNREACHABLE), is_ignored=True)
    result = replace(RESULT, tasks=(ignored, rescued, away), heads=("a",))

    assert counters(result, "a") == counts(ok=2, ignored=2, rescued=1)
    assert exit_code(result.tasks) == 0
    assert [line.text for line in recap_lines(result)][-1] == "1 item: 0 changed, 0 failed, in 5.500s"


def test_the_table_of_the_slowest_is_limited_and_sorted_as_asked() -> None:
    tasks = [replace(task("a", number, Status.OK, seconds=number), name=f"t{number}") for number in (2, 1, 3)]

    def names(**profile: Any) -> list[str]:
        lines = slowest_lines(replace(RESULT, tasks=tuple(tasks)), Profile(**profile))
        return [line.text.split()[0] for line in lines][2:]

    assert names() == ["t3", "t2", "t1"]
    assert names(limit=2) == ["t3", "t2", "and"]
    assert names(limit=2, sort="ascending") == ["t2", "t3", "and"]
    assert names(limit=0, sort="none") == ["t2", "t1", "t3"]


def test_a_task_is_as_long_as_any_head_was_at_it_and_names_the_slowest_head() -> None:
    rows = [line.text.split() for line in slowest_lines(replace(RESULT, tasks=RESULT.tasks[:2], total_s=4.0))]

    assert rows[1:] == [["TASK", "SECONDS", "%", "HEAD"], ["Clone", "2.000", "50.0", "jbod-01"]]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a"], "a"),
        (["a2", "a1"], "a1, a2"),
        ([f"j-{n:02}" for n in range(1, 121)], "j-01 … j-120"),
        (["j9", "j10", "j11", "j010"], "j9 … j11, j010"),
        (["r1-j1.x", "r1-j2.x", "r1-j3.x", "r2-j1.x"], "r1-j1.x … r1-j3.x, r2-j1.x"),
        (["a", "b", "\x1b"], "\\x1b, a, b"),
        ([f"{chr(97 + n)}{3 * n}" for n in range(12)], "a0, b3, c6, d9, e12, f15, g18, h21 and 4 more"),
        (["٣1", "٣2", "٣3", "x" * 300 + "1"], "x" * 300 + "1, ٣1 … ٣3"),
    ],
)
def test_many_heads_are_named_in_few_words(names: list[str], words: str) -> None:
    assert in_few_words(names) == words


@given(st.text(), st.integers(min_value=1, max_value=30))
def test_a_text_that_is_fitted_takes_just_its_columns(text: str, width: int) -> None:
    assert cells(fit(text, width)) == width


def test_our_own_signs_have_others_where_there_is_only_ascii() -> None:
    assert plain("ok: [a … c] |░▒▓█▄·| cut…").isascii()


def test_the_report_groups_by_task_whatever_the_order_in_which_heads_ended() -> None:
    text = report(RESULT, Detail())

    assert text.index("PLAY [Create]") < text.index("TASK [Clone]") < text.index("PLAY RECAP")
    assert text.count("TASK [Clone]") == 2


def test_the_json_value_holds_every_item_and_time_but_not_what_is_the_agents() -> None:
    value = json.loads(json.dumps(as_json(RESULT)))

    assert value["heads"]["jbod-01"] == {**counters(RESULT, "jbod-01"), "unknown": 0, "total_s": 5.0}
    assert value["changed"] is True
    assert value["failed"] is True
    first = value["tasks"][0]
    assert first["times"] == {
        **{"wait_s": 0, "template_s": 0, "connect_s": 0},
        **{"run_s": 1.75, "transfer_s": 0.25, "total_s": 2.0},
    }
    assert [item["key"] for item in first["items"]] == ["tank/a", "tank/b", "tank/c"]
    assert first["items"][1]["left_behind"] == ["zfs destroy tank/b"]
    assert "made" not in first["items"][0]


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        ([Status.OK, Status.CHANGED, Status.SKIPPED], 0),
        ([Status.OK, Status.FAILED], 2),
        ([Status.UNREACHABLE], 4),
        ([Status.FAILED, Status.UNREACHABLE], 6),
    ],
)
def test_the_exit_code_tells_failed_and_unreachable_apart(statuses: list[Status], code: int) -> None:
    assert exit_code([task("x", 1, status) for status in statuses]) == code


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        ([Status.OK, Status.SKIPPED], 0),
        ([Status.OK, Status.CHANGED], 3),
        ([Status.UNKNOWN], 3),
        ([Status.CHANGED, Status.FAILED], 2),
        ([Status.CHANGED, Status.UNREACHABLE, Status.FAILED], 6),
    ],
)
def test_the_detailed_exit_code_tells_whether_anything_changed(statuses: list[Status], code: int) -> None:
    assert exit_code([task("x", 1, status) for status in statuses], detailed=True) == code


def test_the_detailed_exit_code_sees_a_change_of_a_single_item() -> None:
    assert exit_code([task("x", 1, Status.OK, items=ITEMS[:1])], detailed=True) == 3


@given(support.results, support.details)
def test_nothing_that_a_head_says_reaches_the_terminal_as_a_command(result: RunResult, detail: Detail) -> None:
    text = report(result, detail, Profile(waterfall=True))

    assert [line for line in text.split("\n") if not line.isprintable()] == []


@given(support.results, support.details)
def test_tables_are_never_wider_than_a_terminal(result: RunResult, detail: Detail) -> None:
    text = report(result, detail, Profile(waterfall=True))
    wide = [line for line in text.partition("WHERE THE TIME WENT")[2].split("\n") if cells(line) > 79]

    assert wide == []


@given(support.results)
def test_the_json_value_is_json_whatever_the_results_hold(result: RunResult) -> None:
    json.dumps(as_json(result), allow_nan=False)


def test_a_task_that_lunops_does_itself_names_no_item() -> None:
    said = ItemResult(key="debug", status=Status.OK, data={"msg": "hello"})
    result = replace(task("x", 1, Status.OK, items=(said,)), module="debug")

    assert lines(result)[0].startswith("ok: [x] => {")


def test_a_debug_that_is_skipped_says_nothing() -> None:
    skipped = ItemResult(key="debug", status=Status.SKIPPED, data={"false_condition": "x"})
    result = replace(task("x", 1, Status.SKIPPED, items=(skipped,), seconds=0.0), module="debug")

    assert [line.split(" in ")[0] for line in lines(result)] == ["skipping: [x]"]
