"""The recap: what people read and what programs read of a run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.model import ItemResult, RunResult, Status, TaskResult, Times
from lunops.recap import Detail, as_json, counters, exit_code, recap_lines, report, slowest_lines, task_lines

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


def test_many_items_are_condensed_to_counts_and_failed_ones_always_told() -> None:
    assert lines(RESULT.tasks[0]) == [
        "failed: [jbod-01] => (item=tank/b)",
        "    error: out of space",
        "    to mend it: free some",
        "    taken back: rmdir x",
        "    left behind: zfs destroy tank/b",
        "failed: [jbod-01] 1 ok, 1 changed, 1 failed in 2.000s (run 1.750, transfer 0.250)",
    ]


def test_details_show_every_item_or_every_change() -> None:
    assert "ok: [jbod-01] => (item=tank/c)" in lines(RESULT.tasks[0], items=True)
    shown = lines(RESULT.tasks[0], changes=True)
    assert shown[:2] == ["changed: [jbod-01] => (item=tank/a)", "    zfs clone tank/g@1 tank/a"]
    assert not any("tank/c" in line for line in shown)


def test_an_error_that_all_items_share_is_told_once() -> None:
    items = tuple(ItemResult(key=str(number), status=Status.UNREACHABLE, error="no route") for number in range(100))
    result = TaskResult(
        head="x",
        task_id="01:a",
        name="n",
        module="a",
        status=Status.UNREACHABLE,
        items=items,
        error="no route\nat all",
        fix="f",
    )
    shared = TaskResult(**{**vars(result), "error": "no route"})

    assert lines(shared) == ["unreachable: [x] 100 unreachable in 0.000s", "  error: no route", "  to mend it: f"]
    assert lines(result)[-3:] == ["  error: no route", "    at all", "  to mend it: f"]


def test_what_was_taken_back_is_always_told() -> None:
    items = (ItemResult(key="tank/b", status=Status.CHANGED, changes=("zfs destroy tank/b",)),)
    result = TaskResult(head="x", task_id="04:undo", name="n", module="undo", status=Status.CHANGED, items=items)

    assert "    zfs destroy tank/b" in lines(result)


def test_the_recap_counts_tasks_as_ansible_does() -> None:
    assert counters(RESULT, "jbod-01") == {"ok": 1, "changed": 1, "unreachable": 0, "failed": 1, "skipped": 0}
    assert counters(RESULT, "jbod-2") == {"ok": 1, "changed": 0, "unreachable": 0, "failed": 0, "skipped": 1}
    shown = [line.text for line in recap_lines(RESULT)]
    assert shown[0].startswith("PLAY RECAP ***")
    assert shown[1:] == [
        "jbod-01 : ok=1     changed=1     unreachable=0     failed=1     skipped=0        5.000s",
        "jbod-2  : ok=1     changed=0     unreachable=0     failed=0     skipped=1        1.000s",
        "jbod-3  : ok=0     changed=0     unreachable=0     failed=0     skipped=0        0.000s",
        "4 items: 1 changed, 1 failed, in 5.500s",
    ]


def test_the_slowest_tasks_come_first_and_show_where_their_time_went() -> None:
    shown = [line.text.split() for line in slowest_lines(RESULT, most=2)]

    assert shown[1] == ["HEAD", "TASK", "TOTAL", "RUN", "TRANSFER", "CONNECT", "WAIT"]
    assert shown[2] == ["jbod-01", "02:zfs_clone", "Clone", "3.000", "2.750", "0.250", "0.000", "0.000"]
    assert shown[3][:3] == ["jbod-01", "01:zfs_clone", "Clone"]
    assert shown[4] == ["and", "1", "more"]


def test_the_report_groups_by_task_whatever_the_order_in_which_heads_ended() -> None:
    text = report(RESULT, Detail())

    assert text.index("PLAY [Create]") < text.index("TASK [Clone]") < text.index("PLAY RECAP")
    assert text.count("TASK [Clone]") == 2


def test_the_json_value_holds_every_item_and_time_but_not_what_is_the_agents() -> None:
    value = json.loads(json.dumps(as_json(RESULT)))

    assert value["heads"]["jbod-01"] == {**counters(RESULT, "jbod-01"), "total_s": 5.0}
    assert value["changed"] is True
    assert value["failed"] is True
    first = value["tasks"][0]
    assert first["times"] == {"wait_s": 0, "connect_s": 0, "run_s": 1.75, "transfer_s": 0.25, "total_s": 2.0}
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


@given(st.text(), st.text())
def test_nothing_that_a_head_says_reaches_the_terminal_as_a_command(error: str, key: str) -> None:
    item = ItemResult(
        key=f"\x1b]0;{key}", status=Status.FAILED, error=f"\x1b[2J{error}", fix=error, left_behind=(error,)
    )
    result = RunResult(
        plan=key, check=False, tasks=(task(error, 1, Status.FAILED, items=(item,)),), heads=(error,), total_s=0
    )

    assert all(line.isprintable() for line in report(result, Detail(items=True, changes=True)).split("\n"))
