"""lio_target, lio_fragment: have each fragment's storage objects and targets in the kernel and in saveconfig.json.

    {"dataset": "p/x", "wwn": IQN, "fragment": {"storage_objects": […], "targets": […]}, "force": ["sessions"],
     "strict": false}

`dataset` is that of the first storage object, empty where all are files. `strict`: refuse every name that lunops did
not record for this target.

Observe just the fragment's own names, take the difference, apply it object by object; an item that fails
half-way is taken back. What is wanted is recorded before the kernel is changed, and saveconfig.json written
after it, both for a group of items at once; only then are they reported.
"""

from __future__ import annotations

import copy
import uuid

from lunops.agent import converge, lio, readback, records, steps, takeback, zfs
from lunops.agent.device import path_of
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.own import Owners
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.storage_objects import StorageObjects
from lunops.agent.work import explain, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_AT_ONCE = 25  # items between two writes of saveconfig.json: progress is seen, and the file stays cheap


class _Doing:
    """One item on its way: what is wanted, what was done for it, and how it goes."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.wwn: str = item.args["wwn"]
        self.outcome = Outcome()
        self.wanted: Dict[str, Any] = {}
        self.before: Dict[str, Any] | None = None  # its record as it was
        self.token = ""  # of what `before` the new record keeps, for an undo
        self.done: List[steps.Step] = []
        self.files: List[str] = []  # files that were not there before
        self.seconds = 0.0

    def take_back(self, system: System, recorded: Records) -> None:
        """Take back what was done for it; its record becomes what it was if nothing is left."""
        self.outcome.rolled_back, self.outcome.left_behind = takeback.take_back(system, self.done, self.files)
        if not self.outcome.left_behind:
            recorded.put(self.wwn, self.before)


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    datasets = {name for item in items for name in _datasets(item.args["fragment"])}
    serials = zfs.observe(work.system, sorted(datasets), (zfs.SERIAL,)) if datasets else {}
    with lio.locked(work):
        if not work.check:
            lio.load(work.system)
        objects = StorageObjects(work.system)
        owners = Owners(work.system, SaveConfig(work.system), Records(work.system).all(), objects)
        for start in range(0, len(items), _AT_ONCE):
            _group(work, items[start : start + _AT_ONCE], serials, owners, objects)


def _group(
    work: Work, items: Sequence[Item], serials: Dict[str, zfs.Found], owners: Owners, objects: StorageObjects
) -> None:
    """Record what is wanted of some items, apply it, save once, report them."""
    saved = SaveConfig(work.system)
    recorded = Records(work.system)
    doings = [_Doing(item) for item in items]
    for doing in doings:
        guarded(doing.outcome, lambda: _record(work, doing, serials, recorded, owners))  # noqa: B023 - called at once
    if not work.check:
        recorded.write()
    applied: List[_Doing] = []
    for doing in doings:
        begun = work.system.monotonic()
        if work.is_over():
            work.skip(doing.item)
            recorded.put(doing.wwn, doing.before)
            continue
        if not doing.outcome.error:
            guarded(doing.outcome, lambda: _one(work, doing, saved, objects))  # noqa: B023 - called at once
        if doing.outcome.error:
            doing.take_back(work.system, recorded)
            for one in doing.wanted.get("storage_objects", []):
                objects.give_back(one["name"], one["plugin"])
        doing.seconds = work.system.monotonic() - begun
        applied.append(doing)
    if not work.check:
        _save(work, saved, recorded, applied)
    for doing in applied:
        missing = sorted(set(_datasets(doing.item.args["fragment"])) - set(serials)) if work.check else []
        if missing:
            doing.outcome.data = {"missing": missing}  # whether an earlier task would make them is not known here
        work.report(doing.item, doing.outcome, doing.seconds)


def _record(work: Work, doing: _Doing, serials: Dict[str, zfs.Found], recorded: Records, owners: Owners) -> None:
    """Note what is wanted of an item, and what it was before, so that the change can be undone."""
    doing.before = recorded.get(doing.wwn)
    wanted = with_recorded_serials(doing.item.args["fragment"], serials)
    if doing.item.args.get("strict"):
        owners.refuse_foreign(doing.wwn, wanted)
    owners.refuse_twins(wanted)
    owners.add(doing.wwn, wanted)
    doing.wanted = wanted
    record = records.exported(doing.item.args["dataset"], wanted)
    if records.without_before(doing.before) == record:
        return
    old = _old_fragment(work.system, doing)
    if old is not None:
        doing.token = uuid.uuid4().hex
        record["before"] = {"token": doing.token, "fragment": old}
    doing.outcome.changes.append("record %s" % doing.wwn)
    recorded.put(doing.wwn, record)


def _old_fragment(system: System, doing: _Doing) -> Dict[str, Any] | None:
    """Return the fragment of a target that is there already: as recorded, else as the kernel has it."""
    if not system.is_dir("%s/%s/tpgt_1" % (lio.ISCSI, doing.wwn)):
        return None
    if doing.before is not None:
        return doing.before.get("fragment") if doing.before["want"] == records.EXPORTED else None
    return readback.full(system, doing.wwn)


def _save(work: Work, saved: SaveConfig, recorded: Records, applied: Sequence[_Doing]) -> None:
    """Write saveconfig.json, or take all of it back; then the records, which lost what was taken back."""
    try:
        saved.write()
    except (ItemError, OSError) as error:
        for doing in reversed(applied):
            if doing.outcome.changes and not doing.outcome.error:
                doing.outcome.fail(
                    ItemError("saveconfig.json was not written: %s" % explain(error), "mend that, then run again")
                )
                doing.take_back(work.system, recorded)
    recorded.write()


def _one(work: Work, doing: _Doing, saved: SaveConfig, objects: StorageObjects) -> None:
    system, outcome, wanted = work.system, doing.outcome, doing.wanted
    old = doing.before.get("fragment") if doing.before else None  # a clone that was only just made has none
    way = converge.way(system, wanted, doing.item.args.get("force", ()), old, objects)
    outcome.changes += [str(step) for step in way]
    outcome.changes += ["save %s" % name for name in saved.lacks(wanted)]
    gone = [one for one in converge.dropped(old, wanted) if saved.has("storage_objects", one["plugin"], one["name"])]
    outcome.changes += ["unsave %s" % one["name"] for one in gone]
    if work.check or not outcome.changes:
        return
    converge.refuse_what_is_not_there(system, wanted)
    doing.files = converge.new_files(system, wanted)
    is_new = any(step.call == steps.MKDIR and step.path == "%s/%s" % (lio.ISCSI, doing.wwn) for step in way)
    steps.apply(system, way, doing.done)
    saved.put(wanted)
    for one in gone:
        saved.drop("storage_objects", one["plugin"], one["name"])
    if is_new:
        outcome.made.append(_made(doing))
    elif doing.token:
        outcome.made.append(["changed", doing.wwn, doing.token])


def _made(doing: _Doing) -> List[Any]:
    """Return what an undo needs to take a new target away."""
    objects = [[one["plugin"], one["name"], one["dev"]] for one in doing.wanted["storage_objects"]]
    if doing.item.args.get("strict"):
        return ["fragment", doing.wwn, doing.item.args["dataset"], objects, doing.files]
    return ["target", doing.wwn, doing.item.args["dataset"], objects[0][1]]


def with_recorded_serials(wanted: Dict[str, Any], serials: Dict[str, zfs.Found]) -> Dict[str, Any]:
    """Return the fragment with the serials that its volumes carry; `serials` is what ZFS says of them."""
    wanted = copy.deepcopy(wanted)
    wanted.setdefault("storage_objects", [])
    wanted.setdefault("targets", [])
    for storage in wanted["storage_objects"]:
        found = serials.get(storage["dev"][len(path_of("")) :]) if storage["plugin"] == "block" else None
        recorded = found.local(zfs.SERIAL) if found else ""
        if not recorded:
            continue
        try:
            storage["wwn"] = str(uuid.UUID(recorded))
        except ValueError:
            raise ItemError(
                "%s=%s of %s is not a UUID" % (zfs.SERIAL, recorded, found.name if found else ""),
                "zfs inherit it, or set it right",
            ) from None
    return wanted


def _datasets(wanted: Dict[str, Any]) -> List[str]:
    begin = path_of("")
    storages = wanted.get("storage_objects", [])
    return [one["dev"][len(begin) :] for one in storages if one["dev"].startswith(begin)]
