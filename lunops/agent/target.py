"""lio_target: have each fragment's storage objects and targets in the kernel and in saveconfig.json.

    {"dataset": "p/x", "wwn": IQN, "fragment": {"storage_objects": […], "targets": […]}}

Observe just the fragment's own names, take the difference, apply it object by object; an item that fails
half-way is taken back. What is wanted is recorded before the kernel is changed, and saveconfig.json written
after it, both for a group of items at once; only then are they reported.
"""

from __future__ import annotations

import copy
import uuid

from lunops.agent import fragment, lio, records, remove, steps, zfs
from lunops.agent.device import Devices, path_of
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.work import explain, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_AT_ONCE = 25  # items between two writes of saveconfig.json: progress is seen, and the file stays cheap


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    serials = zfs.observe(work.system, [item.args["dataset"] for item in items], (zfs.SERIAL,))
    with lio.locked(work):
        if not work.check:
            lio.load(work.system)
        for start in range(0, len(items), _AT_ONCE):
            _group(work, items[start : start + _AT_ONCE], serials)


def _group(work: Work, items: Sequence[Item], serials: Dict[str, zfs.Found]) -> None:
    """Record what is wanted of some items, apply it, save once, report them."""
    saved = SaveConfig(work.system)
    recorded = Records(work.system)
    before = recorded.all()
    outcomes = {item.key: Outcome() for item in items}
    wanted: Dict[str, Dict[str, Any]] = {}
    for item in items:
        guarded(outcomes[item.key], lambda: _record(item, serials, recorded, wanted, outcomes[item.key]))  # noqa: B023
    if not work.check:
        recorded.write()
    applied: List[Tuple[Item, float, List[steps.Step]]] = []
    for item in items:
        outcome = outcomes[item.key]
        begun = work.system.monotonic()
        done: List[steps.Step] = []
        if work.is_over():
            work.skip(item)
            recorded.put(item.args["wwn"], before.get(item.args["wwn"]))
            continue
        if not outcome.error:
            guarded(outcome, lambda: _one(work, item, wanted[item.key], saved, outcome, done))  # noqa: B023
        if outcome.error:
            outcome.rolled_back, outcome.left_behind = steps.take_back(work.system, done)
            if not outcome.left_behind:
                recorded.put(item.args["wwn"], before.get(item.args["wwn"]))
        applied.append((item, work.system.monotonic() - begun, done))
    if not work.check:
        _save(work, saved, recorded, before, [(item, outcomes[item.key], done) for item, _seconds, done in applied])
    for item, seconds, _done in applied:
        work.report(item, outcomes[item.key], seconds)


def _record(
    item: Item,
    serials: Dict[str, zfs.Found],
    recorded: Records,
    wanted: Dict[str, Dict[str, Any]],
    outcome: Outcome,
) -> None:
    """Note what is wanted of an item."""
    wwn, dataset = item.args["wwn"], item.args["dataset"]
    wanted[item.key] = with_recorded_serial(item.args["fragment"], serials.get(dataset))
    record = records.exported(dataset, wanted[item.key])
    if recorded.get(wwn) != record:
        outcome.changes.append("record %s" % wwn)
        recorded.put(wwn, record)


def _save(
    work: Work,
    saved: SaveConfig,
    recorded: Records,
    before: Dict[str, Dict[str, Any]],
    applied: Sequence[Tuple[Item, Outcome, List[steps.Step]]],
) -> None:
    """Write saveconfig.json, or take all of it back; then the records, which lost what was taken back."""
    try:
        saved.write()
    except (ItemError, OSError) as error:
        for item, outcome, done in reversed(applied):
            if outcome.changes and not outcome.error:
                outcome.fail(
                    ItemError("saveconfig.json was not written: %s" % explain(error), "mend that, then run again")
                )
                outcome.rolled_back, outcome.left_behind = steps.take_back(work.system, done)
                if not outcome.left_behind:
                    recorded.put(item.args["wwn"], before.get(item.args["wwn"]))
    recorded.write()


def _one(
    work: Work,
    item: Item,
    wanted: Dict[str, Any],
    saved: SaveConfig,
    outcome: Outcome,
    done: List[steps.Step],
) -> None:
    system = work.system
    entries = entries_of(system, wanted)
    state = steps.observe(system, entries)
    difference = steps.difference(entries, state)
    extras = steps.extras(system, entries)
    for path in extras:
        remove.refuse_if_used(system, path)
    outcome.changes += [str(step) for step in difference] + [
        "remove %s" % path.replace(lio.ROOT + "/", "") for path in extras
    ]
    lacking = saved.lacks(wanted)
    outcome.changes += ["save %s" % name for name in lacking]
    if work.check or not outcome.changes:
        return
    for storage in wanted["storage_objects"]:
        if not Devices(system).is_linked(storage["dev"][len(path_of("")) :]):
            raise ItemError(
                "%s is not there, or leads to another volume" % storage["dev"],
                "wait for the device first (wait_for_device)",
            )
    is_new = any(step.call == steps.MKDIR and step.path.endswith("/" + item.args["wwn"]) for step in difference)
    steps.apply(system, difference, done)
    for path in extras:
        remove.folder(system, path)
    saved.put(wanted)
    if is_new:
        outcome.made.append(["target", item.args["wwn"], item.args["dataset"], wanted["storage_objects"][0]["name"]])


def entries_of(system: System, wanted: Dict[str, Any], known: Dict[str, str] | None = None) -> List[fragment.Entry]:
    """Return the fragment's entries, each storage object in the folder that it has or will have.

    `known`: the folders of all storage objects by name, if they were looked up already.
    """
    folders: Dict[str, str] = {}
    entries: List[fragment.Entry] = []
    for storage in wanted["storage_objects"]:
        name = storage["name"]
        if known is None:
            folders[name] = lio.storage_object(system, name) or "%s/%s" % (lio.free_hba(system), name)
        else:
            folders[name] = known.get(name) or "%s/iblock_new/%s" % (lio.CORE, name)
        entries += fragment.storage_entries(storage, folders[name])

    def folder_of(name: str) -> str:
        folder = folders.get(name) or lio.storage_object(system, name)
        if not folder:
            raise ItemError("there is no storage object %s for a LUN of this fragment" % name)
        return folder

    for target in wanted["targets"]:
        entries += fragment.target_entries(target, folder_of)
    return entries


def with_recorded_serial(wanted: Dict[str, Any], found: zfs.Found | None) -> Dict[str, Any]:
    """Return the fragment with the serial that the dataset carries: a LUN keeps it when its head is renamed."""
    recorded = found.local(zfs.SERIAL) if found else ""
    wanted = copy.deepcopy(wanted)
    wanted.setdefault("storage_objects", [])
    wanted.setdefault("targets", [])
    if not recorded or len(wanted["storage_objects"]) != 1:
        return wanted
    try:
        wanted["storage_objects"][0]["wwn"] = str(uuid.UUID(recorded))
    except ValueError:
        raise ItemError(
            "%s=%s of %s is not a UUID" % (zfs.SERIAL, recorded, found.name if found else ""),
            "zfs inherit it, or set it right",
        ) from None
    return wanted
