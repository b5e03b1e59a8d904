"""Tell, of everything that was seen on a head, what is not as it is recorded. Changes nothing."""

from __future__ import annotations

import contextlib

from lunops.agent import absent, converge, lio, records, remove, runs, steps, zfs
from lunops.agent.device import path_of
from lunops.agent.drifted import (
    CHANGED,
    DESTROY,
    DEVICE,
    EXPORT,
    EXTRA,
    FORGET,
    HALF_MADE,
    IN_WORK,
    KERNEL,
    MISSING,
    RECORD,
    SAVECONFIG,
    TAKE_BACK,
    TAKE_IN,
    UNRECORDED,
    UNSHARE,
    ZFS,
    Finding,
)
from lunops.agent.look import Seen, dataset_of
from lunops.agent.outcome import ItemError
from lunops.agent.storage_objects import StorageObjects

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set

_MOST = 12  # reasons of one kind that are told of one LUN


def findings(seen: Seen) -> List[Finding]:
    """Return what differs, LUN by LUN; healthy LUNs are not in it."""
    found: List[Finding | None] = []
    for wwn, record in sorted(seen.records.items()):
        judged = {records.MAKING: _making, records.EXPORTED: _wanted}.get(record["want"], _unwanted)
        found.append(judged(seen, wwn, record))
    for dataset, marks in sorted(seen.marked.items()):
        wwn = marks.get(zfs.LUN, "")
        if wwn and wwn not in seen.records:
            found.append(_unrecorded(seen, wwn, dataset, marks))
        # Of a volume that was renamed, the record tells; the mark on a second volume is a creation's that failed.
        elif wwn and seen.records[wwn]["dataset"] in (seen.found.keys() - {dataset}):
            found.append(_interrupted(seen, Finding(wwn, dataset, ""), marks))
    told = [each for each in found if each is not None]
    told += _without_marks(seen)
    return told


# -- what is recorded -----------------------------------------------------------------------------------------


def _wanted(seen: Seen, wwn: str, record: Dict[str, Any]) -> Finding | None:
    """Compare a LUN that is to be exported with all its layers."""
    dataset, datasets = record["dataset"], records.datasets(record)
    finding = Finding(wwn, dataset, records.storage_object(record) or lio.name_of(wwn))
    finding.record = record
    gone = [name for name in datasets if name not in seen.found]
    if gone == [dataset]:
        return _without_dataset(seen, finding)
    if gone:
        what = "its volumes %s are gone" % ", ".join(gone)
        return finding.add(MISSING, ZFS, what).block(ItemError(what, "run lio_fragment again without them"))
    if not record.get("fragment"):
        what = "its record has no fragment"
        return finding.add(CHANGED, RECORD, what).block(ItemError(what, "create the LUN again, which records it"))
    if dataset:
        _compare_zfs(seen, finding)
    for name in datasets:
        if not seen.devices.is_linked(name):
            finding.add(MISSING, DEVICE, "%s is not there, or leads to another volume" % path_of(name))
    with contextlib.suppress(_Blocked):
        _compare_kernel(seen, finding, record["fragment"])
    _compare_saved(seen, finding, record["fragment"])
    if not finding.states:
        return None
    finding.remedies = [EXPORT]
    return finding


class _Blocked(Exception):
    """The rest of a comparison makes no sense."""


def _compare_zfs(seen: Seen, finding: Finding) -> None:
    volume, marks = seen.found[finding.dataset], seen.marked.get(finding.dataset, {})
    if volume.value("type") != "volume":
        what = "%s is a %s" % (finding.dataset, volume.value("type"))
        finding.add(CHANGED, ZFS, what).block(ItemError(what, "rename it away, or delete the LUN"))
    marked = marks.get(zfs.LUN, finding.wwn)
    if marked != finding.wwn:
        what = "the mark %s of %s is %s" % (zfs.LUN, finding.dataset, marked)
        fix = "if it is that LUN: zfs set %s=%s %s" % (zfs.LUN, finding.wwn, finding.dataset)
        finding.add(CHANGED, ZFS, what).block(ItemError(what, fix))
    for storage in (finding.record or {})["fragment"].get("storage_objects", [])[:1]:
        serial = marks.get(zfs.SERIAL, storage["wwn"])
        if serial != storage["wwn"]:
            what = "the mark %s is %s, and the LUN's serial is %s" % (zfs.SERIAL, serial, storage["wwn"])
            fix = "initiators know the disk by its serial: zfs set %s=%s %s" % (
                zfs.SERIAL,
                storage["wwn"],
                finding.dataset,
            )
            finding.add(CHANGED, ZFS, what).block(ItemError(what, fix))


def _compare_kernel(seen: Seen, finding: Finding, wanted: Dict[str, Any]) -> None:
    system, path = seen.system, "%s/%s" % (lio.ISCSI, finding.wwn)
    names = [storage["name"] for storage in wanted.get("storage_objects", [])]
    there = [name for name in names if name in seen.storage]
    try:
        entries = converge.entries_of(wanted, StorageObjects(system, seen.storage))
        todo = steps.difference(entries, steps.observe(system, entries))
        extras = steps.extras(system, entries)
    except ItemError as error:
        finding.add(CHANGED, KERNEL, error.what).block(error)
        raise _Blocked from None
    if not there and finding.wwn not in seen.targets:
        finding.add(MISSING, KERNEL, "the kernel has neither its target nor its storage object")
    else:
        made = [step for step in todo if step.call in (steps.MKDIR, steps.SYMLINK)]
        new = [step.path + "/" for step in made if step.call == steps.MKDIR]
        other = [step for step in todo if step.call == steps.WRITE and not step.path.startswith(tuple(new))]
        if made:
            finding.add(HALF_MADE, KERNEL, *["lacks %s" % _short(step.path) for step in made][:_MOST])
        if other:
            finding.add(CHANGED, KERNEL, *[_value(step) for step in other][:_MOST])
        if extras:
            finding.add(CHANGED, KERNEL, *["has %s, which is not wanted" % _short(path) for path in extras][:_MOST])
        _refuse_if_used(seen, finding, path, [step for step in other if not _is_enable(step)], extras)
    if finding.dataset and finding.storage_object not in seen.storage and seen.claims(finding.dataset):
        what = "its volume is exported by the storage object %s, which lunops did not make" % ", ".join(
            seen.claims(finding.dataset)
        )
        finding.add(CHANGED, KERNEL, what).block(ItemError(what, "remove that with targetcli, if it must go"))


def _refuse_if_used(seen: Seen, finding: Finding, path: str, values: List[steps.Step], extras: List[str]) -> None:
    """Block a mending that would take something from a logged-in initiator, or change it under its feet."""
    try:
        for extra in extras:
            who = remove.users(seen.system, extra)
            if who:
                what = "%s is not wanted, but in use by %s" % (_short(extra), ", ".join(who))
                raise ItemError(what, remove.LOG_OUT)
        if values and finding.wwn in seen.targets:
            who = lio.sessions(seen.system, path)
            if who:
                raise ItemError(
                    "%s is in use by %s, and would be changed: %s"
                    % (finding.wwn, ", ".join(who), "; ".join(map(str, values[:_MOST]))),
                    "log the initiator out, or set it back by hand",
                )
    except ItemError as error:
        finding.block(error)


def _compare_saved(seen: Seen, finding: Finding, wanted: Dict[str, Any]) -> None:
    lacking = seen.saved.lacks(wanted)
    if not lacking:
        return
    is_there = SAVECONFIG in _leftovers(seen, finding)
    finding.add(
        CHANGED if is_there else MISSING,
        SAVECONFIG,
        *["saveconfig.json lacks the %s, or has it with other values" % name for name in lacking],
    )


def _without_dataset(seen: Seen, finding: Finding) -> Finding:
    """Tell of a record whose volume is not there."""
    dataset = finding.dataset
    if not seen.has_pool_of(dataset):
        what = "the pool %s is not imported" % dataset.split("/")[0]
        return finding.add(MISSING, ZFS, what).block(ItemError(what, "zpool import %s" % dataset.split("/")[0]))
    others = sorted(name for name, marks in seen.marked.items() if marks.get(zfs.LUN) == finding.wwn)
    if others:
        what = "its volume %s is called %s now" % (dataset, ", ".join(others))
        return finding.add(CHANGED, ZFS, what).block(ItemError(what, "zfs rename %s %s" % (others[0], dataset)))
    finding.add(EXTRA, RECORD, "its volume %s is gone" % dataset)
    for layer in _leftovers(seen, finding):
        finding.add(EXTRA, layer)
    finding.remedies = [UNSHARE, FORGET]
    return finding


def _unwanted(seen: Seen, wwn: str, record: Dict[str, Any]) -> Finding | None:
    """Tell of a delete that was not finished; nothing if it was, though the volume was kept."""
    dataset = record["dataset"]
    finding = Finding(wwn, dataset, records.storage_object(record) or lio.name_of(wwn))
    finding.record = record
    if not dataset:  # files stay when their target is taken away, and the record of it with them
        for layer in _leftovers(seen, finding):
            finding.add(EXTRA, layer, "it is recorded as %s, and is still in the %s" % (record["want"], layer))
            finding.remedies = [UNSHARE]
        return finding if finding.states else None
    for layer in _leftovers(seen, finding):
        finding.add(EXTRA, layer, "it is recorded as %s, and is still in the %s" % (record["want"], layer))
        finding.remedies = [UNSHARE]
    if not seen.has_pool_of(dataset):
        return finding if finding.states else None
    volume = seen.found.get(dataset)
    is_other = volume is not None and record["want"] == records.DESTROYED and volume.value("guid") != record["guid"]
    if volume is None or is_other:
        what = "%s is %s" % (dataset, "another volume by now" if is_other else "gone")
        finding.add(EXTRA, RECORD, "the delete is over: " + what).remedies.append(FORGET)
    elif record["want"] == records.DESTROYED:
        finding.add(EXTRA, ZFS, "%s was to be destroyed" % dataset).remedies.append(DESTROY)
    return finding if finding.states else None


def _making(seen: Seen, wwn: str, record: Dict[str, Any]) -> Finding | None:
    """Tell of a LUN whose creation stopped before its export was recorded."""
    dataset = record["dataset"]
    finding = Finding(wwn, dataset, lio.name_of(wwn))
    if dataset in seen.found:
        finding = _interrupted(seen, finding, {})
    elif seen.has_pool_of(dataset):
        finding.add(EXTRA, RECORD, "its creation was interrupted before its clone was made")
    else:
        return None
    finding.record, finding.run = record, record["run"]
    if not finding.blocked:
        finding.remedies += [FORGET]
        for layer in _leftovers(seen, finding):
            finding.add(EXTRA, layer, "the %s has something of it" % layer).remedies.insert(0, UNSHARE)
    return _leave_if_in_work(seen, finding)


# -- what is not recorded -------------------------------------------------------------------------------------


def _unrecorded(seen: Seen, wwn: str, dataset: str, marks: Dict[str, str]) -> Finding | None:
    """Tell of a LUN that carries our name, and of which there is no record."""
    finding = Finding(wwn, dataset, _storage_of(seen, wwn, dataset))
    finding.run = marks.get(zfs.MADE, "")
    layers = _leftovers(seen, finding)
    if _is_whole(seen, finding):
        finding.add(UNRECORDED, RECORD, "it is exported, and there is no record of it")
        finding.remedies = [TAKE_IN] if SAVECONFIG in layers else [TAKE_IN, EXPORT]
        if SAVECONFIG not in layers:
            finding.add(MISSING, SAVECONFIG, "saveconfig.json lacks it")
    elif _is_saved(seen, finding) and dataset in seen.found:
        finding.add(UNRECORDED, RECORD, "saveconfig.json has it, and there is no record of it")
        finding.add(MISSING, KERNEL, "the kernel does not export it")
        finding.remedies = [TAKE_IN, EXPORT]
    elif layers:
        for layer in layers:
            finding.add(HALF_MADE, layer, "the %s has a part of it, and there is no record of it" % layer)
        finding.remedies = [UNSHARE] + ([TAKE_BACK] if marks else [])
        _leave_if_in_work(seen, finding)
    elif marks:
        return _interrupted(seen, finding, marks)
    else:
        return None
    return finding


def _interrupted(seen: Seen, finding: Finding, marks: Dict[str, str]) -> Finding:
    """Tell of a marked clone that nothing exports."""
    finding.run = marks.get(zfs.MADE, "")
    claims = seen.claims(finding.dataset)
    if claims:
        what = "%s is marked for %s, and exported by %s" % (finding.dataset, finding.wwn, ", ".join(claims))
        finding.add(CHANGED, ZFS, what)
        return finding.block(ItemError(what, "remove that with targetcli, or take its target in: lunops adopt"))
    finding.add(HALF_MADE, ZFS, "its creation was interrupted: it was never exported")
    finding.remedies = [TAKE_BACK]
    return _leave_if_in_work(seen, finding)


def _without_marks(seen: Seen) -> List[Finding]:
    """Tell of what is named as we name ours, and belongs to no record and no marked volume."""
    known = set(seen.records) | {marks.get(zfs.LUN, "") for marks in seen.marked.values()}
    names: Set[str] = {name for name in seen.storage if lio.is_ours(name)} | set(seen.saved_ours())
    names -= {lio.name_of(wwn) for wwn in known} | {records.storage_object(record) for record in seen.records.values()}
    if not names:
        return []
    found = []
    wwns = {lio.name_of(wwn): wwn for wwn in seen.targets | set(seen.saved.names("targets"))}
    for name in sorted(names):
        dataset = dataset_of(seen.udev_path(name)) or dataset_of(seen.saved_dev(name))
        finding: Finding | None = None
        if name in wwns and dataset in seen.found:
            finding = _unrecorded(seen, wwns[name], dataset, {})
        else:
            finding = Finding(wwns.get(name, ""), dataset, name)
            finding.remedies = [UNSHARE]
            for layer in _leftovers(seen, finding):
                finding.add(EXTRA, layer, "the %s has %s, which belongs to no LUN" % (layer, name))
            if dataset and not seen.has_pool_of(dataset):
                what = "the pool %s is not imported" % dataset.split("/")[0]
                finding.block(ItemError(what, "zpool import %s" % dataset.split("/")[0]))
        if finding is not None:
            found.append(finding)
    return found


def _leave_if_in_work(seen: Seen, finding: Finding) -> Finding:
    """Return the finding, as in work where the run that made its clone is still there.

    Only what has no record can be in work: a run records a target first, and under the lock that we hold.
    """
    who = runs.at_work(seen.system, finding.run)
    if who:
        finding.states, finding.remedies = [IN_WORK], []
        finding.reasons = ["in work by %s" % who]
    return finding


# -- what stands where ----------------------------------------------------------------------------------------


def _leftovers(seen: Seen, finding: Finding) -> List[str]:
    """Return the layers that have something of the LUN's export."""
    wwn = finding.wwn
    objects = [(one["plugin"], one["name"]) for one in absent.objects_of(finding.record)]
    objects = objects or [("block", finding.storage_object)]
    layers = []
    if (wwn and wwn in seen.targets) or any(name in seen.storage for _plugin, name in objects):
        layers.append(KERNEL)
    if (wwn and seen.saved.has("targets", "iscsi", wwn)) or any(
        seen.saved.has("storage_objects", plugin, name) for plugin, name in objects
    ):
        layers.append(SAVECONFIG)
    return layers


def _storage_of(seen: Seen, wwn: str, dataset: str) -> str:
    """Return the name of the storage object behind a target: the one that it has, else the one that we would make."""
    if wwn in seen.targets:
        for path in remove.luns_of(seen.system, "%s/%s" % (lio.ISCSI, wwn)):
            if seen.system.read(path + "/udev_path").strip() == path_of(dataset):
                return path.rsplit("/", 1)[-1]
    return lio.name_of(wwn)


def _is_whole(seen: Seen, finding: Finding) -> bool:
    """Return whether the kernel serves the volume by the target."""
    if finding.wwn not in seen.targets or seen.udev_path(finding.storage_object) != path_of(finding.dataset):
        return False
    path = "%s/%s" % (lio.ISCSI, finding.wwn)
    tpgs = [name for name in lio.folders(seen.system, path) if name.startswith("tpgt_")]
    enabled = any(seen.system.read("%s/%s/enable" % (path, tpg)).strip() == "1" for tpg in tpgs)
    return enabled and seen.storage[finding.storage_object] in remove.luns_of(seen.system, path)


def _is_saved(seen: Seen, finding: Finding) -> bool:
    return seen.saved.has("targets", "iscsi", finding.wwn) and (
        seen.saved_dev(finding.storage_object) == path_of(finding.dataset)
    )


def _is_enable(step: steps.Step) -> bool:
    return step.path.endswith("/enable") and step.value == "1"


def _value(step: steps.Step) -> str:
    if step.secret:
        return "%s is not what is recorded" % _short(step.path)
    return "%s is %s, not %s" % (_short(step.path), step.old or "empty", step.value)


def _short(path: str) -> str:
    return path.replace(lio.ROOT + "/", "")
