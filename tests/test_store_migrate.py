"""A store of the first version becomes one of the present, whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from lunops.errors import JobError, SettingsError
from lunops.model import Item, Task
from lunops.store import Store
from lunops.store.accepting import TASKS
from lunops.store.rows import Claim, State
from lunops.store.tables import VERSION, metadata
from tests.store_support import admit, job_of, new_job, state
from tests.support.postgres import Postgres

_SCHEMA = Path(__file__).parent / "recorded" / "store_1.sql"
_TASK = Task(id="01:zfs_clone", name="Make the clones", module="zfs_clone", items=(Item(key="p/1", args={}),))


def old_store(file: Path) -> None:
    """Make a store of version 1: a job that is over, one that runs, and two that wait on the same head."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(_SCHEMA.read_text())
        rows = (("done", "complete", 1), ("runs", "running", 1), ("waits", "queued", 1), ("lost", "queued", 0))
        for place, (name, is_now, enqueued) in enumerate(rows, 1):
            over = 50.0 if is_now == "complete" else None
            connection.execute(
                "INSERT INTO jobs VALUES (?, ?, 'create', ?, 'CN=alice', ?, 1, 1000, 10, 20, ?)",
                (place, name, json.dumps({"clones": [name]}), is_now, over),
            )
            connection.execute(
                "INSERT INTO parts VALUES (?, 'h1', ?, ?, ?, ?, '', '')",
                (name, f"{place:012d}-{name}-h1", TASKS.dump_json((_TASK,)).decode(), is_now, enqueued),
            )
            connection.execute("INSERT INTO items VALUES (?, 0, 'h1', ?, ?, 0)", (name, f"p/{name}", f"iqn:{name}"))
            connection.execute("INSERT INTO tasks VALUES (?, 'h1', '01:zfs_clone', 0, 'zfs_clone', 1)", (name,))
        connection.execute("INSERT INTO runs VALUES ('done', 'h1', '01:zfs_clone', 'zfs_clone', 1, 20, 30, 30)")
        connection.execute(
            "INSERT INTO outcomes VALUES"
            " ('done', 'h1', '01:zfs_clone', 'zfs_clone', 'p/done', 'changed', '[]', '', '', '[]', 0.5)"
        )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def test_what_was_kept_can_be_read_and_what_was_unfinished_goes_on_in_its_order(tmp_path: Path) -> None:
    old_store(tmp_path / "a.db")
    store = Store(tmp_path / "a.db")
    record = store.record("done")
    assert record is not None
    assert (record.job.state, record.job.ended_at) == (State.COMPLETE, 1040)
    assert (len(record.runs), len(record.outcomes)) == (1, 1)
    assert store.request("done") == ("create", {"clones": ["done"]})
    order = []
    for _ in range(3):
        (job,) = admit(store)  # one after the other, as that version did
        order.append(job)
        (each,) = store.unfinished()
        assert each.workflow_id.endswith(".2")  # the engine does not take it for what it was
        work = store.begin(each.workflow_id, "token", worker="w", at=1.0, at_s=1.0)
        assert work is not None
        assert work.tasks == (_TASK,)
        store.end(work, State.COMPLETE, at=2.0, at_s=2.0)
    assert order == ["runs", "waits", "lost"]
    store.accept(new_job("next", "p/9"), accepted_at=1.0, accepted_s=1.0)
    assert admit(store) == ["next"]
    assert job_of(store.unfinished()[0].workflow_id) == "next"
    assert state(store, "next") == "queued"
    store.close()


def shape(file: Path) -> dict[str, object]:
    """Return the tables, columns, keys and indexes of a store."""
    engine = sa.create_engine(f"sqlite:///{file}")
    look = sa.inspect(engine)
    found: dict[str, object] = {}
    for table in sorted(look.get_table_names()):
        columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)]
        indexes = sorted((i["name"] or "", tuple(i["column_names"])) for i in look.get_indexes(table))
        keys = [(tuple(k["constrained_columns"]), k["referred_table"]) for k in look.get_foreign_keys(table)]
        found[table] = (columns, look.get_pk_constraint(table)["constrained_columns"], indexes, keys)
    engine.dispose()
    return found


def test_it_is_then_as_a_new_one(tmp_path: Path) -> None:
    old_store(tmp_path / "old.db")
    for name in ("old.db", "new.db"):
        Store(tmp_path / name).close()
    assert set(shape(tmp_path / "new.db")) - {"sqlite_sequence"} == set(metadata.tables)
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


def test_a_store_of_a_newer_version_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    with store.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE schema_version SET version = {VERSION + 1}")
    store.close()
    before = shape(tmp_path / "a.db")
    with pytest.raises(SettingsError, match="a newer lunops wrote it"):
        Store(tmp_path / "a.db")
    assert shape(tmp_path / "a.db") == before


def _open(where: str) -> None:
    Store(where).close()


@pytest.mark.parametrize("kind", ["old file", "new file", "new database"])
def test_several_processes_may_open_it_for_the_first_time_at_once(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    where = f"sqlite:///{tmp_path}/a.db"
    if kind == "old file":
        old_store(tmp_path / "a.db")
    if kind == "new database":
        server: Postgres = request.getfixturevalue("postgres")
        where = server.create_database("new")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open, args=(where,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with closing(Store(where)) as store:
        assert store.check() == []


_CUT = """
import os, signal, sys
import sqlalchemy as sa
from lunops.store.database import Database
from lunops.store.migrate import migrate

database = Database(sys.argv[1])
left = int(sys.argv[2])

def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def statement(connection, cursor, text, *more):
    if text.lstrip().split()[0] not in ("SELECT", "PRAGMA", "BEGIN"):
        count()

sa.event.listen(database.engine, "before_cursor_execute", statement)
sa.event.listen(database.engine, "commit", count)
migrate(database)
database.close()
print(int(sys.argv[2]) - left)
"""


def cut(file: Path, at: int) -> subprocess.CompletedProcess[str]:
    """Change the store in another process, which is killed before this write; 0: in none."""
    words = [sys.executable, "-c", _CUT, f"sqlite:///{file}", str(at)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_a_process_that_is_killed_in_the_middle_of_the_change_leaves_the_old_version_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    old_store(file)
    before = shape(file)
    old_store(tmp_path / "whole.db")
    done = cut(tmp_path / "whole.db", 0)
    assert done.stderr == ""
    writes = int(done.stdout)
    assert writes > 50
    # The first, one in the middle, and the last ones: the end of the old tables, and the commit.
    for at in (1, writes // 2, writes - 1, writes):
        assert cut(file, at).returncode == -signal.SIGKILL, at
        assert shape(file) == before, at
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (4,)
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = Store(file)
    assert store.check() == []
    assert state(store, "done") == "complete"
    store.close()


def test_names_of_unfinished_work_are_kept_from_jobs_that_come_after_the_change(tmp_path: Path) -> None:
    old_store(tmp_path / "a.db")
    with closing(Store(tmp_path / "a.db")) as store:
        for name, touched in (("same", "p/waits"), ("free", "p/free")):
            store.accept(new_job(name, touched), accepted_at=1.0, accepted_s=1.0)
        moved = replace(new_job("moved", head="h2"), claims=(Claim(head="h2", name="target iqn:lost"),))
        with pytest.raises(JobError, match=r"'iqn:lost' is at work on another head, h1"):
            store.accept(moved, accepted_at=1.0, accepted_s=1.0)
        assert admit(store) == ["runs", "free"]
        assert {each.job_id: each.waits_for for each in store.queue()}["same"] == ("waits",)
