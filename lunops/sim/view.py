"""The properties of datasets as zfs shows them: set, inherited, default or computed."""

from __future__ import annotations

from lunops.sim import facts, properties
from lunops.sim.datasets import Dataset, Datasets, parent_name
from lunops.sim.partial import token as partial_token
from lunops.sim.properties import NATIVE, SNAPSHOT
from lunops.sim.state import State
from lunops.sim.tree import below

_FRESH_CLONE = 512  # logicalused of a clone to which nothing was written, whoever looked at it


class View:
    """The properties of datasets, for one command: what is inherited is looked up once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._datasets = Datasets(state)
        self._local: dict[str, dict[str, str]] = {}
        self._free: dict[str, tuple[int, int]] = {}

    def names(self, dataset: Dataset) -> list[str]:
        """Return the properties of `zfs get all`: the native ones that it has, and the user's."""
        native = [one.name for one in NATIVE.values() if dataset.type in one.kinds and self._has(dataset, one.name)]
        user: dict[str, None] = {}
        for name in (dataset.name, *_above(dataset.name)):
            user.update(dict.fromkeys(key for key in self._locals(name) if properties.is_user(key)))
        return native + sorted(user)

    def value(self, dataset: Dataset, key: str) -> tuple[str, str]:
        """Return a property's value and source; `-` and `-` if the dataset does not have it."""
        one = NATIVE.get(properties.full_name(key))
        if key.startswith("written@"):
            value = facts.written_since(self._state, dataset, key.partition("@")[2])
            return (value, "-" if value == "-" else "local")  # so says zfs
        if one is None:
            return self._inherited(dataset.name, key) or ("-", "-")
        if dataset.type not in one.kinds:
            return ("-", "-")
        if one.is_readonly:
            return (self._computed(dataset, one.name), "default" if one.name.endswith("_count") else "-")
        if one.name == "volsize":
            return (str(dataset.volsize), "local")
        if one.name == "volblocksize":
            value = str(dataset.volblocksize)
            return (value, "default" if value == one.default or dataset.origin else "-")
        if one.inherits:
            found = self._inherited(dataset.name, one.name)
        else:
            local = self._locals(dataset.name).get(one.name)
            found = (local, "local") if local is not None else None
        if one.name == "mountpoint":
            return self._mountpoint(dataset.name, found)
        return found or (one.default, "default")

    def used(self, name: str) -> int:
        """Return the bytes that a dataset and what is below it use."""
        first, behind = below(name)
        row = self._state.one(
            "select coalesce(sum(case when type = 'snapshot' or origin != '' then 0 else refer end), 0) "
            "from datasets where name = ? or (name > ? and name < ?)",
            name,
            first,
            behind,
        )
        reserved = self._state.one(
            "select coalesce(sum(cast(value as integer)), 0) from properties "
            "where name = 'refreservation' and (dataset = ? or (dataset > ? and dataset < ?))",
            name,
            first,
            behind,
        )
        return int(row[0] if row else 0) + int(reserved[0] if reserved else 0)

    def available(self, name: str) -> int:
        """Return the bytes that can still be used in a dataset's pool."""
        pool = name.split("/")[0].split("@")[0]
        if pool not in self._free:
            row = self._state.one("select size from pools where name = ?", pool)
            size = int(row[0]) if row else 0
            self._free[pool] = (size, max(0, size - size // 32 - self.used(pool)))
        return self._free[pool][1]

    def _has(self, dataset: Dataset, key: str) -> bool:
        if key == "receive_resume_token":
            return bool(partial_token(self._state, dataset.name))
        return key != "origin" or bool(dataset.origin)

    def _locals(self, name: str) -> dict[str, str]:
        if name not in self._local:
            rows = self._state.all("select name, value from properties where dataset = ?", name)
            self._local[name] = dict(rows)
        return self._local[name]

    def _inherited(self, name: str, key: str) -> tuple[str, str] | None:
        value = self._locals(name).get(key)
        if value is not None:
            return (value, "local")
        for above in _above(name):
            value = self._locals(above).get(key)
            if value is not None:
                return (value, f"inherited from {above}")
        return None

    def _mountpoint(self, name: str, found: tuple[str, str] | None) -> tuple[str, str]:
        if found is None:
            return ("/" + name, "default")
        value, source = found
        if source == "local" or value in ("none", "legacy"):
            return found
        above = source.removeprefix("inherited from ")
        return (value.rstrip("/") + name[len(above) :], source)

    def _computed(self, dataset: Dataset, key: str) -> str:
        match key:
            case "type":
                return dataset.type
            case "creation":
                return str(dataset.creation)
            case "createtxg" | "objsetid":
                return str(dataset.txg)
            case "guid":
                return dataset.guid
            case "origin":
                return dataset.origin or "-"
            case "clones":
                return ",".join(self._datasets.clones(dataset.name)) or "-"
            case "referenced" | "logicalreferenced":
                return str(dataset.refer)
            case "available":
                return str(self.available(dataset.name))
            case "logicalused" if dataset.origin:
                return str(_FRESH_CLONE + facts.written(self._state, dataset))
            case "used" | "logicalused":
                return "0" if dataset.type == SNAPSHOT else str(self.used(dataset.name))
            case "usedbydataset":
                return "0" if dataset.origin else str(dataset.refer)
            case "usedbychildren":
                own = 0 if dataset.origin else dataset.refer
                return str(max(0, self.used(dataset.name) - own))
            case "mounted":
                off = self.value(dataset, "canmount")[0] == "off" or self.value(dataset, "mountpoint")[0] == "none"
                return "no" if off else "yes"
            case "written" | "userrefs" | "defer_destroy":
                return facts.computed(self._state, dataset, key)
            case "receive_resume_token":
                return partial_token(self._state, dataset.name) or "-"
            case "version":
                return "5"
            case "filesystem_count" | "snapshot_count":
                return str(2**64 - 1)
        fixed = {"compressratio": "1.00", "refcompressratio": "1.00", "utf8only": "off", "normalization": "none"}
        return {
            **fixed,
            "casesensitivity": "sensitive",
        }.get(key, "0")


def _above(name: str) -> list[str]:
    above = []
    while name := parent_name(name):
        above.append(name)
    return above
