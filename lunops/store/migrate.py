"""Bring the tables of a store to the present version: made where there are none, older ones changed forward."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from lunops.errors import StoreError
from lunops.store import tables
from lunops.store.database import SQLITE, Database, checked_url, unusable


def migrate(database: Database) -> None:
    """Make or change the tables, all or nothing. Raises SettingsError for a newer version, or what is no store."""
    try:
        if _version_now(database) == tables.VERSION:
            return
        with database.write(is_alone=True) as connection:
            version = _version(connection)  # again: another process may have been quicker
            if version > tables.VERSION:
                raise sa.exc.DatabaseError(
                    "", {}, ValueError(f"a newer lunops wrote it (version {version}, not {tables.VERSION})")
                )
            if version == 0:
                tables.metadata.create_all(connection)
                connection.execute(tables.schema.insert().values(version=tables.VERSION))
            for step in range(version or tables.VERSION, tables.VERSION):
                STEPS[step](connection)
    except (sa.exc.SQLAlchemyError, StoreError, OSError) as error:
        raise unusable(database.shown, error) from error


def is_there(url: str) -> bool:
    """Return whether there is a store at a URL; nothing is made. Raises SettingsError if that cannot be told."""
    found = checked_url(url)
    if found.get_backend_name() == SQLITE:
        file = Path(str(found.database))
        if not file.exists() or not file.stat().st_size:
            return False
    database = Database(url)
    try:
        return _version_now(database) != 0
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise unusable(database.shown, error) from error
    finally:
        database.close()


def _version_now(database: Database) -> int:
    with database.engine.connect() as connection:
        return _version(connection)


def _version(connection: sa.Connection) -> int:
    """Return the version of what is there; 0 for nothing."""
    if sa.inspect(connection).has_table(tables.schema.name):
        return int(connection.execute(sa.select(tables.schema.c.version)).scalar_one())
    if connection.dialect.name == "sqlite":
        return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())  # as the first version had it
    return 0


def _from_1(connection: sa.Connection) -> None:
    """SQLite only: there was no other store yet. The tables are made anew, and the rows moved."""
    old = ("jobs", "parts", "items", "tasks", "runs", "outcomes")
    for name in old:
        connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO old_{name}")
    for name in ("parts_unfinished", "items_wwn"):
        connection.exec_driver_sql(f"DROP INDEX {name}")
    tables.metadata.create_all(connection)
    connection.execute(tables.schema.insert().values(version=2))
    for name in old:
        had = {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info(old_{name})")}
        columns = ", ".join(c.name for c in tables.metadata.tables[name].columns if c.name in had)
        connection.exec_driver_sql(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM old_{name}")
    # What is unfinished goes to the gate again, as other work of the engine: its queues were others, too.
    connection.exec_driver_sql("UPDATE parts SET place = (SELECT place FROM jobs WHERE id = job_id)")
    connection.exec_driver_sql(
        "UPDATE parts SET workflow_id = workflow_id || '.2', attempt = 2, is_enqueued = 0, state = 'queued'"
        " WHERE state IN ('queued', 'running')"
    )
    connection.exec_driver_sql(
        "UPDATE jobs SET ended_at = accepted_at + ended_s - accepted_s WHERE ended_s IS NOT NULL"
    )
    # Which names unfinished work touches; what waits for what needs no row: all of a head's work was in one line.
    for column in ("key", "'target ' || wwn"):
        connection.exec_driver_sql(
            f"INSERT OR IGNORE INTO claims (head, name, job_id, is_shared) SELECT items.head, {column}, items.job_id, 0"
            " FROM items JOIN parts ON parts.job_id = items.job_id AND parts.head = items.head"
            " WHERE parts.state IN ('queued', 'running')"
        )
    connection.exec_driver_sql(
        "INSERT INTO waits (job_id, head, for_job) SELECT later.job_id, later.head, earlier.job_id"
        " FROM parts AS later JOIN parts AS earlier ON earlier.head = later.head AND earlier.place < later.place"
        " WHERE later.state IN ('queued', 'running') AND earlier.state IN ('queued', 'running')"
    )
    for name in reversed(old):
        connection.exec_driver_sql(f"DROP TABLE old_{name}")
    connection.exec_driver_sql("PRAGMA user_version = 0")


STEPS: dict[int, Callable[[sa.Connection], None]] = {1: _from_1}
"""By the version that they begin with."""
