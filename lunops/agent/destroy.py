"""zfs_destroy: destroy each clone that lunops made, exactly that one dataset.

{"dataset": "p/x"}
"""

from __future__ import annotations

import contextlib

from lunops.agent import holders, records, zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List, Sequence, Set

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

BUSY_S = 20.0  # udev's blkid, multipathd and LVM open a new volume for a moment


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    names = [item.args["dataset"] for item in items]
    found = zfs.observe(work.system, names, ("type", "origin", zfs.MANAGED))
    below = zfs.dependents(work.system, list(found)) if found else {}
    destroyed: Set[str] = set()

    def one(item: Item, outcome: Outcome) -> None:
        dataset = item.args["dataset"]
        if dataset not in found:
            return
        check(found[dataset], below.get(dataset, []))
        if not work.check:
            destroy(work.system, dataset)
            destroyed.add(dataset)
        outcome.changes.append("zfs destroy %s" % dataset)

    work.each(items, one)
    if destroyed:
        with contextlib.suppress(ItemError):  # a record of what is not there is drift, and no harm
            records.forget(work, sorted(destroyed))


def check(found: zfs.Found, below: List[str]) -> None:
    """Raise ItemError unless this is a clone of ours with nothing that depends on it."""
    name = found.name
    if found.value("type") != "volume" or found.value("origin") == "-":
        raise ItemError("%s is not a clone but a %s" % (name, found.value("type")), "destroy it by hand if it must go")
    if found.local(zfs.MANAGED) != "1":
        raise ItemError(
            "%s was not made by lunops (no local property %s)" % (name, zfs.MANAGED),
            "destroy it by hand if it must go",
        )
    if below:
        raise ItemError(
            "%s has %s" % (name, ", ".join(below[:5]) + (" …" if len(below) > 5 else "")),
            "destroy these first: lunops never destroys more than the one dataset",
        )


def destroy(system: System, dataset: str) -> None:
    """Destroy one dataset, trying again while ZFS calls it busy, up to BUSY_S, unless it is exported."""
    started = system.monotonic()
    pause = 0.1
    tries = 0
    while True:
        tries += 1
        output = system.run(["zfs", "destroy", dataset])
        if output.code == 0 or "does not exist" in output.err:
            return
        waited = system.monotonic() - started
        if "dataset is busy" not in output.err:
            raise ItemError("zfs destroy failed: %s" % zfs.said(output))
        exported = holders.storage_objects(system, dataset)
        if exported:
            raise ItemError(
                "%s is exported by the storage object %s" % (dataset, ", ".join(exported)),
                "unshare it first (lio_absent)",
            )
        if waited > BUSY_S:
            raise ItemError(
                "%s is busy (tried %d times in %d s); %s" % (dataset, tries, waited, holders.of(system, dataset)),
                "end what uses it, then delete again",
            )
        system.sleep(pause)
        pause = min(pause * 2, 2.0)
