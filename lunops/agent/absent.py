"""lio_absent: have each target and its storage objects gone from the kernel and from saveconfig.json.

    {"dataset": "p/x", "wwn": IQN, "storage_object": "lo-…", "force": ["sessions"], "then_destroy": false}

The storage objects are those that the target's record says are its own; without a record, the one that is named, on
the dataset. `then_destroy` records that the clone is to go as well, so that a delete that dies before it comes to that
can be finished. Refused while anyone is logged in, and for what lunops did not make. A delete that was interrupted goes
on from whatever is left: that the target is not wanted any more is recorded before the kernel is changed. Files
behind storage objects stay.
"""

from __future__ import annotations

import uuid

from lunops.agent import lio, readback, records, remove, zfs
from lunops.agent.device import path_of
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.storage_objects import StorageObjects
from lunops.agent.work import Item, explain, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

    from lunops.agent.system import System
    from lunops.agent.work import Work

_AT_ONCE = 25  # items between two writes of saveconfig.json


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    doomed = [item.args["dataset"] for item in items if item.args.get("then_destroy")]
    guids = zfs.observe(work.system, doomed, ("guid",)) if doomed else {}
    with lio.locked(work):
        objects = StorageObjects(work.system)
        for start in range(0, len(items), _AT_ONCE):
            _group(work, items[start : start + _AT_ONCE], guids, objects)


def _group(work: Work, items: Sequence[Item], guids: Dict[str, zfs.Found], objects: StorageObjects) -> None:
    saved = SaveConfig(work.system)
    recorded = Records(work.system)
    before = recorded.all()
    outcomes = {item.key: Outcome() for item in items}
    for item in items:  # what is refused is refused before anything is recorded
        args = dict(item.args, objects=objects_of(before.get(item.args["wwn"])))
        would: List[str] = []
        guarded(outcomes[item.key], lambda: unshare(work.system, args, saved, would, objects, check=True))  # noqa: B023
        if not outcomes[item.key].error:
            guarded(outcomes[item.key], lambda: _record(work.system, item, recorded, guids, outcomes[item.key], would))  # noqa: B023
    if not work.check:
        recorded.write()
    removed: List[Tuple[Item, Outcome, float]] = []
    for item in items:
        outcome = outcomes[item.key]
        begun = work.system.monotonic()
        done: List[str] = []
        if work.is_over():
            work.skip(item)
            recorded.put(item.args["wwn"], before.get(item.args["wwn"]))
            continue
        if not outcome.error:
            args = dict(item.args, objects=objects_of(before.get(item.args["wwn"])))
            guarded(outcome, lambda: unshare(work.system, args, saved, done, objects, check=work.check))  # noqa: B023
            outcome.changes += done
        if outcome.error and not done:
            recorded.put(item.args["wwn"], before.get(item.args["wwn"]))  # nothing of it was touched
        removed.append((item, outcome, work.system.monotonic() - begun))
    try:
        if not work.check:
            saved.write()
            recorded.write()
    except (ItemError, OSError) as error:
        for _item, outcome, _seconds in removed:
            if outcome.changes:
                what = "unshared, but saveconfig.json was not written: %s" % explain(error)
                outcome.fail(ItemError(what, "mend that, then delete again, or a reboot shares it once more"))
    for item, outcome, seconds in removed:
        work.report(item, outcome, seconds)


def objects_of(record: Dict[str, Any] | None) -> List[Dict[str, Any]]:
    """Return the storage objects that a target's record says are its own."""
    storages = record.get("fragment", {}).get("storage_objects", []) if record else []
    return [{key: one[key] for key in ("plugin", "name", "dev")} for one in storages]


def _record(
    system: System,
    item: Item,
    recorded: Records,
    guids: Dict[str, zfs.Found],
    outcome: Outcome,
    would: Sequence[str],
) -> None:
    """Note that a target is not wanted any more, so that this can be finished, or undone; its clone may stay."""
    wwn, dataset = item.args["wwn"], item.args["dataset"]
    record = recorded.get(wwn)
    if record is None:
        if not would:
            return
        is_there = system.is_dir("%s/%s/tpgt_1" % (lio.ISCSI, wwn))
        record = records.exported(dataset, readback.full(system, wwn) if is_there else {})
    wanted = records.unwanted(record, guids[dataset].value("guid") if dataset in guids else "")
    if records.without_before(record) == wanted:
        return
    token = uuid.uuid4().hex
    outcome.changes.append("record %s as %s" % (wwn, wanted["want"]))
    if wanted["fragment"] and record["want"] == records.EXPORTED:
        outcome.made.append(["unshared", wwn, token])
    recorded.put(wwn, dict(wanted, before={"token": token}))


def unshare(
    system: System,
    args: Dict[str, Any],
    saved: SaveConfig,
    changes: List[str],
    there: StorageObjects | None = None,
    *,
    check: bool,
) -> None:
    """Take one target and its storage objects away, and out of `saved` (which the caller writes).

    `args` has `wwn`, and `objects` (plugin, name, dev) or else `storage_object` and `dataset`; `force` if it is.
    `there`: those that the kernel has, where a task has looked at them already.
    """
    wwn, force = args["wwn"], args.get("force", ())
    target = "%s/%s" % (lio.ISCSI, wwn)
    objects = args.get("objects") or [_object_of(args)]
    device = path_of(args["dataset"]) if args.get("dataset") else objects[0]["dev"]
    if device not in [one["dev"] for one in objects]:
        raise ItemError(
            "%s exports %s, not %s" % (wwn, ", ".join(one["dev"] for one in objects), device),
            "name the dst and the wwn of one and the same LUN",
        )
    look_up = there.folder if there else lambda name: lio.storage_object(system, name)
    folders = {one["name"]: look_up(one["name"]) for one in objects}
    for one in objects:
        exported = system.read(folders[one["name"]] + "/udev_path").strip() if folders[one["name"]] else ""
        if exported not in ("", one["dev"]):
            raise ItemError(
                "%s exports %s, not %s" % (wwn, exported, one["dev"]),
                "name the dst and the wwn of one and the same LUN",
            )
    if system.is_dir(target):
        strangers = [path for path in remove.luns_of(system, target) if path not in folders.values()]
        if strangers:
            raise ItemError(
                "%s exports %s, which lunops did not make"
                % (wwn, ", ".join(path[len(lio.CORE) + 1 :] for path in strangers)),
                "remove it with targetcli if it must go",
            )
        remove.refuse_if_logged_in(system, target, force)
        changes.append("remove iscsi/%s" % wwn)
        if not check:
            remove.target(system, target, force)
    for storage in filter(None, folders.values()):
        changes.append("remove %s" % storage.replace(lio.ROOT + "/", ""))
        if not check:
            remove.storage_object(system, storage)
    identities = [("targets", ("iscsi", wwn))]
    identities += [("storage_objects", (one["plugin"], one["name"])) for one in objects]
    for part, identity in identities:
        if saved.has(part, *identity):
            changes.append("unsave %s" % identity[1])
            if not check:
                saved.drop(part, *identity)


def _object_of(args: Dict[str, Any]) -> Dict[str, Any]:
    return {"plugin": "block", "name": args["storage_object"], "dev": path_of(args["dataset"])}
