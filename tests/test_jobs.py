"""Jobs from acceptance to their end, over heads and an engine in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lunops import v1_status
from lunops.errors import InputError, JobError
from lunops.inventory import Inventory
from lunops.job_engine import Progress
from lunops.jobs.part_run import Bounds
from lunops.model import Host, Json, Task
from lunops.web.v1_input import create_requests, delete_requests
from tests.service_support import Bench, Head, bench, clone, gone, two_heads


def create(made: Bench, *items: Json) -> str:
    body = {"clones": list(items)}
    return made.jobs.create(create_requests(body, made.jobs.inventory, 100), request=body, client="CN=alice")


def delete(made: Bench, *items: Json) -> str:
    body = {"clones": list(items)}
    return made.jobs.delete(delete_requests(body, made.jobs.inventory, 100), request=body, client="CN=alice")


def status(made: Bench, job_id: str) -> dict[str, Json]:
    found = made.jobs.record(job_id)
    assert found is not None
    return v1_status.reply(*found)


def test_a_create_runs_its_three_tasks_on_each_head_that_holds_one_of_its_pools(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone("a"), clone("b", "p2"))
    assert status(made, job_id)["status"] == "pending"
    made.run_all()
    assert made.head.ran == [
        ("jbod-01", "01:zfs_clone", ("p1/nodes/a",)),
        ("jbod-01", "02:wait_for_device", ("p1/nodes/a",)),
        ("jbod-01", "03:lio_target", ("p1/nodes/a",)),
        ("jbod-02", "01:zfs_clone", ("p2/nodes/b",)),
        ("jbod-02", "02:wait_for_device", ("p2/nodes/b",)),
        ("jbod-02", "03:lio_target", ("p2/nodes/b",)),
    ]
    answer = status(made, job_id)
    assert (answer["status"], answer["num_completed"], answer["percent_completed"]) == ("complete", 2, 1.0)


def test_what_a_job_makes_carries_its_own_mark(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone())
    work = made.store.begin(made.engine.queued[0], "token", worker="me", at=0.0, at_s=0.0)
    assert work is not None
    assert job_id in work.tasks[0].items[0].args["marks"].values()


def test_a_delete_removes_targets_first_and_only_the_clones_that_are_to_go(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = delete(made, gone("a", deleteClones=True), gone("b"))
    made.run_all()
    assert made.head.ran == [
        ("jbod-01", "01:lio_absent", ("p1/nodes/a", "p1/nodes/b")),
        ("jbod-01", "02:zfs_destroy", ("p1/nodes/a",)),
    ]
    assert status(made, job_id)["num_clones"] == 2


def test_a_bad_item_leaves_the_later_tasks_and_what_was_made_for_it_is_taken_back(tmp_path: Path) -> None:
    made = bench(tmp_path, Head(fails={("lio_target", "p1/nodes/b"): "it is in use"}))
    job_id = create(made, clone("a"), clone("b"))
    made.run_all()
    assert made.head.undone == [("p1/nodes/b",)]
    answer = status(made, job_id)
    assert (answer["status"], answer["num_clones"], answer["num_targets"]) == ("failed", 1, 1)
    assert answer["errors"] == [
        {
            "index": 1,
            "dst": "p1/nodes/b",
            "wwn": "iqn.2024-01.org.example:b",
            "error": "it is in use",
            "fix": "mend it",
        }
    ]


def test_a_head_that_is_off_fails_its_part_and_no_other(tmp_path: Path) -> None:
    made = bench(tmp_path, Head(is_off={"jbod-02"}))
    job_id = create(made, clone("a"), clone("b", "p2"))
    made.run_all()
    answer = status(made, job_id)
    assert (answer["status"], answer["num_completed"]) == ("failed", 1)
    assert [(each["index"], each["error"], each["fix"]) for each in answer["errors"]] == [
        (1, "no route", "switch it on")
    ]


def test_the_status_moves_while_a_task_runs(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    head = Head(takes_s=1.0)
    made = bench(tmp_path, head)
    ids: list[str] = []

    def look(_host: Host, _task: Task) -> None:
        answer = status(made, ids[0])
        seen.append((answer["status"], answer["num_clones"]))

    head.before = look
    ids.append(create(made, clone("a"), clone("b")))
    made.run_all()
    assert seen == [("start_creating_clones", 0), ("start_waiting_udevd", 2), ("start_creating_targets", 2)]
    answer = status(made, ids[0])
    assert (answer["clone_time"], answer["udevd_time"], answer["target_time"]) == (2.0, 2.0, 2.0)
    assert (answer["job_time"], answer["other_time"]) == (6.0, 0.0)


def test_a_part_that_was_cut_off_goes_on_and_counts_what_was_done_already(tmp_path: Path) -> None:
    head = Head()
    made = bench(tmp_path, head)
    job_id = create(made, clone("a"), clone("b"))
    steps = _Steps()

    def dies(_host: Host, task: Task) -> None:
        if task.module == "wait_for_device":
            raise _KilledError

    head.before = dies
    with pytest.raises(_KilledError):
        made.worker.run(made.engine.queued[0], steps)
    assert status(made, job_id)["status"] == "start_waiting_udevd"
    head.before = lambda _host, _task: None
    head.there.add(("wait_for_device", "p1/nodes/a"))
    made.worker.run(made.engine.queued[0], steps)
    assert [task for _, task, _ in head.ran] == ["01:zfs_clone", "02:wait_for_device", "03:lio_target"]
    answer = status(made, job_id)
    assert (answer["status"], answer["num_completed"]) == ("complete", 2)
    made.worker.run(made.engine.queued[0], steps)  # once more, when it is over: nothing
    assert len(head.ran) == 3


def test_after_a_restart_a_head_that_failed_as_a_whole_gets_no_further_task(tmp_path: Path) -> None:
    head = Head(is_off={"jbod-01"})
    made = bench(tmp_path, head)
    job_id = create(made, clone("a"))
    steps = _Steps(dies_before="02:wait_for_device")
    with pytest.raises(_KilledError):
        made.worker.run(made.engine.queued[0], steps)
    head.is_off.clear()
    steps.dies_before = ""
    made.worker.run(made.engine.queued[0], steps)
    assert head.ran == []
    assert status(made, job_id)["status"] == "failed"


class _KilledError(BaseException):
    """What kill -9 is in these tests: nothing of ours may catch it."""


@dataclass
class _Steps:
    """An engine's steps, kept through the deaths of a process."""

    dies_before: str = ""
    kept: dict[str, Json] = field(default_factory=dict)

    def __call__(self, name: str, do: Callable[[], Json]) -> Json:
        if name == self.dies_before:
            raise _KilledError
        if name not in self.kept:
            self.kept[name] = json.loads(json.dumps(do()))
        return self.kept[name]


def test_what_was_accepted_but_not_queued_is_queued_by_the_next_start(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.engine.is_broken = True
    job_id = create(made, clone())  # accepted all the same: it is on disk
    assert not made.engine.queued
    made = bench(tmp_path, made.head)
    made.run_all()
    assert status(made, job_id)["status"] == "complete"


def test_work_that_the_engine_has_lost_is_queued_again(tmp_path: Path) -> None:
    made = bench(tmp_path)
    create(made, clone())
    made.engine.done.clear()
    made.engine.queued.clear()
    made.worker.sweep()
    assert len(made.engine.queued) == 1


def test_work_that_the_engine_has_given_up_fails_its_job(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone())
    made.engine.done[made.engine.queued.popleft()] = Progress.BROKEN
    made.worker.sweep()
    answer = status(made, job_id)
    assert answer["status"] == "failed"
    assert "ended without a result" in answer["error"]


def test_a_task_that_kills_the_worker_each_time_is_given_up_at_last(tmp_path: Path) -> None:
    head = Head()
    made = bench(tmp_path, head, bounds=Bounds(runs=3))
    job_id = create(made, clone())

    def dies(_host: Host, _task: Task) -> None:
        raise _KilledError

    head.before = dies
    for _ in range(3):
        with pytest.raises(_KilledError):
            made.worker.run(made.engine.queued[0], lambda _name, do: do())
        assert status(made, job_id)["status"] == "start_creating_clones"
    head.before = lambda _host, _task: None
    made.run_all()
    answer = status(made, job_id)
    assert (answer["status"], head.ran) == ("failed", [])
    assert "the worker died 3 times in the same task" in answer["errors"][0]["error"]


def test_an_error_of_ours_fails_the_part_with_a_number_and_no_internals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_host: Host, _task: Task) -> None:
        raise ZeroDivisionError("secret detail")

    made = bench(tmp_path, Head(before=breaks))
    job_id = create(made, clone())
    made.run_all()
    answer = status(made, job_id)
    assert answer["status"] == "failed"
    assert "internal error" in answer["error"]
    assert "secret" not in json.dumps(answer)
    assert "secret detail" in caplog.text


def test_a_head_that_left_the_inventory_fails_its_part_clearly(tmp_path: Path) -> None:
    present = [two_heads()]
    made = bench(tmp_path, heads=lambda: present[0])
    job_id = create(made, clone())
    present[0] = Inventory(path="x", hosts={}, groups={})
    made.run_all()
    assert "no longer in the inventory (jbod-01)" in status(made, job_id)["error"]


def test_the_same_target_on_another_head_is_refused_while_it_is_at_work(tmp_path: Path) -> None:
    made = bench(tmp_path)
    create(made, clone("a"))
    with pytest.raises(JobError, match="at work on another head"):
        create(made, clone("a", "p2"))


def test_nothing_is_kept_of_a_job_that_cannot_be_planned(tmp_path: Path) -> None:
    made = bench(tmp_path)
    with pytest.raises(InputError):
        made.jobs.create((), request={}, client="")
    assert made.store.unfinished() == []
