"""The reply to clone_status: counts, percent, the status words, and times that add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.model import Status
from lunops.store.rows import ItemRow, JobRecord, JobRow, OutcomeRow, PartRow, RunRow, State, TaskRow
from lunops.v1_status import reply

CREATE = ("zfs_clone", "wait_for_device", "lio_target")
DELETE = ("lio_absent", "zfs_destroy")


def record(
    kind: str = "create",
    *,
    state: State = State.RUNNING,
    heads: tuple[str, ...] = ("h1",),
    items: int = 2,
    runs: tuple[RunRow, ...] = (),
    outcomes: tuple[OutcomeRow, ...] = (),
    ended_s: float | None = None,
    keeps_clone: bool = False,
) -> JobRecord:
    modules = CREATE if kind == "create" else DELETE
    return JobRecord(
        job=JobRow(
            id="j1",
            kind=kind,
            client="",
            state=state,
            num_requested=items * len(heads),
            accepted_at=1.7e9,
            accepted_s=100.0,
            started_s=None if state is State.QUEUED else 100.25,
            ended_s=ended_s,
        ),
        parts=tuple(PartRow(head=head, workflow_id=head, state=state, error="", fix="") for head in heads),
        items=tuple(
            ItemRow(place=place, head=head, key=f"{head}/{number}", wwn=f"iqn:{place}", keeps_clone=keeps_clone)
            for place, (head, number) in enumerate((head, number) for head in heads for number in range(items))
        ),
        tasks=tuple(
            TaskRow(head=head, task_id=module, place=place, module=module, items=items)
            for head in heads
            for place, module in enumerate(modules)
            if not (keeps_clone and module == "zfs_destroy")
        ),
        runs=runs,
        outcomes=outcomes,
    )


def run(
    module: str, started_s: float, ended_s: float | None, *, head: str = "h1", number: int = 1, last_s: float = 0.0
) -> RunRow:
    last_s = last_s or ended_s or started_s
    return RunRow(
        head=head, task_id=module, module=module, run=number, started_s=started_s, last_s=last_s, ended_s=ended_s
    )


def outcome(module: str, key: str, status: Status = Status.CHANGED, error: str = "", fix: str = "") -> OutcomeRow:
    head = key.split("/")[0]
    return OutcomeRow(head=head, task_id=module, module=module, key=key, status=status, error=error, fix=fix)


def test_a_waiting_job_is_pending_and_its_lag_grows() -> None:
    answer = reply(record(state=State.QUEUED), 101.5)
    assert answer == {
        "status": "pending",
        "job_type": "create",
        "num_requested": 2,
        "num_clones": 0,
        "num_targets": 0,
        "num_completed": 0,
        "percent_completed": 0.0,
        "job_time": 0.0,
        "clone_time": 0.0,
        "udevd_time": 0.0,
        "target_time": 0.0,
        "other_time": 0.0,
        "lag_time": 1.5,
    }


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ((), "start_job"),
        ((run("zfs_clone", 101, None),), "start_creating_clones"),
        ((run("zfs_clone", 101, 102),), "done_creating_clones"),
        ((run("zfs_clone", 101, 102), run("wait_for_device", 102, None)), "start_waiting_udevd"),
        ((run("zfs_clone", 101, 102), run("wait_for_device", 102, 103)), "done_waiting_udevd"),
        ((run("zfs_clone", 101, 102), run("lio_target", 102, None)), "start_creating_targets"),
        ((run("zfs_clone", 101, 102), run("lio_target", 102, 103), run("undo", 103, None)), "done_creating_targets"),
        ((run("zfs_clone", 101, None), run("zfs_clone", 105, None, number=2)), "start_creating_clones"),
    ],
)
def test_the_status_of_a_create_follows_its_tasks(runs: tuple[RunRow, ...], status: str) -> None:
    assert reply(record(runs=runs), 110)["status"] == status


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ((run("lio_absent", 101, None),), "start_deleting_targets"),
        ((run("lio_absent", 101, 102),), "done_deleting_targets"),
        ((run("lio_absent", 101, 102), run("zfs_destroy", 102, None)), "start_deleting_clones"),
        ((run("lio_absent", 101, 102), run("zfs_destroy", 102, 103)), "done_deleting_clones"),
    ],
)
def test_the_status_of_a_delete_follows_its_tasks(runs: tuple[RunRow, ...], status: str) -> None:
    assert reply(record("delete", runs=runs), 110)["status"] == status


def test_the_status_of_a_job_is_that_of_its_slowest_head() -> None:
    runs = (run("lio_target", 101, None), run("zfs_clone", 101, None, head="h2"))
    two = record(heads=("h1", "h2"), runs=runs)
    assert reply(two, 110)["status"] == "start_creating_clones"
    waiting = replace(two, parts=(two.parts[0], replace(two.parts[1], state=State.QUEUED)))
    assert reply(waiting, 110)["status"] == "pending"
    over = replace(two, parts=(two.parts[0], replace(two.parts[1], state=State.FAILED)))
    assert reply(over, 110)["status"] == "start_creating_targets"


def test_a_complete_job_has_done_all_of_it() -> None:
    outcomes = tuple(outcome(module, f"h1/{number}") for module in CREATE for number in range(2))
    answer = reply(record(state=State.COMPLETE, outcomes=outcomes, ended_s=110), 999)
    assert (answer["num_clones"], answer["num_targets"], answer["num_completed"]) == (2, 2, 2)
    assert (answer["status"], answer["percent_completed"], answer["job_time"]) == ("complete", 1.0, 9.75)
    assert "error" not in answer


def test_what_was_done_already_counts_as_done() -> None:
    outcomes = tuple(outcome(module, f"h1/{number}", Status.OK) for module in CREATE for number in range(2))
    assert reply(record(outcomes=outcomes), 110)["num_completed"] == 2


def test_only_a_complete_job_is_at_one() -> None:
    outcomes = tuple(outcome(module, f"h1/{number}") for module in CREATE for number in range(2))
    assert reply(record(outcomes=outcomes[:3]), 110)["percent_completed"] == 0.5
    assert reply(record(outcomes=outcomes), 110)["percent_completed"] == 0.99


def test_a_failed_item_is_told_with_its_place_and_the_others_count() -> None:
    outcomes = (
        outcome("zfs_clone", "h1/0"),
        outcome("zfs_clone", "h1/1", Status.FAILED, "no such snapshot", "make it"),
        outcome("wait_for_device", "h1/0"),
        outcome("wait_for_device", "h1/1", Status.SKIPPED),
        outcome("lio_target", "h1/0"),
        outcome("lio_target", "h1/1", Status.SKIPPED),
    )
    answer = reply(record(state=State.FAILED, outcomes=outcomes, ended_s=110), 120)
    assert answer["status"] == "failed"
    assert (answer["num_clones"], answer["num_targets"], answer["num_completed"]) == (1, 1, 1)
    assert answer["percent_completed"] == 0.5
    assert answer["errors"] == [
        {"index": 1, "dst": "h1/1", "wwn": "iqn:1", "error": "no such snapshot", "fix": "make it"}
    ]
    assert answer["error"] == "1 of 2 failed; the first: clones[1], h1/1: no such snapshot"


def test_a_clone_that_was_taken_back_is_no_clone() -> None:
    outcomes = (
        outcome("zfs_clone", "h1/0"),
        outcome("zfs_clone", "h1/1"),
        outcome("lio_target", "h1/1", Status.FAILED, "no"),
        outcome("undo", "h1/1"),
    )
    answer = reply(record(state=State.FAILED, outcomes=outcomes, ended_s=110), 120)
    assert answer["num_clones"] == 1
    assert [each["error"] for each in answer["errors"] if each["index"] == 1] == ["no"]


def test_a_head_that_failed_as_a_whole_fails_what_it_did_not_finish() -> None:
    failed = record(state=State.FAILED, heads=("h1", "h2"), items=1, ended_s=110)
    done = tuple(outcome(module, "h1/0") for module in CREATE)
    parts = (replace(failed.parts[0], state=State.COMPLETE), replace(failed.parts[1], error="it is off", fix="on"))
    answer = reply(replace(failed, parts=parts, outcomes=done), 120)
    assert answer["errors"] == [{"index": 1, "dst": "h2/0", "wwn": "iqn:1", "error": "it is off", "fix": "on"}]


def test_a_delete_counts_clones_destroyed_or_left_as_asked() -> None:
    gone = (outcome("lio_absent", "h1/0"), outcome("zfs_destroy", "h1/0"), outcome("lio_absent", "h1/1"))
    answer = reply(record("delete", outcomes=gone), 110)
    assert (answer["num_clones"], answer["num_targets"], answer["num_completed"]) == (1, 2, 1)
    kept = (outcome("lio_absent", "h1/0"),)
    answer = reply(record("delete", outcomes=kept, keeps_clone=True), 110)
    assert (answer["num_clones"], answer["num_targets"], answer["num_completed"]) == (1, 1, 1)


def test_the_times_of_two_heads_side_by_side_count_each_moment_once() -> None:
    runs = (
        run("zfs_clone", 101, 103),
        run("wait_for_device", 103, 104),
        run("lio_target", 104, 106),
        run("zfs_clone", 102, 105, head="h2"),
        run("wait_for_device", 105, 105.5, head="h2"),
        run("lio_target", 107, 108, head="h2"),
    )
    answer = reply(record(state=State.COMPLETE, heads=("h1", "h2"), runs=runs, ended_s=109), 999)
    assert (answer["clone_time"], answer["udevd_time"], answer["target_time"]) == (4.0, 0.5, 1.5)
    assert (answer["job_time"], answer["other_time"], answer["lag_time"]) == (8.75, 2.75, 0.25)


def test_a_run_that_was_cut_off_counts_until_it_was_last_heard_of() -> None:
    runs = (run("zfs_clone", 101, None, last_s=102), run("zfs_clone", 110, 111, number=2))
    answer = reply(record(runs=runs), 112)
    assert (answer["clone_time"], answer["other_time"]) == (2.0, 9.75)


def test_a_running_task_counts_until_now() -> None:
    assert reply(record(runs=(run("zfs_clone", 101, None),)), 105)["clone_time"] == 4.0


TIME = st.floats(min_value=90, max_value=200, allow_nan=False)


@given(
    spans=st.lists(st.tuples(st.sampled_from(CREATE), TIME, TIME, st.sampled_from(("h1", "h2", "h3"))), max_size=12),
    end=st.floats(min_value=100.25, max_value=200),
)
def test_the_times_always_add_up_to_the_job_time(spans: list[tuple[str, float, float, str]], end: float) -> None:
    runs = tuple(run(module, min(a, b), max(a, b), head=head) for module, a, b, head in spans)
    answer = reply(record(state=State.COMPLETE, heads=("h1", "h2", "h3"), runs=runs, ended_s=end), 999)
    parts = [answer[name] for name in ("clone_time", "udevd_time", "target_time", "other_time")]
    assert all(part >= 0 for part in parts)
    assert round(sum(parts), 6) == round(answer["job_time"], 6)
