"""Open the store's database, SQLite or PostgreSQL, and keep one transaction apart from another.

What a transaction did is there or not at all, whatever dies. One that is not *durable* survives the death of this
process, but perhaps not a power failure; it costs no flush of the disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from lunops.errors import SettingsError, StoreError, StoreFullError

_BUSY_S = 30  # how long SQLite waits for another process' transaction
_GATE = 0x6C756E6F7073  # the number of PostgreSQL's advisory lock for what must be done one at a time
_FULL = ("disk is full", "no space left", "disk full", "could not extend file")
_DAMAGED = ("malformed", "file is not a database")  # as SQLite says it

SQLITE = "sqlite"


class Database:
    """One for a process; may be used by all of its threads."""

    def __init__(self, url: str) -> None:
        """Open `sqlite:///FILE` or `postgresql://…`. Raises SettingsError if it cannot be used."""
        self.url = checked_url(url)
        self.is_sqlite = self.url.get_backend_name() == SQLITE
        # Two writers of one process wait here: SQLite's own waiting is a poll that can starve one of them.
        self._writing = threading.RLock()
        if self.is_sqlite:
            _make_private(Path(str(self.url.database)))
            self.engine = sa.create_engine(
                self.url, connect_args={"timeout": _BUSY_S, "check_same_thread": False}, max_overflow=50
            )
            sa.event.listen(self.engine, "connect", _set_up_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            # A peer that vanished is noticed in half a minute, instead of by TCP's two hours.
            alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "connect_timeout": 10}
            self.engine = sa.create_engine(self.url, connect_args=alive, pool_pre_ping=True, max_overflow=50)

    @property
    def shown(self) -> str:
        """The address without its password."""
        return self.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def write(self, *, is_durable: bool = True, is_alone: bool = False) -> Iterator[sa.Connection]:
        """Do all of it or nothing. `is_alone`: no other such transaction, of any process, is under way meanwhile.

        Raises StoreError, or StoreFullError, if it cannot be done now. Nothing was done then, unless a database
        vanished in the moment of the commit: all of it was done, perhaps.
        """
        with self._writing, _translated(self.shown), self.engine.connect() as connection:
            if self.is_sqlite:
                connection = connection.execution_options(lunops_write=True, lunops_durable=is_durable)
            with connection.begin():
                if not self.is_sqlite:
                    if not is_durable:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    if is_alone:
                        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_GATE)))
                yield connection

    def vacuum(self) -> None:
        """Give unused room back to the disk. Raises StoreError."""
        with self._writing, _translated(self.shown):
            engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("COMMIT")  # of the transaction that our listener begins each with
                    connection.exec_driver_sql("VACUUM")
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
                    connection.exec_driver_sql("BEGIN")
                else:
                    connection.exec_driver_sql("VACUUM ANALYZE")

    def size_bytes(self) -> int:
        """Return how much of the disk it takes. Raises StoreError."""
        with self.read() as connection:
            if self.is_sqlite:
                pages = connection.exec_driver_sql(
                    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
                )
                return int(pages.scalar_one())
            return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """See the state of one moment. Raises StoreError if it cannot be read now."""
        with _translated(self.shown), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection


def checked_url(url: str) -> URL:
    """Return the address of a store. Raises SettingsError."""
    fix = 'write "sqlite:///lunops.db", "sqlite:////var/lib/lunops/lunops.db" or "postgresql://USER@HOST/DATABASE"'
    try:
        found = make_url(url)
    except SQLAlchemyError:
        raise SettingsError(f"{url!r} is not the address of a store", where="store", fix=fix) from None
    if found.drivername in ("postgresql", "postgres"):
        found = found.set(drivername="postgresql+psycopg")
    if found.drivername not in (SQLITE, "postgresql+psycopg") or not found.database:
        shown = found.render_as_string(hide_password=True)
        raise SettingsError(f"{shown!r} is not the address of a store", where="store", fix=fix)
    return found


def _make_private(file: Path) -> None:
    try:
        # Made here to be private; what SQLite puts beside it has the same permissions.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise unusable(str(file), error) from error


def unusable(where: str, error: Exception) -> SettingsError:
    """Return the error of a store that cannot be opened."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return SettingsError(
        f"the store cannot be used: {said}",
        where=where,
        fix="name a file in a folder that may be written and has room, or a database that answers",
    )


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by hand: `_begin_sqlite`
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("lunops_write"):
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options.get('lunops_durable') else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # so that two writers wait instead of failing
    else:
        connection.exec_driver_sql("BEGIN")


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sa.exc.TimeoutError) as error:
        said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
        if any(sign in said.lower() for sign in _FULL):
            raise StoreFullError(
                f"the disk of the store is full: {said}", where=where, fix="make room; nothing was lost"
            ) from error
        if any(sign in said.lower() for sign in _DAMAGED):
            raise StoreError(
                f"the store is damaged: {said}", where=where, fix="lunops store check tells more; go back to a backup"
            ) from error
        if isinstance(error, (OperationalError, sa.exc.TimeoutError)) or error.connection_invalidated:
            raise StoreError(
                f"the store does not answer: {said}", where=where, fix="see that its database runs"
            ) from error
        raise
