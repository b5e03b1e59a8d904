"""zfs_destroy: destroy each volume, file system or snapshot that lunops made, exactly that one.

    {"dataset": "p/x", "force": []} | {"snapshot": "p/x@s", "force": []}

Never with -r or -R. `force` may be `unmarked` (what lunops did not make) and `snapshots` (its snapshots first, one by
one); what else can stand against it ZFS itself refuses, or would be another dataset's end.
"""

from __future__ import annotations

import contextlib

from lunops.agent import below as belows
from lunops.agent import guards, holders, lio, records, zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Set

    from lunops.agent.below import Below
    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

BUSY_S = 20.0  # udev's blkid, multipathd and LVM open a new volume for a moment
FORCIBLE = (guards.UNMARKED, guards.SNAPSHOTS)
_AGAINST = (guards.CHILDREN, guards.SNAPSHOTS, guards.CLONES)


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: one look at all that is named, and one at what stands below it."""
    names = [name_of(item) for item in items]
    found = zfs.observe(work.system, names, ("type", "origin", "clones", "userrefs", "mountpoint", zfs.MANAGED))
    datasets = [name for name in found if "@" not in name]
    below = belows.below(work.system, datasets) if datasets else {}
    destroyed: Set[str] = set()

    def one(item: Item, outcome: Outcome) -> None:
        name = name_of(item)
        if name not in found:
            return
        force = item.args.get("force", [])
        _refuse(work.system, found[name], below.get(name, []), force)
        if below.get(name):
            _refuse_if_held(work.system, name)  # before its snapshots are gone
        doomed = [thing.name for thing in below.get(name, [])] + [name]  # if there is anything below, it is forced
        for each in doomed:
            if not work.check:
                destroy(work.system, each, found[name].value("mountpoint"))
                destroyed.add(each)
            outcome.changes.append("zfs destroy %s" % each)

    work.each(items, one)
    if destroyed:
        with contextlib.suppress(ItemError):  # a record of what is not there is drift, and no harm
            records.forget(work, sorted(destroyed))
    gone = [name for name in names if name not in found and "@" not in name]
    if gone and not work.check:
        with contextlib.suppress(ItemError):
            _forget_gone(work, gone)


def _forget_gone(work: Work, names: Sequence[str]) -> None:
    """Take out what is still recorded of datasets that are not there: an agent died when it had destroyed them."""
    over = (records.UNSHARED, records.DESTROYED)  # a record of what is wanted stays: who lost its volume must see it
    recorded = records.Records(work.system)
    wants = [(recorded.get(wwn) or {})["want"] for name in names for wwn in recorded.of_dataset(name)]
    if any(want in over for want in wants):
        records.forget(work, names, *over)


def name_of(item: Item) -> str:
    """Return what the item is about."""
    name: str = item.args.get("snapshot") or item.args["dataset"]
    return name


def _refuse(system: System, found: zfs.Found, things: List[Below], force: Sequence[str]) -> None:
    """Raise ItemError naming all that stands against destroying it."""
    name = found.name
    against = [] if found.local(zfs.MANAGED) == "1" else [guards.unmarked(name)]
    against += guards.below_uses(things, _AGAINST)
    held = [thing for thing in things if thing.holds]
    if "@" in name:
        itself = belows.of(name, found.value("clones"), found.value("userrefs"))
        against += guards.below_uses([itself], (guards.CLONES,))
        held = [itself] if itself.holds else []
    guards.refuse(against, force, "destroy %s" % name, FORCIBLE)
    if held:
        raise ItemError(
            "will not destroy %s: %s"
            % (name, "; ".join("%s is held by %s" % (one.name, belows.holders(system, one.name)) for one in held[:5])),
            "zfs release it first",
        )


def check(found: zfs.Found, below: List[str]) -> None:
    """Raise ItemError unless this is a dataset of ours with nothing that depends on it."""
    name = found.name
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


def destroy(system: System, name: str, mountpoint: str = "-") -> None:
    """Destroy one dataset or snapshot, trying again for BUSY_S while ZFS calls it busy and nobody holds it for good."""
    started = system.monotonic()
    pause = 0.1
    tries = 0
    while True:
        tries += 1
        output = system.run(["zfs", "destroy", name])
        if output.code == 0 or "does not exist" in output.err or "could not find any snapshots" in output.err:
            return
        waited = system.monotonic() - started
        if "cannot unmount" in output.err:
            who = holders.processes(system, [mountpoint]) if mountpoint.startswith("/") else []
            raise ItemError(
                "zfs destroy failed: %s%s" % (zfs.said(output), "; it is open in %s" % ", ".join(who) if who else ""),
                "end what works in it, then destroy again",
            )
        if "dataset is busy" not in output.err:
            raise ItemError("zfs destroy failed: %s" % zfs.said(output))
        _refuse_if_held(system, name)
        if waited > BUSY_S:
            raise ItemError(
                "%s is busy (tried %d times in %d s); %s" % (name, tries, waited, holders.of(system, name)),
                "end what uses it, then delete again",
            )
        system.sleep(pause)
        pause = min(pause * 2, 2.0)


def _refuse_if_held(system: System, name: str) -> None:
    """Raise ItemError if it is busy for good, so that waiting has no use."""
    exports = holders.Exports(system)
    exported = exports.storage_objects(name)
    if exported:
        who = [one for target in exports.targets(name) for one in lio.sessions(system, target)]
        raise ItemError(
            "%s is exported by the storage object %s%s"
            % (name, ", ".join(exported), "; logged in: %s" % ", ".join(who) if who else ""),
            "unshare it first (lio_absent)",
        )
    if "@" in name:
        found: Dict[str, zfs.Found] = zfs.observe(system, [name], ("userrefs",))
        if name in found and found[name].value("userrefs") not in ("0", "-"):
            raise ItemError("%s is held by %s" % (name, belows.holders(system, name)), "zfs release it first")
    guards.refuse(guards.holder_uses(system, name), (), "destroy %s" % name, ())
