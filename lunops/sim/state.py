"""The state of a simulated head: one SQLite file, shared by processes, changed in small durable transactions.

A change is durable against the end of the process (kill -9) as soon as it returns: it is in the kernel's page
cache by then. It is not meant to survive the loss of power of the machine that simulates.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lunops.sim import turn
from lunops.sim.faults import Fault, Faults, Struck

_VERSION = 2
_NO_FAULTS = Faults()
_load = functools.lru_cache(Faults.load)
_NODE = "select kind, value from nodes where path = ?"
_REMEMBERED_MOST = 1 << 16  # of a value
_BUSY_S = 120.0  # how long to wait for another process' transaction
_SCHEMA = """
create table meta (key text primary key, value) without rowid;
create table pools (name text primary key, size integer not null, guid text not null) without rowid;
create table datasets (
    name text primary key, parent text not null, type text not null, guid text not null, txg integer not null,
    creation integer not null, origin text not null, volsize integer not null, volblocksize integer not null,
    refer integer not null
) without rowid;
create index datasets_parent on datasets (parent);
create index datasets_origin on datasets (origin) where origin != '';
create table properties (
    dataset text not null, name text not null, value text not null, primary key (dataset, name)
) without rowid;
create table devices (
    minor integer primary key, dataset text not null unique, link_at real, changes_lost integer not null
);
create table nodes (path text primary key, parent text not null, kind text not null, value text not null) without rowid;
create index nodes_parent on nodes (parent, kind);
create index nodes_links on nodes (value) where kind = 'link';
create table claims (minor integer primary key, object text not null unique);
create table sessions (
    id integer primary key autoincrement, tpg text not null, initiator text not null, name text not null,
    address text not null, dynamic integer not null, portal text not null default ''
);
create table fault_counts (fault integer primary key, seen integer not null);
create table journal (
    n integer primary key autoincrement, kind text not null, what text not null, pid integer not null
);
"""


Node = tuple[str, Any]  # kind and value


class Killed(SystemExit):
    """The agent was killed, and its process goes on: a SystemExit ends a thread, and passes all handlers."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the journal: the n-th change of the head, what it was, and by which process."""

    n: int
    kind: str
    what: str
    pid: int


class State:
    """The file, open. May be used by several threads at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it if it is not there."""
        self.path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        self._nodes: dict[str, Node | None] = {}  # by path, as of the last look
        self._version = 0  # of the file at the last look, which others' changes make another
        self._faults: Faults | None = None
        self._depth = 0
        self.is_dead = False  # where the agent is no process of its own: it was killed, and does nothing more
        self.is_alone = True  # this process is the agent's alone, and dies with it
        if not self._is_made():
            self._use_wal()
        self._db.execute("pragma synchronous=off")
        with self.changing():
            if not self._is_made():
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version={_VERSION}")

    def _use_wal(self) -> None:
        """Leave the slow journal mode; while another process does so too, SQLite refuses without any waiting."""
        until = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.execute("pragma journal_mode=wal")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= until:
                    raise
            time.sleep(0.01)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row of a query, if there is one."""
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
            return row

    def look(self) -> None:
        """See what others have changed: what is remembered holds from one look to the next."""
        with self._lock:
            if not self._depth:  # in a transaction nobody else changes what it sees
                self._look()

    def forget(self) -> None:
        """Remember nothing, for the memory's sake: many heads may be open, of which few are at work."""
        with self._lock:
            self._nodes.clear()
            self._db.execute("pragma shrink_memory")  # which the file's pages would fill

    def node(self, path: str) -> Node | None:
        """Return kind and value of what somebody made at the path: a file, folder, link or value."""
        with self._lock:
            try:
                return self._nodes[path]
            except KeyError:
                row: Node | None = self._db.execute(_NODE, (path,)).fetchone()
                if row is None or len(row[1]) <= _REMEMBERED_MOST:
                    self._nodes[path] = row
                return row

    def has_node(self, path: str, kind: str) -> bool:
        """Return whether a file, folder or link that somebody made stands at the path."""
        node = self.node(path)
        return node is not None and node[0] == kind

    def put_node(self, path: str, parent: str, kind: str, value: str | bytes) -> None:
        """Make or replace what stands at a path; call it while `changing`."""
        self._db.execute("insert or replace into nodes values (?, ?, ?, ?)", (path, parent, kind, value))
        self._nodes.pop(path, None)

    def do(self, sql: str, *values: Any) -> None:
        """Execute one statement; call it while `changing`."""
        self._db.execute(sql, values)
        if " nodes " in sql:
            self._nodes.clear()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See one and the same state in all queries of the block."""
        with self._transaction("begin"):
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make the changes of the block durable together, or, if it raises, none of them."""
        with self._transaction("begin immediate"):
            yield

    @contextlib.contextmanager
    def mutation(self, kind: str, what: str) -> Iterator[None]:
        """Do one operation that changes the head: faults may strike it, and the journal notes it.

        Raises Struck if a fault makes it fail.
        """
        faults = self.delay(kind)
        with self._lock:
            fault = None
            if faults.faults:
                with self.changing():
                    fault = self._count(kind, what, changes=True)
            if fault is not None and fault.effect not in ("die_after", "race"):
                if fault.effect == "die_before":
                    self.die()
                raise Struck(fault)
            with self.changing():
                yield
                self.note(kind, what)
            if fault is not None and fault.effect == "race":
                raise Struck(fault)
            if fault is not None:
                self.die()

    def note(self, kind: str, what: str) -> None:
        """Write a line into the journal; call it while changing the state."""
        self.do("insert into journal (kind, what, pid) values (?, ?, ?)", kind, what, os.getpid())

    def observation(self, kind: str, what: str) -> None:
        """Let the faults that were set for a kind of reading strike; raises Struck."""
        faults = self.delay(kind)
        if any(fault.on == kind for fault in faults.faults):
            with self.changing():
                fault = self._count(kind, what, changes=False)
            if fault is not None:
                if fault.effect in ("die_before", "die_after"):
                    self.die()
                raise Struck(fault)

    def delay(self, kind: str) -> Faults:
        """Wait as long as was set for operations of this kind; return what goes wrong at present."""
        faults = self.faults()
        seconds = faults.delays_s.get(kind, 0.0)
        if seconds:
            turn.sleep(seconds)
        return faults

    def die(self) -> NoReturn:
        """End the agent at once, as kill -9 does: this process, or where it is not the agent's alone, this thread."""
        if self.is_alone:
            os.kill(os.getpid(), signal.SIGKILL)
            os._exit(137)
        self.is_dead = True
        raise Killed

    def faults(self) -> Faults:
        """Return what goes wrong at present; raises Killed where the agent was."""
        if self.is_dead:
            raise Killed
        with self._lock:
            self.look()
            if self._faults is None:
                row = self.one("select value from meta where key = 'faults'")
                self._faults = _load(row[0]) if row else _NO_FAULTS
            return self._faults

    def set_faults(self, faults: Faults) -> None:
        """Set what goes wrong from now on, in every process; counting begins anew."""
        with self.changing():
            self.put("faults", faults.dump())
            self.do("delete from fault_counts")

    def met(self, fault: int) -> int:
        """Return how many operations a fault, by its place, has counted."""
        row = self.one("select seen from fault_counts where fault = ?", fault)
        return int(row[0]) if row else 0

    def put(self, key: str, value: Any) -> None:
        """Keep one value; call it while `changing`."""
        self.do("insert or replace into meta values (?, ?)", key, value)
        if key == "faults":
            self._faults = None

    def counter(self, key: str, step: int = 1) -> int:
        """Return the next number of a counter; call it while `changing`."""
        row = self.one("select value from meta where key = ?", key)
        number = (int(row[0]) if row else 0) + step
        self.put(key, number)
        return number

    def journal(self, after: int = 0) -> tuple[Change, ...]:
        """Return the changes of the head since the one numbered `after`."""
        rows = self.all("select n, kind, what, pid from journal where n > ? order by n", after)
        return tuple(Change(n=n, kind=kind, what=what, pid=pid) for n, kind, what, pid in rows)

    def _look(self) -> None:
        version = self._db.execute("pragma data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._nodes.clear()
            self._faults = None

    def _is_made(self) -> bool:
        return self.one("pragma user_version") == (_VERSION,)

    def _count(self, kind: str, what: str, *, changes: bool) -> Fault | None:
        """Count the operation for each fault that it fits, and return the first one that strikes."""
        struck = None
        for index, fault in enumerate(self.faults().faults):
            if fault.fits(kind, what, changes=changes):
                seen = self.met(index) + 1
                self.do("insert or replace into fault_counts values (?, ?)", index, seen)
                if struck is None and fault.strikes(seen):
                    struck = fault
        return struck

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock:
            if self._depth:  # part of a larger one
                yield
                return
            self._db.execute(begin)
            self._depth = 1
            try:
                self._look()
                yield
            except BaseException:
                self._db.execute("rollback")
                self._nodes.clear()
                self._faults = None
                raise
            else:
                self._db.execute("commit")
            finally:
                self._depth = 0
