"""How long the store is does not matter to its queries: none of them reads a whole table of the history."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from lunops.store import Filter, Store
from lunops.store.rows import Cancel, State
from tests.bench_store import fill, job_id
from tests.store_support import accept, admit, begin, begun, end, ended, item, new_job, workflow_of

_HISTORY = ("jobs", "parts", "items", "tasks", "runs", "outcomes", "events")


@pytest.fixture(scope="module", params=["without statistics", "with statistics"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("plans") / "lunops.db")
    fill(made, 300)
    if request.param == "with statistics":
        with made.database.write() as connection:
            connection.exec_driver_sql("ANALYZE")
    yield made
    made.close()


@contextmanager
def scans(store: Store, *, is_list: bool = False) -> Iterator[list[str]]:
    """Gather, of the statements of the block, the steps of SQLite's plans that read a whole table.

    `parts_head` holds all that a head has ever done, and is for lists only.
    """
    found: list[str] = []

    def look(connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if more[-1] else parameters)
            for row in raw.fetchall():
                table = re.match(r"SCAN (\w+)", row[3])
                # An index of what is unfinished may be read whole; any other holds all of the history.
                is_whole = table and table[1] in _HISTORY and not re.search("_(unfinished|admitted)", row[3])
                if is_whole or ("parts_head" in row[3] and not is_list):
                    found.append(f"{row[3]}: {statement[:200]}")

    sa.event.listen(store.database.engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        sa.event.remove(store.database.engine, "before_cursor_execute", look)


def test_the_look_finds_a_scan_also_of_a_whole_index(store: Store) -> None:
    with scans(store) as found, store.database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM jobs WHERE request = 'x'").all()
        connection.exec_driver_sql("SELECT id FROM jobs WHERE id LIKE 'x%'").all()
    assert len(found) == 2


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(most=10),
        Filter(client="CN=client7", most=10),
        Filter(states=(State.FAILED,), most=10),
        Filter(states=(State.QUEUED, State.RUNNING)),
        Filter(states=(State.COMPLETE, State.FAILED), most=10),
        Filter(client="CN=client7", states=(State.CANCELLED,)),
        Filter(since_at=1e6 + 290),
        Filter(head="h7", most=10),
        Filter(before=100, most=10),
    ],
    ids=str,
)
def test_lists_are_read_along_an_index(store: Store, wanted: Filter) -> None:
    with scans(store, is_list=True) as found:
        store.jobs(wanted)
    # The latest of all need no index: they are the end of the table itself.
    assert found == [] or wanted == Filter(most=10), found


def test_a_job_is_found_by_the_beginning_of_its_id_along_an_index(store: Store) -> None:
    with scans(store) as found:
        assert store.ids_like(job_id(7)[:8]) == [job_id(7)]
    assert found == []


def test_nothing_in_the_life_of_a_job_reads_a_whole_table(store: Store) -> None:
    with scans(store) as found:
        accept(store, new_job("a", "q/1", "q/2", shared=["q/golden"]), new_job("b", "q/1"), new_job("c", "q/2"))
        store.accept(new_job("d", "q/9"), accepted_at=1.0, accepted_s=1.0, most=100, most_of_client=50)
        admit(store)
        store.unfinished()
        store.enqueued(workflow_of(store, "a"))
        work = begin(store, "a")
        store.keep(work, "w", [begun(), item("q/1"), ended("q/1")])
        store.events("a", after=2)
        store.cancels(["a"])
        store.put_back(work, at=1.0, why="x", fix="", again_at=1.0)
        admit(store)
        end(store, begin(store, "a"))
        store.cancel("c", Cancel.KEEP, by="x", at=1.0, at_s=1.0)
        store.record("a")
        store.request("a")
    assert found == [], "\n".join(found)


def test_removing_old_jobs_reads_only_what_is_to_go(store: Store) -> None:
    with scans(store) as found:
        assert store.remove_some(before_at=0.0, keep_jobs=0) == 0
    assert found == [], "\n".join(found)
