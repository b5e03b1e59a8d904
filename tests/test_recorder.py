"""What a part's run has to say is written once, in its order, however often the store cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from lunops.jobs.outside import SteadyClock
from lunops.jobs.recorder import Recorder
from lunops.model import ItemResult, Status, Task, TaskResult
from lunops.store import Store, Work
from lunops.store.rows import Kind
from tests.store_support import TASK, accept, admit, begin, end, new_job

_TASK = Task(id=TASK, name="Make the clones", module="zfs_clone", items=())


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = Store(store_url)
    yield made
    made.close()


def recorder(store: Store, on_stale: Callable[[], None] = lambda: None) -> tuple[Recorder, Work]:
    accept(store, new_job("a", "p/1"))
    admit(store)
    work = begin(store, "a")
    return Recorder(store, work, "w:1", SteadyClock(), on_stale), work


def item(key: str) -> ItemResult:
    return ItemResult(key=key, status=Status.CHANGED, changes=("zfs clone",), seconds=0.5)


def result(*keys: str) -> TaskResult:
    items = tuple(item(key) for key in keys)
    return TaskResult(head="h1", task_id=TASK, name="x", module="zfs_clone", status=Status.CHANGED, items=items)


def told(store: Store) -> list[str]:
    """Return what the events say, of those that a run makes."""
    return [
        event.key or str(event.data.get("status", "begun"))
        for event in store.events("a")
        if event.kind in (Kind.ITEM, Kind.TASK)
    ]


def lose_answers(store: Store, number: int) -> None:
    """Let so many transactions be committed while their client is told that the connection is gone."""
    left = number

    def commit(connection: sa.Connection) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            there: Any = connection.connection.dbapi_connection
            there.execute("COMMIT")
            if store.database.is_sqlite:
                there.execute("BEGIN")  # for the rollback that follows
            raise sa.exc.OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    sa.event.listen(store.database.engine, "commit", commit)


@pytest.mark.parametrize("lost", [1, 3])
def test_notes_whose_writing_was_not_confirmed_are_not_written_twice(store: Store, lost: int) -> None:
    made, work = recorder(store)
    lose_answers(store, lost)
    made.begin(TASK, "zfs_clone", 2)
    made.item_ended("h1", _TASK, item("p/1"))
    assert made.flush() is (lost == 1)
    made.item_ended("h1", _TASK, item("p/2"))
    made.end(TASK, result("p/1", "p/2"))
    assert made.flush()
    end(store, work)
    assert told(store) == ["begun", "p/1", "p/2", "changed"]
    record = store.record("a")
    assert record is not None
    assert [run.run for run in record.runs] == [1]
    assert store.check() == []


def test_what_another_run_of_the_part_wrote_does_not_count(store: Store) -> None:
    first, _ = recorder(store)
    first.begin(TASK, "zfs_clone", 1)
    first.item_ended("h1", _TASK, item("p/1"))
    assert first.flush()
    second = Recorder(store, begin(store, "a", "second"), "w:2", SteadyClock(), lambda: None)
    second.begin(TASK, "zfs_clone", 1)
    second.end(TASK, result("p/1"))
    assert told(store) == ["begun", "p/1", "begun", "changed"]
    record = store.record("a")
    assert record is not None
    assert [(run.run, run.worker) for run in record.runs] == [(1, "w:1"), (2, "w:2")]


def test_the_end_of_a_task_is_flushed_to_disk_and_an_item_is_not(store: Store) -> None:
    """SQLite syncs its log where synchronous is FULL; PostgreSQL where synchronous_commit is not off."""
    how: list[str] = []

    def statement(_connection: object, _cursor: object, text: str, *_more: object) -> None:
        if "synchronous" in text:
            how.append(text.rpartition("=")[2].strip())

    made, _ = recorder(store)
    sa.event.listen(store.database.engine, "before_cursor_execute", statement)
    made.item_ended("h1", _TASK, item("p/1"))
    made.flush()
    assert how == (["NORMAL"] if store.database.is_sqlite else ["off"])
    how.clear()
    made.end(TASK, result("p/1"))
    assert how == (["FULL"] if store.database.is_sqlite else [])


def test_a_stale_run_is_told_so_once_and_keeps_nothing_to_write(store: Store) -> None:
    stale: list[str] = []
    made, _ = recorder(store, lambda: stale.append("stale"))
    begin(store, "a", "second")
    for _ in range(2):
        made.item_ended("h1", _TASK, item("p/1"))
        assert made.flush()
    assert (stale, made.is_stale, told(store)) == (["stale"], True, [])
