"""What a simulated head knows of its datasets and snapshots beside their properties: holds, and what was written.

The facts stand among the properties, under names that no property can have, so that they come and go and move with
what they are about.
"""

from __future__ import annotations

from lunops.sim.datasets import Dataset
from lunops.sim.properties import SNAPSHOT
from lunops.sim.state import State

WRITTEN = "!written"  # bytes since the newest snapshot; of a snapshot: since the one before it
JOURNALED = "!journaled"  # a ZIL was there, as after any synchronous write
DEFERRED = "!deferred"  # to be destroyed with its last hold or clone
_HOLD = "!hold "
HEAD_BYTES = 1024  # of an objset, written anew by a rollback that removes a ZIL (dsl_dataset_zero_zil)
_METADATA_BYTES = 12288  # what a change of one block costs besides the block


def fact(state: State, dataset: str, name: str) -> str:
    """Return one fact, empty if it is not known."""
    row = state.one("select value from properties where dataset = ? and name = ?", dataset, name)
    return str(row[0]) if row else ""


def note(state: State, dataset: str, name: str, value: str) -> None:
    """Set a fact, or with an empty value remove it; call it while changing the state."""
    state.do("delete from properties where dataset = ? and name = ?", dataset, name)
    if value:
        state.do("insert into properties values (?, ?, ?)", dataset, name, value)


def holds(state: State, snapshot: str) -> dict[str, float]:
    """Return the tags that a snapshot is held with, and since when."""
    rows = state.all(
        "select name, value from properties where dataset = ? and name > ? and name < ?", snapshot, _HOLD, "!hole"
    )
    return {name[len(_HOLD) :]: float(value) for name, value in rows}


def hold(state: State, snapshot: str, tag: str, since: float | None) -> None:
    """Hold a snapshot with a tag, or with None release it; call it while changing the state."""
    note(state, snapshot, _HOLD + tag, "" if since is None else str(since))


def written(state: State, one: Dataset) -> int:
    """Return the bytes written to a dataset since its newest snapshot, or to a snapshot since the one before it."""
    known = fact(state, one.name, WRITTEN)
    return int(known) if known else 0 if one.origin else one.refer


def written_since(state: State, one: Dataset, tag: str) -> str:
    """Return `written@TAG` of a dataset, `-` where there is no such snapshot."""
    row = state.one("select txg from datasets where name = ?", f"{one.name}@{tag}")
    if row is None or one.type == SNAPSHOT:
        return "-"
    later = state.all(
        "select name from datasets where parent = ? and type = 'snapshot' and txg > ? order by txg", one.name, row[0]
    )
    return str(written(state, one) + sum(int(fact(state, name, WRITTEN) or 0) for (name,) in later))


def write(state: State, one: Dataset, count: int) -> None:
    """Have a volume written to, as an initiator does; call it while changing the state."""
    block = one.volblocksize or 8192
    more = -(-count // block) * block + _METADATA_BYTES
    note(state, one.name, WRITTEN, str(written(state, one) + more))
    note(state, one.name, JOURNALED, "1")
    state.do("update datasets set refer = refer + ? where name = ?", more, one.name)


def computed(state: State, one: Dataset, key: str) -> str:
    """Return the value of one of the properties that are made of facts: written, userrefs, defer_destroy."""
    if key == "written":
        return str(written(state, one))
    if key == "userrefs":
        return str(len(holds(state, one.name)))
    return "on" if fact(state, one.name, DEFERRED) else "off"
