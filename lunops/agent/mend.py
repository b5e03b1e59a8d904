"""Apply the remedies of findings, through the very code that makes and takes away LUNs; or say what would be done.

Each remedy looks again for itself under the locks that it needs: what changed since the look is seen there.
"""

from __future__ import annotations

from lunops.agent import (
    absent,
    adoptable,
    converge,
    destroy,
    device,
    drifted,
    judge,
    lio,
    records,
    remove,
    runs,
    steps,
    target,
    zfs,
)
from lunops.agent.look import Seen
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.storage_objects import StorageObjects
from lunops.agent.work import Item, Work, explain, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence, Set

    from lunops.agent.drifted import Finding

WRITTEN = "written"  # force: destroy an interrupted creation's clone although something was written to it
FORCE = (WRITTEN,)
# logicalused of a clone to which nothing was written is its object set alone: 512 bytes, or one sector of the pool
# where that is 4 KiB. The smallest change adds a block of data and the blocks that lead to it, 5 KiB and more.
_UNWRITTEN_MOST = 4096


def look(work: Work) -> List[Finding]:
    """Return what differs on the head; under our LIO lock, so that no task of lunops' is in the middle of it."""
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        return judge.findings(Seen(work.system))


def mend(work: Work, found: Sequence[Finding], force: Sequence[str]) -> Dict[str, Outcome]:
    """Mend each finding as far as it may be; return how that ended, by the finding's key. In check mode only tell."""
    outcomes = {each.key: Outcome() for each in found}
    for each in found:
        if each.state == drifted.IN_WORK:
            outcomes[each.key].skipped = True
        elif each.blocked:
            outcomes[each.key].fail(each.blocked)
    for remedy, apply in _REMEDIES.items():
        due = [each for each in found if remedy in each.remedies]
        due = [each for each in due if not (outcomes[each.key].error or outcomes[each.key].skipped)]
        if work.is_over():
            for each in due:
                outcomes[each.key].fail(ItemError("the task was over before this was mended", "reconcile again"))
        elif due:
            try:
                apply(work, due, outcomes, force)
            except (ItemError, OSError) as error:  # a lock, a file: of all of them
                for each in due:
                    outcomes[each.key].fail(error if isinstance(error, ItemError) else ItemError(explain(error)))
    return outcomes


def _unshare(work: Work, due: Sequence[Finding], outcomes: Dict[str, Outcome], _force: Sequence[str]) -> None:
    """Take targets and storage objects away, those of each finding alone."""
    with lio.locked(work):
        saved, objects = SaveConfig(work.system), StorageObjects(work.system)
        for each in due:
            args = {
                "wwn": each.wwn,
                "dataset": each.dataset,
                "storage_object": each.storage_object,
                "objects": absent.objects_of(each.record),
            }
            outcome = outcomes[each.key]
            guarded(outcome, lambda: _take_away(work, args, saved, objects, outcome))  # noqa: B023 - called at once
        if not work.check:
            saved.write()


def _take_away(work: Work, args: Dict[str, Any], saved: SaveConfig, objects: StorageObjects, outcome: Outcome) -> None:
    if args["wwn"]:
        absent.unshare(work.system, args, saved, outcome.changes, objects, check=work.check)
        return
    storage = objects.folder(args["storage_object"])
    if storage:
        outcome.changes.append("remove %s" % storage.replace(lio.ROOT + "/", ""))
        if not work.check:
            remove.storage_object(work.system, storage)  # refused by the kernel while a target has it
    if saved.has("storage_objects", "block", args["storage_object"]):
        outcome.changes.append("unsave %s" % args["storage_object"])
        saved.drop("storage_objects", "block", args["storage_object"])


def _take_in(work: Work, due: Sequence[Finding], outcomes: Dict[str, Outcome], _force: Sequence[str]) -> None:
    """Record LUNs as they are."""
    with lio.locked(work):
        recorded, saved, objects = Records(work.system), SaveConfig(work.system), StorageObjects(work.system)
        for each in due:
            outcome = outcomes[each.key]
            guarded(outcome, lambda: _record(work, each, recorded, saved, objects, outcome))  # noqa: B023
        if not work.check:
            recorded.write()


def _record(
    work: Work, each: Finding, recorded: Records, saved: SaveConfig, objects: StorageObjects, outcome: Outcome
) -> None:
    storage = objects.folder(each.storage_object)
    entry = {
        "storage_objects": [saved.entry("storage_objects", "block", each.storage_object)],
        "targets": [saved.entry("targets", "iscsi", each.wwn)],
    }
    is_saved = all(entry["storage_objects"] + entry["targets"])
    if work.system.is_dir("%s/%s" % (lio.ISCSI, each.wwn)) and storage:
        wanted = adoptable.fragment_of(work.system, each.wwn, objects)
        # What lunops saved itself is what was asked for; rtslib's save adds every default beside it.
        if is_saved and "alua_tpgs" not in entry["storage_objects"][0] and not SaveConfig(work.system).lacks(entry):
            wanted = _simpler(work, entry, storage) or wanted
    elif is_saved:
        wanted = entry
    else:
        raise ItemError("%s is no longer what it was when it was looked at" % each.key, "look again: lunops drift")
    each.record = records.exported(each.dataset, wanted)
    if recorded.get(each.wwn) != each.record:
        outcome.changes.append("record %s" % each.wwn)
        recorded.put(each.wwn, each.record)


def _simpler(work: Work, entry: Dict[str, Any], storage: str) -> Dict[str, Any] | None:
    """Return what saveconfig.json has, if the kernel is exactly that."""
    try:
        entries = converge.entries_of(entry, StorageObjects(work.system, {storage.rsplit("/", 1)[-1]: storage}))
        if steps.difference(entries, steps.observe(work.system, entries)) or steps.extras(work.system, entries):
            return None
    except ItemError:
        return None
    return entry


def _export(work: Work, due: Sequence[Finding], outcomes: Dict[str, Outcome], _force: Sequence[str]) -> None:
    """Have devices, kernel objects and saved objects there, as for a new LUN."""
    volumes = [(each, name) for each in due for name in records.datasets(each.record or {"dataset": each.dataset})]
    _by(work, device.run, [Item(each.key, {"dataset": name}) for each, name in volumes], outcomes)
    wanted = [
        Item(each.key, {"dataset": each.dataset, "wwn": each.wwn, "fragment": (each.record or {})["fragment"]})
        for each in due
        if not outcomes[each.key].error
    ]
    _by(work, target.run, wanted, outcomes)


def _destroy(work: Work, due: Sequence[Finding], outcomes: Dict[str, Outcome], _force: Sequence[str]) -> None:
    """Finish deletes."""
    _by(work, destroy.run, [Item(each.key, {"dataset": each.dataset}) for each in due], outcomes)


def _take_back(work: Work, due: Sequence[Finding], outcomes: Dict[str, Outcome], force: Sequence[str]) -> None:
    """Destroy the clones of interrupted creations."""
    for pool in sorted({each.dataset.split("/")[0] for each in due}):
        zfs.must(work.system, ["zpool", "sync", pool])  # what was just written is counted only then
    system, names = work.system, [each.dataset for each in due]
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        known = Records(system).all().values()
        recorded = {record["dataset"] for record in known if record["want"] != records.MAKING}
        found = zfs.observe(system, names, ("type", "origin", "logicalused", zfs.MANAGED, zfs.LUN))
        below = zfs.dependents(system, list(found)) if found else {}
        for each in due:
            outcome = outcomes[each.key]
            if work.is_over():
                outcome.fail(ItemError("the task was over before this was mended", "reconcile again"))
            if each.dataset not in found or outcome.error:
                continue
            volume = found[each.dataset]
            dependents = below.get(each.dataset, [])
            guarded(outcome, lambda: _refuse_to_take_back(work, each, volume, dependents, recorded, force))  # noqa: B023
            if outcome.error:
                continue
            outcome.changes.append("zfs destroy %s" % each.dataset)
            if not work.check:
                # Refused by ZFS while anything has the volume open: a storage object, a mount, a process.
                guarded(outcome, lambda: destroy.destroy(system, each.dataset))  # noqa: B023 - called at once


def _refuse_to_take_back(
    work: Work, each: Finding, volume: zfs.Found, below: List[str], recorded: Set[str], force: Sequence[str]
) -> None:
    """Raise ItemError unless this is a clone of an interrupted creation that nobody has used."""
    name = each.dataset
    if name in recorded:
        raise ItemError("%s is recorded by now" % name, "look again: lunops drift")
    who = runs.at_work(work.system, each.run)
    if who:
        raise ItemError("%s is in work by %s" % (name, who), "wait for its end, then look again")
    is_marked = volume.local(zfs.MANAGED) == "1"
    if is_marked:
        destroy.check(volume, below)
    elif below or volume.value("origin") != (each.record or {}).get("origin"):
        raise ItemError(
            "%s carries no mark, and is not, or not only, the clone that was to be made" % name,
            "look at it, and destroy it by hand if it must go",
        )
    if is_marked and volume.local(zfs.LUN) != each.wwn:
        raise ItemError("%s is marked for %s by now" % (name, volume.local(zfs.LUN)), "look again: lunops drift")
    if int(volume.value("logicalused")) > _UNWRITTEN_MOST and not (is_marked and WRITTEN in force):
        raise ItemError(
            "%s was never exported by lunops, but something was written to it (logicalused %s)"
            % (name, volume.value("logicalused")),
            "look at it; to destroy it all the same: force: [%s]" % WRITTEN,
        )


def _forget(work: Work, due: Sequence[Finding], outcomes: Dict[str, Outcome], _force: Sequence[str]) -> None:
    """Take out records of what is no more."""
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        recorded = Records(work.system)
        for each in due:
            if recorded.get(each.wwn) == each.record:
                outcomes[each.key].changes.append("forget %s" % each.wwn)
                recorded.put(each.wwn, None)
        if not work.check:
            recorded.write()


def _by(
    work: Work, module: Callable[[Work, Sequence[Item]], None], items: Sequence[Item], outcomes: Dict[str, Outcome]
) -> None:
    """Let a module do some items, and add how they ended to the outcomes of the same keys."""

    def take(item: Item, outcome: Outcome, _seconds: float) -> None:
        mine = outcomes[item.key]
        mine.changes += outcome.changes if not outcome.rolled_back else []
        mine.rolled_back += outcome.rolled_back
        mine.left_behind += outcome.left_behind
        if outcome.error:
            mine.fail(ItemError(outcome.error, outcome.fix))
        mine.skipped = mine.skipped or outcome.skipped

    if not items:
        return
    left_s = max(0.0, work.deadline - work.system.monotonic())
    sub = Work(work.system, take, check=work.check, forks=work.forks, timeout_s=left_s)
    sub.cancelled = work.cancelled
    try:
        module(sub, items)
    finally:
        work.wait_s += sub.wait_s


_REMEDIES: Dict[str, Callable[[Work, Sequence[Finding], Dict[str, Outcome], Sequence[str]], None]] = {
    drifted.UNSHARE: _unshare,
    drifted.TAKE_IN: _take_in,
    drifted.EXPORT: _export,
    drifted.DESTROY: _destroy,
    drifted.TAKE_BACK: _take_back,
    drifted.FORGET: _forget,
}
