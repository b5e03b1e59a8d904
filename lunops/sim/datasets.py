"""The datasets and snapshots of a simulated head: what there is, and what its properties are."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lunops.sim import properties
from lunops.sim.state import State
from lunops.sim.tree import below

_COLUMNS = "name, type, guid, txg, creation, origin, volsize, volblocksize, refer"
_EMPTY_SIZE = 24576  # of an empty file system
_COMPONENT = re.compile(r"[A-Za-z0-9_.: -]*\Z")
_NAME_MOST = 255


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A file system, volume or snapshot."""

    name: str
    type: str
    guid: str
    txg: int
    creation: int
    origin: str = ""
    volsize: int = 0
    volblocksize: int = 0
    refer: int = _EMPTY_SIZE

    @property
    def order(self) -> tuple[str, bool, int, str]:
        """The place in zfs' own order: by dataset, then its snapshots by age."""
        base, at, _ = self.name.partition("@")
        return base, bool(at), self.txg if at else 0, self.name


def parent_name(name: str) -> str:
    """Return what a dataset or snapshot is in; empty for a pool."""
    base, at, _ = name.partition("@")
    return base if at else base.rpartition("/")[0]


def name_error(name: str, *, is_snapshot: bool = False) -> str:
    """Return what zfs says against a name, empty if it is a good one."""
    base, at, tag = name.partition("@")
    if len(name) > _NAME_MOST:
        return "name is too long"
    if not is_snapshot and at:
        return "snapshot delimiter '@' is not expected here"
    if "#" in name:
        return "bookmark delimiter '#' is not expected here"
    if is_snapshot and not at:
        return "missing '@' delimiter in snapshot name"
    if name.startswith("/"):
        return "leading slash in name"
    if name.endswith("/"):
        return "trailing slash in name"
    if "@" in tag:
        return "multiple '@' and/or '#' delimiters in name"
    parts = [*base.split("/"), *([tag] if at else [])]
    for part in parts:
        if not part:
            return "empty component or misplaced '@' or '#' delimiter in name"
        if part in (".", ".."):
            return f"{'self' if part == '.' else 'parent'} reference, '{part}' is found in name"
        bad = next((letter for letter in part if not _COMPONENT.match(letter)), "")
        if bad:
            return f"invalid character {bad} in name"
    return ""


class Datasets:
    """What there is. Changes are to be called while changing the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find(self, name: str) -> Dataset | None:
        """Return a dataset or snapshot, if it is there."""
        row = self._state.one(f"select {_COLUMNS} from datasets where name = ?", name)
        return _dataset(row) if row else None

    def pools(self) -> list[str]:
        """Return the names of the pools."""
        return [row[0] for row in self._state.all("select name from pools order by name")]

    def below(self, name: str) -> list[Dataset]:
        """Return the datasets and snapshots right below a dataset."""
        rows = self._state.all(f"select {_COLUMNS} from datasets where parent = ?", name)
        return [_dataset(row) for row in rows]

    def clones(self, snapshot: str) -> list[str]:
        """Return the clones of a snapshot."""
        rows = self._state.all("select name from datasets where origin = ? and origin != '' order by txg", snapshot)
        return [row[0] for row in rows]

    def add(
        self,
        name: str,
        type_: str,
        settings: Mapping[str, str],
        *,
        origin: str = "",
        volsize: int = 0,
        volblocksize: int = 0,
        refer: int = _EMPTY_SIZE,
    ) -> None:
        """Make a dataset or snapshot with these properties set on it."""
        self._state.do(
            f"insert into datasets ({_COLUMNS}, parent) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            name,
            type_,
            str(random.SystemRandom().getrandbits(63)),
            self._state.counter("txg"),
            int(time.time()),
            origin,
            volsize,
            volblocksize,
            refer,
            parent_name(name),
        )
        for key, value in settings.items():
            self.set(name, key, value)

    def remove(self, name: str) -> None:
        """Remove one dataset or snapshot."""
        self._state.do("delete from datasets where name = ?", name)
        self._state.do("delete from properties where dataset = ?", name)

    def set(self, name: str, key: str, value: str) -> None:
        """Set one property, as `properties.checked` gave its value."""
        key = properties.full_name(key)
        if key in ("volsize", "volblocksize"):
            self._state.do(f"update datasets set {key} = ? where name = ?", int(value), name)
        else:
            self._state.do("insert or replace into properties values (?, ?, ?)", name, key, value)

    def unset(self, name: str, key: str) -> None:
        """Remove a local value."""
        self._state.do("delete from properties where dataset = ? and name = ?", name, key)

    def move(self, old: str, new: str) -> None:
        """Rename a dataset with all that is below it."""
        names = self._state.all(
            "select name from datasets where name = ?1 or (name > ?2 and name < ?3) "
            "or (name > ?1 || '@' and name < ?1 || 'A')",
            old,
            *below(old),
        )
        for (name,) in names:
            moved = new + name[len(old) :]
            self._state.do("update datasets set name = ?, parent = ? where name = ?", moved, parent_name(moved), name)
            self._state.do("update properties set dataset = ? where dataset = ?", moved, name)
            self._state.do("update datasets set origin = ? where origin = ?", moved, name)
            self._state.do("update devices set dataset = ? where dataset = ?", moved, name)


def in_order(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return datasets in zfs' own order, each once."""
    return sorted({one.name: one for one in datasets}.values(), key=lambda one: one.order)


def _dataset(row: tuple[object, ...]) -> Dataset:
    names = ("name", "type", "guid", "txg", "creation", "origin", "volsize", "volblocksize", "refer")
    return Dataset(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]  # a row of _COLUMNS
