"""Open the store's SQLite file, make its tables, and keep one transaction apart from another."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lunops.errors import SettingsError

_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    client TEXT NOT NULL,
    state TEXT NOT NULL,
    num_requested INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    accepted_s REAL NOT NULL,
    started_s REAL,
    ended_s REAL
) STRICT;
CREATE TABLE parts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    workflow_id TEXT NOT NULL UNIQUE,
    tasks TEXT NOT NULL,
    state TEXT NOT NULL,
    is_enqueued INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    fix TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, head)
) STRICT, WITHOUT ROWID;
CREATE INDEX parts_unfinished ON parts (state) WHERE state IN ('queued', 'running');
CREATE TABLE items (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    head TEXT NOT NULL,
    key TEXT NOT NULL,
    wwn TEXT NOT NULL,
    keeps_clone INTEGER NOT NULL,
    PRIMARY KEY (job_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_wwn ON items (wwn);
CREATE TABLE tasks (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    task_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    module TEXT NOT NULL,
    items INTEGER NOT NULL,
    PRIMARY KEY (job_id, head, task_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    task_id TEXT NOT NULL,
    module TEXT NOT NULL,
    run INTEGER NOT NULL,
    started_s REAL NOT NULL,
    last_s REAL NOT NULL,
    ended_s REAL,
    PRIMARY KEY (job_id, head, task_id, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE outcomes (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    head TEXT NOT NULL,
    task_id TEXT NOT NULL,
    module TEXT NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    changes TEXT NOT NULL,
    error TEXT NOT NULL,
    fix TEXT NOT NULL,
    left_behind TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (job_id, head, task_id, key)
) STRICT, WITHOUT ROWID;
"""


class StoreFile:
    """One connection for all threads of this process; other processes may have the file open too."""

    def __init__(self, file: Path) -> None:
        """Open the file, make it if need be. Raises SettingsError if it cannot be used."""
        self._lock = threading.RLock()
        try:
            # Made here to be private; what SQLite puts beside it has the same permissions.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # autocommit: transactions are begun by hand, IMMEDIATE, so that two writers wait instead of failing
            self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(file, error) from error
        try:
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._make()
        except sqlite3.Error as error:
            self._connection.close()
            raise _unusable(file, error) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE", *, is_durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Do all of it or nothing.

        What is not durable survives the death of this process, but not a power failure; it costs no disk flush.
        """
        with self._lock:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, statement: str, *values: Any) -> None:
        """Do one statement, not durably."""
        with self.transaction(is_durable=False) as connection:
            connection.execute(statement, values)

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with self._lock:
            return [dict(row) for row in self._connection.execute(statement, values)]

    def _make(self) -> None:
        with self.transaction() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise sqlite3.DatabaseError(f"a newer lunops wrote it (version {version}, not {_VERSION})")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {_VERSION}")


def _unusable(file: Path, error: Exception) -> SettingsError:
    return SettingsError(
        f"the store cannot be used: {error}", where=str(file), fix="name a file in a folder that may be written"
    )
