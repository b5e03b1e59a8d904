"""A worker's ways with parts: put back, cancelled, left to others, over heads and an engine in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lunops import inventory, v1_status
from lunops.errors import JobError, StoreError
from lunops.inventory import Inventory
from lunops.job_engine import LeaveError
from lunops.jobs import Again, Limits, Pacing
from lunops.jobs.part_run import Bounds
from lunops.model import Host, Json, Task
from lunops.store import Filter
from lunops.store.keeping import TaskBegun
from lunops.store.rows import Cancel, Kind, State
from lunops.web.v1_input import create_requests, delete_requests
from tests.service_support import Bench, Head, bench, clone, gone

WAITS = Limits(deadline_s=100)


def create(made: Bench, *items: Json, client: str = "CN=alice", again: Again | None = None) -> str:
    body = {"clones": list(items)}
    clones = create_requests(body, made.jobs.inventory, 100)
    return made.jobs.create(clones, request=body, client=client, again=again)


def delete(made: Bench, *items: Json) -> str:
    body = {"clones": list(items)}
    return made.jobs.delete(delete_requests(body, made.jobs.inventory, 100), request=body, client="CN=alice")


def state(made: Bench, job_id: str) -> str:
    record = made.store.record(job_id)
    assert record is not None
    return str(record.job.state)


def reply(made: Bench, job_id: str) -> dict[str, Any]:
    found = made.jobs.record(job_id)
    assert found is not None
    return v1_status.reply(*found)


def kinds(made: Bench, job_id: str, *wanted: Kind) -> list[tuple[str, str]]:
    return [(str(event.kind), event.head) for event in made.store.events(job_id) if event.kind in wanted]


def at_one_head(limit: int = 1, label: str = "") -> Inventory:
    text = f"jbod-01 connection=sim pools=p1 state=a.db jobs_at_once={limit}"
    return inventory.parse(text + (f" worker_label={label}\n" if label else "\n"), Path("/nowhere/inventory"))


# ---- a head that comes and goes


def test_a_head_that_is_off_for_a_while_is_tried_again_and_the_job_comes_to_its_end(tmp_path: Path) -> None:
    head = Head(is_off={"jbod-01"})
    made = bench(tmp_path, head, limits=WAITS)
    job_id = create(made, clone("a"), clone("b", "p2"))
    made.run_all()
    assert state(made, job_id) == "running"
    assert [name for name, _, _ in head.ran] == ["jbod-02"] * 3  # the other head went through
    assert made.store.heads()["jbod-01"].failures == 1
    head.is_off.clear()
    made.run_all()
    assert state(made, job_id) == "running"  # not before its time
    head.clock.now_s += 2
    made.run_all()
    assert reply(made, job_id)["status"] == "complete"
    assert made.store.heads()["jbod-01"].failures == 0
    assert ("warning", "jbod-01") in kinds(made, job_id, Kind.WARNING)


def test_a_head_that_stays_off_fails_its_part_at_the_deadline_and_no_other(tmp_path: Path) -> None:
    head = Head(is_off={"jbod-01"})
    made = bench(tmp_path, head, limits=WAITS)
    job_id = create(made, clone("a"), clone("b", "p2"))
    tries = 0
    while state(made, job_id) == "running" or not tries:
        made.run_all()
        head.clock.now_s += 1
        tries += 1
        assert tries < 300
    answer = reply(made, job_id)
    assert (answer["status"], answer["num_completed"]) == ("failed", 1)
    assert answer["errors"][0]["error"] == "no route"
    record = made.store.record(job_id)
    assert record is not None
    assert 3 < record.parts[0].attempt < 12  # ever more seldom


def test_only_one_job_goes_ahead_to_a_head_that_was_off(tmp_path: Path) -> None:
    head = Head(is_off={"jbod-01"})
    made = bench(tmp_path, head, limits=WAITS, heads=lambda: at_one_head(5))
    for name in "abc":
        create(made, clone(name))
    made.run_all()
    assert made.store.heads()["jbod-01"].failures == 1  # all three found it off at once: that is one failure
    head.clock.now_s += 2
    made.worker.admit()
    assert len(made.engine.queued) == 1
    head.is_off.clear()
    made.run_all()
    assert len(head.ran) == 9


def test_a_drained_head_begins_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.store.drain("jbod-01", at=1.0, by="bob", why="new disks")
    job_id = create(made, clone("a"))
    made.run_all()
    assert (state(made, job_id), made.head.ran) == ("queued", [])
    made.store.resume("jbod-01")
    made.run_all()
    assert state(made, job_id) == "complete"


def test_a_head_takes_as_many_jobs_at_once_as_its_inventory_says_and_equal_names_one_by_one(tmp_path: Path) -> None:
    made = bench(tmp_path, heads=lambda: at_one_head(3))
    jobs = [create(made, clone(name)) for name in "abcd"]
    again = delete(made, gone("a"))
    assert [each.split("-", 1)[1][:36] for each in made.engine.queued] == jobs[:3]
    made.engine.run_one()
    made.worker.admit()
    assert [each.split("-", 1)[1][:36] for each in made.engine.queued][-1] == jobs[3]
    made.run_all()
    assert {state(made, job) for job in (*jobs, again)} == {"complete"}


def test_work_goes_to_the_workers_of_its_heads_label(tmp_path: Path) -> None:
    made = bench(tmp_path, heads=lambda: at_one_head(1, "rack1"))
    create(made, clone())
    assert list(made.engine.labels.values()) == ["rack1"]


# ---- cancelling


def cancels_at(made: Bench, job_id: list[str], how: Cancel, module: str) -> None:
    """Ask for the job's end while the task of this module runs; its items come to their end."""

    def before(_host: Host, task: Task) -> None:
        if task.module == module:
            made.jobs.cancel(job_id[0], how, by="bob")

    made.head.before = before


@pytest.mark.parametrize(
    ("how", "module", "undone"),
    [
        (Cancel.KEEP, "zfs_clone", [("p1/nodes/a", "p1/nodes/b")]),  # halves go back, also where all is to be kept
        (Cancel.UNDO, "zfs_clone", [("p1/nodes/a", "p1/nodes/b")]),
        (Cancel.UNDO, "lio_target", [("p1/nodes/a", "p1/nodes/b")] * 3),  # task by task, the last first
    ],
)
def test_a_cancelled_job_ends_between_two_tasks_and_takes_back(
    tmp_path: Path, how: Cancel, module: str, undone: list[tuple[str, ...]]
) -> None:
    made = bench(tmp_path)
    ids: list[str] = []
    cancels_at(made, ids, how, module)
    ids.append(create(made, clone("a"), clone("b")))
    made.run_all()
    assert state(made, ids[0]) == "cancelled"
    assert made.head.undone == undone
    assert [task for _, task, _ in made.head.ran][-1].endswith(module)
    answer = reply(made, ids[0])
    assert (answer["status"], answer["num_completed"]) == ("failed", 0)
    assert "cancelled" in answer["error"]


def test_a_cancel_that_comes_too_late_leaves_what_is_whole(tmp_path: Path) -> None:
    made = bench(tmp_path)
    ids: list[str] = []
    cancels_at(made, ids, Cancel.KEEP, "lio_target")
    ids.append(create(made, clone("a")))
    made.run_all()
    assert (state(made, ids[0]), made.head.undone) == ("complete", [])


def test_a_job_that_has_not_begun_is_cancelled_at_once_and_those_behind_it_go(tmp_path: Path) -> None:
    made = bench(tmp_path, heads=lambda: at_one_head(1))
    first, second, third = create(made, clone("a")), create(made, clone("b")), delete(made, gone("b"))
    made.jobs.cancel(second, Cancel.KEEP, by="bob")
    assert state(made, second) == "cancelled"
    with pytest.raises(JobError, match="over: cancelled"):
        made.jobs.cancel(second, Cancel.KEEP, by="bob")
    made.run_all()
    assert (state(made, first), state(made, third)) == ("complete", "complete")
    assert not any("p1/nodes/b" in keys for _, task, keys in made.head.ran if "clone" in task)


def test_the_head_is_not_the_next_jobs_before_the_cancelled_run_is_over_there(tmp_path: Path) -> None:
    made = bench(tmp_path, heads=lambda: at_one_head(1))
    ids: list[str] = []
    seen: list[tuple[str, int]] = []
    cancels_at(made, ids, Cancel.KEEP, "zfs_clone")
    made.head.asked = lambda run: seen.append((run, len(made.engine.queued)))
    ids.append(create(made, clone("a")))
    behind = create(made, clone("b"))
    made.engine.run_one()
    assert seen == [(ids[0], 0)]
    made.head.before = lambda _host, _task: None
    made.run_all()
    assert state(made, behind) == "complete"


def test_a_cancelled_part_that_another_worker_had_begun_asks_the_head_before_it_is_over(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone("a"))
    # A worker that died in its first task: begun, and never ended.
    dead = made.store.begin(made.engine.queued[0], "dead", worker="dead", at=0.0, at_s=0.0)
    assert dead is not None
    begun = TaskBegun(task_id="01:zfs_clone", module="zfs_clone", items=1, at=0.0, at_s=0.0)
    made.store.keep(dead, "dead", [begun])
    made.jobs.cancel(job_id, Cancel.UNDO, by="bob")
    asked: list[str] = []
    made.head.asked = asked.append
    made.engine.run_one()
    assert asked == [job_id]
    assert (state(made, job_id), made.head.ran) == ("cancelled", [])


# ---- repeat and retry


def test_a_retry_does_only_what_failed_and_keeps_the_first_record(tmp_path: Path) -> None:
    made = bench(tmp_path, Head(fails={("lio_target", "p1/nodes/b"): "it is in use"}))
    first = create(made, clone("a"), clone("b"))
    made.run_all()
    made.head.fails.clear()
    kind, request = made.jobs.failed_request(first)
    assert (kind, [each["dst"] for each in request["clones"]]) == ("create", ["p1/nodes/b"])
    second = create(made, *request["clones"], again=Again(how="retry", job_id=first))
    made.run_all()
    assert (state(made, first), state(made, second)) == ("failed", "complete")
    record = made.store.record(second)
    assert record is not None
    assert (record.job.again, record.job.of_job) == ("retry", first)
    with pytest.raises(JobError, match="nothing of job"):
        made.jobs.failed_request(second)


# ---- a worker that is not the part's any more


def test_what_a_stale_worker_says_is_refused_and_it_stops(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone("a"))
    workflow_id = made.engine.queued[0]

    def taken_over(_host: Host, task: Task) -> None:
        if task.module == "wait_for_device":
            made.store.begin(workflow_id, "another's", worker="other", at=0.0, at_s=0.0)

    made.head.before = taken_over
    with pytest.raises(LeaveError):
        made.engine.run_one()
    record = made.store.record(job_id)
    assert record is not None
    assert record.parts[0].state is State.RUNNING
    assert [task for _, task, _ in made.head.ran] == ["01:zfs_clone", "02:wait_for_device"]


def test_a_store_that_does_not_answer_stops_no_task_and_all_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone("a"))
    keep, end = made.store.keep, made.store.end
    tries = []

    def down(*_args: Any, **_more: Any) -> None:
        tries.append(len(made.head.ran))
        if len(tries) > 8:
            monkeypatch.setattr(made.store, "keep", keep)
        raise StoreError("it restarts")

    monkeypatch.setattr(made.store, "keep", down)
    made.run_all()
    assert 3 in tries  # the last task ran while nothing could be written
    assert reply(made, job_id)["status"] == "complete"
    assert end is not None


def test_an_agent_that_dies_at_the_same_thing_each_time_fails_its_part(tmp_path: Path) -> None:
    head = Head(dies={"zfs_clone"})
    made = bench(tmp_path, head, limits=WAITS, bounds=Bounds(agents=3))
    job_id = create(made, clone("a"))
    for _ in range(5):
        made.run_all()
        head.clock.now_s += 2
    assert state(made, job_id) == "failed"
    record = made.store.record(job_id)
    assert record is not None
    assert record.parts[0].attempt == 3


# ---- events


def test_the_events_of_a_job_tell_its_life_in_order(tmp_path: Path) -> None:
    made = bench(tmp_path)
    job_id = create(made, clone("a"))
    made.run_all()
    events = made.store.events(job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [str(event.kind) for event in events] == [
        "queued",
        "started",
        *["task", "item", "task"] * 3,
        "ended",
        "ended",
    ]
    assert made.store.events(job_id, after=10) == events[10:]


def test_clients_take_turns_on_a_head_and_a_higher_priority_goes_first(tmp_path: Path) -> None:
    limits = Limits(priorities={"chief": 10})
    made = bench(tmp_path, heads=lambda: at_one_head(1), limits=limits)
    jobs = {}
    for name, client in (("a1", "alice"), ("a2", "alice"), ("a3", "alice"), ("b1", "bob"), ("c1", "chief")):
        jobs[create(made, clone(name), client=f"CN={client} sha256:00")] = name
    made.run_all()
    order = [keys[0].removeprefix("p1/nodes/") for _, task, keys in made.head.ran if task == "01:zfs_clone"]
    assert order == ["a1", "c1", "b1", "a2", "a3"]


def test_a_worker_removes_jobs_that_are_over_as_its_settings_say(tmp_path: Path) -> None:
    made = bench(tmp_path, pacing=Pacing(forget_s=0, keep_days=2, keep_jobs=3))
    jobs = [create(made, clone(f"n{number}")) for number in range(4)]
    made.run_all()
    waits = create(made, clone("late"))
    made.worker.sweep()
    assert [job.id for job in made.store.jobs(Filter())] == [waits, *reversed(jobs[1:])]
    made.head.clock.now_s += 2 * 86400 + 60
    made.worker.sweep()
    assert [job.id for job in made.store.jobs(Filter())] == [waits]
    made.run_all()
    assert state(made, waits) == "complete"
