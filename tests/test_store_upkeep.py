"""A store is checked, freed of what is old, written out and read in: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import json
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from lunops.errors import InputError, StoreError
from lunops.store import Filter, Store
from lunops.store.migrate import is_there
from lunops.store.rows import Cancel, Kind, State
from tests.store_support import accept, admit, begin, begun, end, ended, item, new_job, state, workflow_of
from tests.support.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Give the URLs of stores that are not there yet."""
    numbers = itertools.count()
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path}/s{next(numbers)}.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        yield lambda: server.create_database(f"upkeep{next(numbers)}")


@pytest.fixture
def store(place: Callable[[], str]) -> Iterator[Store]:
    made = Store(place())
    yield made
    made.close()


def whole(store: Store, *names: str) -> None:
    """Let a job of each name go from acceptance to its end."""
    for name in names:
        accept(store, new_job(name, f"p/{name}"))
        admit(store)
        work = begin(store, name)
        store.keep(work, "w", [begun(), item(f"p/{name}"), ended(f"p/{name}")])
        end(store, work)


def spoil(store: Store, *statements: str) -> None:
    with store.database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def names(store: Store) -> list[str]:
    return [job.id for job in store.jobs(Filter())]


# ---- check


def test_a_store_in_the_middle_of_everything_is_well(store: Store) -> None:
    whole(store, "a")
    accept(store, new_job("b", "p/1"), new_job("c", "p/1"), new_job("d", "p/2"))
    admit(store)
    store.keep(begin(store, "b"), "w", [begun()])
    store.cancel("d", Cancel.UNDO, by="bob", at=1.0, at_s=1.0)
    assert store.check() == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE parts SET state = 'queued' WHERE job_id = 'a'", "a job is over while a part of it is not: job a"),
        ("UPDATE parts SET state = 'complete' WHERE job_id = 'b'", "all parts of a job are over and the job is not"),
        ("UPDATE parts SET state = 'failed' WHERE job_id = 'a'", "a job did not end as its parts did: job a"),
        ("UPDATE jobs SET ended_s = NULL WHERE id = 'a'", "a job that is over has no end, or one that is not has one"),
        ("INSERT INTO claims VALUES ('h1', 'p/a', 'a', true)", "a part that is over still claims a name: job a"),
        ("INSERT INTO kept VALUES ('a', 'h1', 'token', 3)", "a part that is over still counts its notes: job a"),
        ("INSERT INTO waits VALUES ('c', 'h1', 'a')", "a part waits, or is waited for, that is over: job c"),
        ("INSERT INTO waits VALUES ('c', 'h1', 'x')", "a part waits for what is not there: job c"),
        ("UPDATE parts SET state = 'running' WHERE job_id = 'c'", "a running part was never let through the gate"),
        ("UPDATE runs SET ended_s = NULL WHERE job_id = 'a'", "the last run of one of its tasks has no end: job a"),
        ("DELETE FROM events WHERE job_id = 'a' AND number = 2", "the events of a job are not numbered 1, 2, 3 …"),
        ("UPDATE events SET number = 0 WHERE job_id = 'a' AND number = 1", "the events of a job are not numbered"),
        ("UPDATE jobs SET events = events + 1 WHERE id = 'a'", "the events of a job are not numbered 1, 2, 3 …: job a"),
        ("DELETE FROM items WHERE job_id = 'a'", "a job has no parts, or no items: job a"),
    ],
)
def test_what_no_transaction_leaves_behind_is_found(store: Store, statement: str, what: str) -> None:
    whole(store, "a")
    accept(store, new_job("b", "p/1"), new_job("c", "p/1"))
    admit(store)
    begin(store, "b")
    assert store.check() == []
    spoil(store, statement)
    found = [each for each in store.check() if what in each.what]
    assert len(found) == 1
    assert found[0].fix
    assert "{" not in found[0].fix  # the job and the table stand in it


def test_a_run_that_was_cut_off_and_came_to_its_end_later_is_no_fault(store: Store) -> None:
    accept(store, new_job("a", "p/1"))
    admit(store)
    store.keep(begin(store, "a", "first"), "w", [begun()])
    work = begin(store, "a", "second")
    store.keep(work, "w", [begun(), item("p/1"), ended("p/1")])
    end(store, work)
    assert store.check() == []


def test_a_file_that_is_damaged_is_told_and_so_is_a_row_that_belongs_to_nothing(tmp_path: Path) -> None:
    file = tmp_path / "lunops.db"
    store = Store(file)
    whole(store, *(f"j{number}" for number in range(40)))
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO tasks VALUES ('nobody', 'h1', 't', 0, 'zfs_clone', 1)")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    store = Store(file)
    (orphan,) = store.check()
    assert "a row of tasks belongs to nothing in jobs" in orphan.what
    store.close()
    with file.open("r+b") as raw:
        raw.seek((root - 1) * size)
        raw.write(b"\xff" * size)
    store = Store(file)
    found = store.check()
    assert found
    assert all("the file is damaged" in each.what and "backup" in each.fix for each in found)
    with pytest.raises(StoreError, match="the store is damaged"):
        store.events("j1")
    store.close()


# ---- retention


def test_what_ended_before_a_time_goes_with_all_that_is_known_of_it(store: Store) -> None:
    whole(store, "a", "b", "c")
    spoil(store, "UPDATE jobs SET ended_at = 1000 WHERE id = 'a'", "UPDATE jobs SET ended_at = 2000 WHERE id = 'b'")
    spoil(store, "UPDATE jobs SET ended_at = 3000 WHERE id = 'c'")
    assert store.remove_old(before_at=None, keep_jobs=0) == 0
    assert store.remove_old(before_at=2500.0, keep_jobs=0) == 2
    assert names(store) == ["c"]
    assert store.events("a") == []
    lines = [json.loads(line) for line in store.export()]
    assert {each["row"]["job_id"] for each in lines if "job_id" in each.get("row", {})} == {"c"}
    assert store.check() == []


def test_the_latest_are_kept_by_number_and_what_is_not_over_neither_counts_nor_goes(store: Store) -> None:
    accept(store, new_job("old", "p/1"))
    whole(store, "a", "b", "c")
    accept(store, new_job("new", "p/2"))
    assert store.remove_old(before_at=None, keep_jobs=2) == 1
    assert names(store) == ["new", "c", "b", "old"]
    assert store.remove_old(before_at=1e12, keep_jobs=2) == 2
    assert names(store) == ["new", "old"]


def test_many_go_in_several_transactions(store: Store) -> None:
    whole(store, "a")
    line = [json.loads(each) for each in store.export()]
    (job,) = [each["row"] for each in line if each.get("table") == "jobs"]
    with store.database.write() as connection:
        from lunops.store.tables import jobs

        rows = [{**job, "id": f"n{number}", "place": 100 + number} for number in range(1200)]
        connection.execute(sa.insert(jobs), rows)
    some = [store.remove_some(before_at=1e12, keep_jobs=0) for _ in range(4)]
    assert some == [500, 500, 201, 0]
    store.vacuum()
    assert store.size_bytes() > 0
    assert names(store) == []


# ---- export and import


def full(store: Store) -> None:
    """Put something into every table."""
    whole(store, "a", "b")
    accept(store, new_job("c", "p/1", shared=("p/image",), client="CN=Ütze\\😀"), new_job("d", "p/1"))
    admit(store)
    store.keep(begin(store, "c"), "w", [begun()])
    store.drain("h1", at=1.5, by="bob", why="new disks")


def test_what_was_written_out_is_the_same_when_it_is_read_in_and_written_again(
    store: Store, place: Callable[[], str], tmp_path: Path
) -> None:
    full(store)
    lines = list(store.export())
    assert json.loads(lines[0]) == {"lunops_store": 2}
    assert json.loads(lines[-1]) == {"end": len(lines) - 2}
    tables = {json.loads(line)["table"] for line in lines[1:-1]}
    assert tables == {
        "jobs",
        "parts",
        "items",
        "tasks",
        "runs",
        "outcomes",
        "events",
        "claims",
        "waits",
        "heads",
        "turns",
    }
    spoil(store, "UPDATE parts SET state = 'complete'", "UPDATE jobs SET state = 'complete'")
    lines = list(store.export())
    for url in (place(), f"sqlite:///{tmp_path}/file.db"):  # from PostgreSQL to SQLite, too
        other = Store(url)
        counts = other.import_lines(iter(lines), unfinished="", at=1.0, at_s=1.0)
        assert counts["jobs"] == 4
        assert list(other.export()) == lines
        accept(other, new_job("next", "p/9"))  # the number of the next job is free
        assert names(other)[0] == "next"
        with pytest.raises(InputError, match="the store is not empty: there are"):
            other.import_lines(iter(lines), unfinished="", at=1.0, at_s=1.0)
        other.close()


def test_an_export_is_of_one_moment_and_few_of_its_lines_are_in_memory(store: Store) -> None:
    whole(store, "a")
    (job,) = [json.loads(line)["row"] for line in store.export() if '"table": "jobs"' in line]
    from lunops.store.tables import events

    with store.database.write() as connection:
        rows = [
            {"job_id": "a", "number": number, "at": 1.0, "kind": "item", "head": "h", "task_id": "t", "key": "k"}
            | {"data": json.dumps({"error": "x" * 300})}
            for number in range(job["events"] + 1, 20_000)
        ]
        connection.execute(sa.insert(events), rows)
        connection.exec_driver_sql("UPDATE jobs SET events = 19999")
    del rows
    tracemalloc.start()
    size = 0
    for number, line in enumerate(store.export()):
        size += len(line)
        if number == 1:
            accept(store, new_job("late", "p/2"))  # the service goes on meanwhile
        assert '"late"' not in line
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 8_000_000
    assert most < size / 4
    assert names(store) == ["late", "a"]


def torn(lines: list[str]) -> list[str]:
    return lines[:-3]  # at the end of a line: each of those that are left is whole


def other_version(lines: list[str]) -> list[str]:
    return ['{"lunops_store": 3}', *lines[1:]]


def headless(lines: list[str]) -> list[str]:
    return lines[1:]


def twice(lines: list[str]) -> list[str]:
    return [*lines, *lines]


def doubled(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[1], json.dumps({"end": len(lines) - 1})]


def orphan(lines: list[str]) -> list[str]:
    left = [line for line in lines[:-1] if '"table": "jobs"' not in line]
    return [*left, json.dumps({"end": len(left) - 1})]


def no_line_of_ours(lines: list[str]) -> list[str]:
    return [*lines[:3], '["table"]', *lines[3:]]


def column(**values: object) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        changed = json.loads(lines[1])
        changed["row"] |= values
        return [lines[0], json.dumps(changed), *lines[2:]]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (torn, "the end is missing"),
        (lambda _lines: [], "the end is missing"),
        (other_version, "it is of version 3, not 2"),
        (headless, "this is not what `lunops store export` writes"),
        (twice, "this is not what"),
        (no_line_of_ours, "this is not what"),
        (doubled, "a row does not fit"),
        (orphan, "a row does not fit"),
        (column(failures="none"), "'none' is no failures of heads"),
        (column(failures=True), "True is no failures of heads"),
        (column(why=None), "None is no why of heads"),
        (column(failures=2**70), "a row does not fit"),
        (column(more=1), "this is not what"),
    ],
)
def test_a_file_that_is_not_whole_and_unchanged_is_refused_and_nothing_is_read(
    store: Store, place: Callable[[], str], change: Callable[[list[str]], list[str]], said: str
) -> None:
    whole(store, "a")
    store.drain("h1", at=1.5, by="bob")
    lines = sorted(store.export(), key=lambda line: '"heads"' in line)  # for `column`: heads are the first rows
    lines = [lines[0], lines[-1], *lines[1:-2], lines[-2]]
    other = Store(place())
    with pytest.raises(InputError, match=said) as caught:
        other.import_lines(iter(change(lines)), unfinished="", at=1.0, at_s=1.0)
    assert caught.value.where
    assert caught.value.fix
    assert len(list(other.export())) == 2
    other.import_lines(iter(lines), unfinished="", at=1.0, at_s=1.0)
    assert names(other) == ["a"]
    other.close()


def test_what_is_not_over_is_run_or_failed_as_one_says_and_an_error_without(
    store: Store, place: Callable[[], str]
) -> None:
    full(store)
    lines = list(store.export())
    other = Store(place())
    with pytest.raises(InputError, match="2 jobs are not over"):
        other.import_lines(iter(lines), unfinished="", at=1.0, at_s=1.0)
    other.import_lines(iter(lines), unfinished="fail", at=2.0, at_s=3.0)
    assert [state(other, each) for each in "abcd"] == ["complete", "complete", "failed", "failed"]
    assert other.check() == []
    other.close()
    other = Store(place())
    other.import_lines(iter(lines), unfinished="run", at=2.0, at_s=3.0)
    assert other.check() == []
    record = other.record("c")
    assert record is not None
    assert (record.parts[0].state, record.parts[0].attempt) == (State.QUEUED, 2)  # it may have made something
    assert workflow_of(other, "c") != workflow_of(store, "c")  # an engine that knows the first begins this one
    assert [event.kind for event in other.events("c")][-1] is Kind.WARNING
    other.resume("h1")
    assert admit(other) == ["c"]  # and `d` waits for it
    end(other, begin(other, "c"))
    assert admit(other) == ["d"]
    other.close()


def test_a_store_is_there_once_it_was_made(place: Callable[[], str]) -> None:
    url = place()
    assert not is_there(url)
    assert not is_there(url)  # and asking made none
    Store(url).close()
    assert is_there(url)


def test_an_empty_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "lunops.db").touch()
    assert not is_there(f"sqlite:///{tmp_path}/lunops.db")
    assert (tmp_path / "lunops.db").stat().st_size == 0
