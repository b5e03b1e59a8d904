"""The store: what is accepted stays, in order, and what came of it can be read back."""

from __future__ import annotations

import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.errors import JobError, SettingsError
from lunops.model import Item, ItemResult, Status, Task
from lunops.store import Store
from lunops.store_rows import NewItem, NewJob, NewPart, State

TASK = Task(id="01:zfs_clone", name="Clone", module="zfs_clone", items=(Item(key="p1/a", args={"src": "p1/g@1"}),))
JOB = NewJob(
    id="j1",
    kind="create",
    request={"clones": [{"dst": "p1/a"}]},
    client="CN=alice",
    items=(NewItem(head="h1", key="p1/a", wwn="iqn.2024-01.org.example:a"),),
    parts=(NewPart(head="h1", tasks=(TASK,)),),
)


def accept(store: Store, new: NewJob = JOB) -> dict[str, str]:
    return store.accept(new, accepted_at=1.7e9, accepted_s=10.0)


def test_an_accepted_job_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    work = accept(store)
    store.close()
    store = Store(tmp_path / "s.db")
    found = store.work(work["h1"])
    assert found is not None
    assert (found.job_id, found.head, found.tasks) == ("j1", "h1", (TASK,))
    assert store.request("j1") == ("create", JOB.request)
    record = store.record("j1")
    assert record is not None
    assert (record.job.state, record.job.client, record.job.accepted_s) == (State.QUEUED, "CN=alice", 10.0)
    assert [(task.module, task.items) for task in record.tasks] == [("zfs_clone", 1)]
    store.close()


def test_work_ids_sort_as_the_jobs_were_accepted(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    ids = [accept(store, replace(JOB, id=name))["h1"] for name in ("zz", "mm", "aa")]
    assert ids == sorted(ids)
    assert [row[0] for row in store.unfinished()] == ids
    store.close()


def test_a_job_that_cannot_be_kept_as_a_whole_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    twice = replace(JOB, parts=(*JOB.parts, *JOB.parts))
    with pytest.raises(sqlite3.IntegrityError):
        accept(store, twice)
    assert store.record("j1") is None
    accept(store)  # and the file is not left in the middle of a transaction
    store.close()


def test_nothing_is_known_of_an_unknown_job(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    assert store.record("nope") is None
    assert store.request("nope") is None
    assert store.work("nope") is None
    store.close()


def test_a_target_that_is_at_work_on_another_head_is_refused_until_that_is_over(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    accept(store)
    elsewhere = replace(
        JOB,
        id="j2",
        items=(replace(JOB.items[0], head="h2", key="p2/a"),),
        parts=(NewPart(head="h2", tasks=(TASK,)),),
    )
    with pytest.raises(JobError, match=r"at work on another head, h1 \(job j1\)"):
        accept(store, elsewhere)
    store.part_ended("j1", "h1", State.COMPLETE, 11.0)
    accept(store, elsewhere)
    accept(store, replace(elsewhere, id="j3"))  # on the same head it waits its turn instead
    store.close()


def test_a_job_is_over_with_its_last_part_and_failed_if_any_part_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    accept(store, replace(JOB, parts=(*JOB.parts, NewPart(head="h2", tasks=(TASK,)))))
    store.part_started("j1", "h1", 11.0)
    store.part_started("j1", "h2", 12.0)
    store.part_ended("j1", "h1", State.FAILED, 13.0, error="off", fix="on")
    record = store.record("j1")
    assert record is not None
    assert (record.job.state, record.job.started_s, record.job.ended_s) == (State.RUNNING, 11.0, None)
    store.part_ended("j1", "h2", State.COMPLETE, 14.0)
    store.part_ended("j1", "h2", State.FAILED, 15.0, error="too late")
    record = store.record("j1")
    assert record is not None
    assert (record.job.state, record.job.ended_s) == (State.FAILED, 14.0)
    assert [(part.state, part.error, part.fix) for part in record.parts] == [
        (State.FAILED, "off", "on"),
        (State.COMPLETE, "", ""),
    ]
    assert store.unfinished() == []
    assert store.work(record.parts[0].workflow_id) is None
    store.close()


def test_a_task_that_is_begun_again_is_another_run_and_its_items_are_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    work = accept(store)["h1"]
    bad = ItemResult(key="p1/a", status=Status.FAILED, error="cut", fix="again")
    store.task_started("j1", "h1", TASK.id, TASK.module, 11.0)
    store.items_ended("j1", "h1", TASK.id, TASK.module, [bad], 11.5)
    assert store.runs_cut_off(work) == 1
    store.task_started("j1", "h1", TASK.id, TASK.module, 20.0)
    assert store.runs_cut_off(work) == 2
    store.items_ended("j1", "h1", TASK.id, TASK.module, [replace(bad, status=Status.OK, error="")], 20.5)
    store.task_ended("j1", "h1", TASK.id, 21.0)
    assert store.runs_cut_off(work) == 1
    record = store.record("j1")
    assert record is not None
    assert [(run.run, run.started_s, run.last_s, run.ended_s) for run in record.runs] == [
        (1, 11.0, 11.5, None),
        (2, 20.0, 21.0, 21.0),
    ]
    assert [(each.key, each.status) for each in record.outcomes] == [("p1/a", Status.OK)]
    store.close()


def test_many_threads_and_two_openings_of_the_file_lose_nothing(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "s.db"), Store(tmp_path / "s.db")]
    numbers = range(60)

    def some(part: int) -> None:
        for number in numbers[part::6]:
            accept(stores[number % 2], replace(JOB, id=f"j{number:03}"))

    threads = [threading.Thread(target=some, args=(part,)) for part in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ids = [row[0].split("-")[1] for row in stores[0].unfinished()]
    assert sorted(ids) == [f"j{number:03}" for number in numbers]
    for store in stores:
        store.close()


def test_the_file_is_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db")
    accept(store)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    store.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SettingsError, match="a newer lunops wrote it"):
        Store(tmp_path / "s.db")


@pytest.mark.parametrize("content", [b"this is no database at all, and long enough to look at" * 20, None])
def test_what_is_no_store_is_refused_with_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "s.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"s\.db"):
        Store(path)
