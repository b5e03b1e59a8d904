"""zfs_resize: have volumes of the size that is wanted.

    {"dataset": "p/x", "size": BYTES, "force": []}

Growing needs nothing but `zfs set volsize`: LIO asks the device for its size at each READ CAPACITY (seen on Linux 6.1),
and ZFS lets a reservation follow. An initiator that is logged in knows the new size once it rescans. Shrinking loses
what lies behind the new end, which ZFS does without a word even to a mounted volume: so it has to be forced, and so
has each use of the volume.

made: ["resize", DATASET, OLD, NEW, REFERENCED, WAS IN USE]
"""

from __future__ import annotations

from lunops.agent import guards, holders, zfs
from lunops.agent.create import VOLUME, rounded
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, List, Sequence

    from lunops.agent.guards import Use
    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_DEVICE_S = 20.0  # for the kernel to tell the new size; it does at once, as far as was seen
_POLL_S = 0.1
_BASE = ("type", "volsize", "volblocksize", "referenced", zfs.MANAGED)


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: one look at all volumes, and one at what LIO exports if any of them changes."""
    found = zfs.observe(work.system, [item.args["dataset"] for item in items], _BASE)
    wanted = {item.key: _wanted(item, found) for item in items}
    exports = holders.Exports(work.system) if any(wanted.values()) else None

    def one(item: Item, outcome: Outcome) -> None:
        now = _volume(found.get(item.args["dataset"]), item.args["dataset"])
        new = wanted[item.key]
        if exports is None or not new:
            return
        _resize(work, now, new, exports, item.args.get("force", []), outcome)

    work.each(items, one)


def _wanted(item: Item, found: Any) -> int:
    """Return the size that the volume is to get, 0 if it has it or is none."""
    now = found.get(item.args["dataset"])
    if now is None or now.value("type") != VOLUME:
        return 0
    size = rounded(item.args["size"], int(now.value("volblocksize")))
    return 0 if size == int(now.value("volsize")) else size


def _volume(now: zfs.Found | None, dataset: str) -> zfs.Found:
    if now is None:
        raise ItemError("the volume %s does not exist" % dataset, "create it first (zfs_volume, zfs_clone)")
    if now.value("type") != VOLUME:
        raise ItemError("%s is a %s, and only volumes have a size" % (dataset, now.value("type")), "set its quota")
    return now


def _resize(
    work: Work, now: zfs.Found, new: int, exports: holders.Exports, force: Sequence[str], outcome: Outcome
) -> None:
    system, dataset, old = work.system, now.name, int(now.value("volsize"))
    sessions = guards.export_uses(system, exports, dataset, (guards.SESSIONS,))
    if new < old:
        against = [_loss(now, old, new), *sessions, *guards.holder_uses(system, dataset)]
        if now.local(zfs.MANAGED) != "1":
            against.append(guards.unmarked(dataset, "shrink it by hand if that is meant"))
        guards.refuse(against, force, "shrink %s" % dataset)
    argv = ["zfs", "set", "volsize=%d" % new, dataset]
    if not work.check:
        is_used = bool(exports.storage_objects(dataset) or holders.held(system, dataset))
        output = system.run(argv)
        if output.code != 0:
            raise ItemError("zfs set failed: %s" % zfs.said(output), _fix_for(output.err))
        made = ["resize", dataset, old, new, now.value("referenced"), is_used]
        outcome.made.append(made)
        try:
            _await_device(system, dataset, new)
        except ItemError:
            outcome.left_behind.append(by_hand(made))
            raise
    outcome.changes.append("%s (it had %d)" % (" ".join(argv), old))
    outcome.changes += ["%s, and sees the new size once it rescans (iscsiadm -m node -R)" % use.who for use in sessions]


def _loss(now: zfs.Found, old: int, new: int) -> Use:
    return guards.Use(
        guards.SHRINK,
        "its last %d bytes, from %d to %d, would be lost, and %s of its bytes are in use"
        % (old - new, new, old, now.value("referenced")),
        "name a size of at least %d" % old,
    )


def _fix_for(text: str) -> str:
    if "greater than available" in text or "out of space" in text:
        return "free space in the pool, or give up its reservation (zfs_set refreservation=none)"
    return ""


def _await_device(system: System, dataset: str, size: int) -> None:
    """Wait until the device has the size; raises ItemError if it does not come."""
    paths = holders.device_paths(system, dataset)
    if not paths:
        return  # volmode=none
    until = system.monotonic() + _DEVICE_S
    while True:
        sectors = int(system.read("/sys/block/%s/size" % paths[0].rsplit("/", 1)[-1]))
        if sectors * 512 == size:
            return
        if system.monotonic() > until:
            raise ItemError(
                "%s has %d bytes, but its device %s has %d" % (dataset, size, paths[0], sectors * 512),
                "see dmesg on the head",
            )
        system.sleep(_POLL_S)


def take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Give a volume its old size, if nothing can have been written behind it; a shrunk one gets no data back."""
    _kind, dataset, old, new, referenced, was_used = step
    system = work.system
    now = zfs.observe(system, [dataset], _BASE).get(dataset)
    if now is None or int(now.value("volsize")) == old:
        return
    if int(now.value("volsize")) != new:
        raise ItemError("%s was resized anew since" % dataset, "look at it before resizing it")
    if new > old:
        _refuse_what_may_be_written(system, dataset, old, referenced, was_used)
    argv = ["zfs", "set", "volsize=%d" % old, dataset]
    zfs.must(system, argv)
    _await_device(system, dataset, old)
    outcome.changes.append(" ".join(argv))
    if new < old:
        raise ItemError(
            "%s has its %d bytes again, but what lay behind %d is gone" % (dataset, old, new),
            "restore it from a snapshot or a backup",
        )


def _refuse_what_may_be_written(system: System, dataset: str, old: int, referenced: str, was_used: bool) -> None:
    why: List[str] = []
    if was_used or holders.storage_objects(system, dataset):
        why.append("it is or was exported or held meanwhile")
    elif holders.held(system, dataset):
        why.append("it is " + ", ".join(holders.held(system, dataset)))
    else:
        system.run(["zpool", "sync", dataset.split("/")[0]])  # else what was just written is not yet counted
        now = zfs.observe(system, [dataset], ("referenced",))[dataset]
        if now.value("referenced") != referenced:
            why.append("it was written to")
    if why:
        raise ItemError(
            "%s was grown from %d bytes, and data may lie behind that by now: %s" % (dataset, old, "; ".join(why)),
            "leave it as it is, or shrink it by hand",
        )


def by_hand(step: Sequence[Any]) -> str:
    """Return the command that gives the volume its old size, with what it costs."""
    _kind, dataset, old, new, _referenced, _was_used = step
    if new < old:
        return "zfs set volsize=%d %s  # what lay behind %d is gone: restore it" % (old, dataset, new)
    return "zfs set volsize=%d %s  # loses what was written behind that" % (old, dataset)
