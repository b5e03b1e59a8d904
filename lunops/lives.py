"""Tell which worker processes are alive: each holds a lock that ends with it, whatever ends it.

`FileLives` are for a store in a file: a lock file for each process, on the same machine. `DatabaseLives` are for
PostgreSQL: an advisory lock on a connection of its own. A lock that can be had says that its process is dead, or has
lost its connection for a moment; that is for the caller to tell apart, by the process' beats in the store.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool


class Lives(Protocol):
    """The locks by which processes know of each other."""

    own: str  # the name of this process: fresh at each start, since two lives of one name would be told apart by nobody

    def begin(self) -> None:
        """Take the lock of this process."""

    def hold(self) -> None:
        """Take it again if it was lost; call it now and then."""

    def end(self) -> None:
        """Drop it."""

    def if_dead(self, name: str) -> AbstractContextManager[bool]:
        """Say whether a process is dead; if so, no other process is told the same while the block runs."""


class FileLives:
    """Lock files in a folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made yet."""
        self._folder = folder
        self._descriptor = -1
        self.own = str(uuid.uuid4())

    def begin(self) -> None:
        """Take the lock of this process."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._descriptor = os.open(self._folder / self.own, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def hold(self) -> None:
        """Do nothing: the kernel keeps it."""

    def end(self) -> None:
        """Drop the lock of this process, and its file: no file is as good as a file without a lock."""
        (self._folder / self.own).unlink(missing_ok=True)
        os.close(self._descriptor)

    @contextmanager
    def if_dead(self, name: str) -> Iterator[bool]:
        """Say whether the process is dead; if so, no other process is told the same meanwhile."""
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
            # Whoever opened the same file meanwhile finds, under its lock, nothing left to take over.
            (self._folder / name).unlink(missing_ok=True)
        finally:
            os.close(descriptor)


class DatabaseLives:
    """Advisory locks of PostgreSQL."""

    def __init__(self, url: URL) -> None:
        """Nothing is opened yet."""
        # The server, too, must notice a machine that was switched off: else its lock would live for hours.
        options = (
            "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000"
        )
        alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "connect_timeout": 10}
        self._engine = sa.create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"options": options, **alive}
        )
        self._connection: sa.Connection | None = None
        self._lock = threading.Lock()
        self.own = str(uuid.uuid4())

    def begin(self) -> None:
        """Take the lock of this process."""
        self.hold()

    def hold(self) -> None:
        """Take the lock again if the connection was lost; whoever takes this process for dead may have it by now."""
        with self._lock, suppress(DBAPIError):
            if self._connection is not None:
                try:
                    self._connection.exec_driver_sql("SELECT 1")
                    return
                except DBAPIError:
                    self._drop()
            connection = self._engine.connect()
            if _try_lock(connection, self.own):
                self._connection = connection
            else:
                connection.close()

    def end(self) -> None:
        """Drop the lock of this process."""
        with self._lock:
            self._drop()

    @contextmanager
    def if_dead(self, name: str) -> Iterator[bool]:
        """Say whether the process is dead; if so, no other process is told the same meanwhile."""
        try:
            connection = self._engine.connect()
        except DBAPIError:
            yield False  # nobody can tell
            return
        try:
            yield _try_lock(connection, name)
        finally:
            connection.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()


def _try_lock(connection: sa.Connection, name: str) -> bool:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar_one())
