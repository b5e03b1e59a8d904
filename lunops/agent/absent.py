"""lio_absent: have each target and its storage object gone from the kernel and from saveconfig.json.

    {"dataset": "p/x", "wwn": IQN, "storage_object": "lo-…", "then_destroy": false}

The storage object's name in the record of that LUN, if it has one, is stronger. `then_destroy` records that the
clone is to go as well, so that a delete that dies before it comes to that can be finished.
Refused while anyone is logged in, and for what lunops did not make. A delete that was interrupted goes on
from whatever is left: that the target is not wanted any more is recorded before the kernel is changed.
"""

from __future__ import annotations

from lunops.agent import lio, records, remove, zfs
from lunops.agent.device import path_of
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
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
        for start in range(0, len(items), _AT_ONCE):
            _group(work, items[start : start + _AT_ONCE], guids)


def _group(work: Work, items: Sequence[Item], guids: Dict[str, zfs.Found]) -> None:
    saved = SaveConfig(work.system)
    recorded = Records(work.system)
    before = recorded.all()
    outcomes = {item.key: Outcome() for item in items}
    items = [_by_record(item, recorded) for item in items]
    for item in items:  # what is refused is refused before anything is recorded
        todo: List[str] = []
        guarded(outcomes[item.key], lambda: _refuse_another(item, recorded.get(item.args["wwn"])))  # noqa: B023
        if not outcomes[item.key].error:
            guarded(outcomes[item.key], lambda: unshare(work.system, item.args, saved, todo, check=True))  # noqa: B023
        if not outcomes[item.key].error:
            _record(item, recorded, guids, bool(todo), outcomes[item.key])
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
            guarded(outcome, lambda: unshare(work.system, item.args, saved, done, check=work.check))  # noqa: B023
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


def _by_record(item: Item, recorded: Records) -> Item:
    """Return the item with the storage object that the record of its LUN names."""
    record = recorded.get(item.args["wwn"])
    name = records.storage_object(record)
    if record is None or not name or record["dataset"] != item.args["dataset"]:
        return item
    return Item(item.key, dict(item.args, storage_object=name))


def _refuse_another(item: Item, record: Dict[str, Any] | None) -> None:
    """Raise ItemError if the target is recorded for another volume, whatever the kernel has at present."""
    if record is not None and record["dataset"] != item.args["dataset"]:
        raise ItemError(
            "%s exports %s, not %s" % (item.args["wwn"], path_of(record["dataset"]), path_of(item.args["dataset"])),
            "name the dst and the wwn of one and the same LUN",
        )


def _record(item: Item, recorded: Records, guids: Dict[str, zfs.Found], is_there: bool, outcome: Outcome) -> None:
    """Note that a target is not wanted any more; its clone may stay."""
    wwn, dataset = item.args["wwn"], item.args["dataset"]
    record = recorded.get(wwn)
    guid = guids[dataset].value("guid") if dataset in guids else ""
    wanted = records.unwanted(record, dataset, guid)
    if record == wanted or (record is None and not is_there):
        return
    outcome.changes.append("record %s as %s" % (wwn, wanted["want"]))
    recorded.put(wwn, wanted)


def unshare(system: System, args: Dict[str, Any], saved: SaveConfig, changes: List[str], *, check: bool) -> None:
    """Take one target and its storage object away, and out of `saved` (which the caller writes)."""
    wwn, name, device = args["wwn"], args["storage_object"], path_of(args["dataset"])
    target = "%s/%s" % (lio.ISCSI, wwn)
    storage = lio.storage_object(system, name)
    if storage:
        exported = system.read(storage + "/udev_path").strip()
        if exported not in ("", device):
            raise ItemError(
                "%s exports %s, not %s" % (wwn, exported, device),
                "name the dst and the wwn of one and the same LUN",
            )
    if system.is_dir(target):
        strangers = [path for path in remove.luns_of(system, target) if path != storage]
        if strangers:
            raise ItemError(
                "%s exports %s, which lunops did not make"
                % (wwn, ", ".join(path[len(lio.CORE) + 1 :] for path in strangers)),
                "remove it with targetcli if it must go",
            )
        remove.refuse_if_logged_in(system, target)
        changes.append("remove iscsi/%s" % wwn)
        if not check:
            remove.target(system, target)
    if storage:
        changes.append("remove %s" % storage.replace(lio.ROOT + "/", ""))
        if not check:
            remove.storage_object(system, storage)
    for part, identity in (("targets", ("iscsi", wwn)), ("storage_objects", ("block", name))):
        if saved.has(part, *identity):
            changes.append("unsave %s" % identity[1])
            if not check:
                saved.drop(part, *identity)
