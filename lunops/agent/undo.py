"""Take back what a run made for an item, newest first, and only what still carries that run's mark.

made: ["clone", DATASET, RUN, STORAGE OBJECT], with the target that was made on it
    | ["perhaps", DATASET, RUN, STORAGE OBJECT]   the agent died at it: the same, if it is there and carries the mark
    | ["volume" or "filesystem", DATASET, RUN, ""]   and those that properties and resize tell
    | ["received", DATASET, RUN, TAG, GUID, TAG BEFORE or ""]   a snapshot that zfs_send brought here
    | ["adopted", DATASET, IQN, {MARK: VALUE}]    what adopt has set
    | ["parent", DATASET, RUN] | ["target", IQN, DATASET, STORAGE OBJECT]
    | what lunops.agent.undo_snapshot takes back
    and those of lunops.agent.undo_lio and lunops.agent.keep, and ["tree", PATH]: a folder that was removed
"""

from __future__ import annotations

from lunops.agent import (
    absent,
    adopt,
    boot_order,
    destroy,
    file,
    keep,
    lio,
    properties,
    receive,
    records,
    remove,
    resize,
    undo_lio,
    undo_snapshot,
    wedged,
    zfs,
)
from lunops.agent.device import path_of
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.work import UndoKind

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Take back each item's `made`; what cannot be is left behind, with the command that would do it.

    The last item goes first: promotions, and names that were handed on, come back the way they went.
    """
    stuck = wedged.reason(work.system)
    for item in reversed(items):
        begun = work.system.monotonic()
        outcome = Outcome()
        if stuck is not None:  # even looking at LIO may hang: what is to be taken back is told
            outcome.fail(stuck)
            outcome.left_behind = [KINDS[step[0]].by_hand(step) for step in reversed(item.args["made"])]
            work.report(item, outcome, 0.0)
            continue
        for step in reversed(item.args["made"]):
            try:
                KINDS[step[0]].take_back(work, step, outcome)
            except (ItemError, OSError) as error:
                what = error if isinstance(error, ItemError) else ItemError(str(error))
                outcome.fail(what)
                outcome.left_behind.append(KINDS[step[0]].by_hand(step))
        work.report(item, outcome, work.system.monotonic() - begun)


def _clone(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    system = work.system
    kind, dataset, mark, storage = step
    found = zfs.observe(system, [dataset], ("type", "origin", zfs.MANAGED, zfs.MADE, zfs.LUN)).get(dataset)
    if found is not None and found.local(zfs.MADE) == mark:
        destroy.check(found, zfs.dependents(system, [dataset]).get(dataset, []))
        _unshare(work, found.local(zfs.LUN), dataset, storage, outcome)
        records.forget(work, [dataset])
        destroy.destroy(system, dataset)
        outcome.changes.append("zfs destroy %s" % dataset)
    elif found is not None and kind != "perhaps":
        raise ItemError("%s is no longer what this run made" % dataset, "look at it before destroying it")
    if found is None:
        records.forget(work, [dataset], records.MAKING)
    if kind == "perhaps":
        for parent in reversed(zfs.parents_of(dataset)):
            _parent(system, parent, mark, outcome)


def _made_parent(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    _parent(work.system, step[1], step[2], outcome)


def _parent(system: System, name: str, mark: str, outcome: Outcome) -> None:
    """Destroy a parent that the run made, unless something lives in it by now."""
    found = zfs.observe(system, [name], ("type", zfs.MADE)).get(name)
    if found is None or found.local(zfs.MADE) != mark or found.value("type") != "filesystem":
        return
    if not zfs.dependents(system, [name]).get(name):
        destroy.destroy(system, name)
        outcome.changes.append("zfs destroy %s" % name)


def _unshare(work: Work, wwn: str, dataset: str, name: str, outcome: Outcome) -> None:
    """Take away what was made of a clone's target, be it only its first folder; never what is another LUN's."""
    system = work.system
    storage = lio.storage_object(system, name) if name else ""
    target = "%s/%s" % (lio.ISCSI, wwn)
    if storage and system.read(storage + "/udev_path").strip() not in ("", path_of(dataset)):
        return
    if not wwn or not (storage or system.is_dir(target)):
        return
    if [path for path in remove.luns_of(system, target) if path != storage]:
        return
    _target(work, wwn, dataset, name, outcome)


def _made_target(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    _target(work, step[1], step[2], step[3], outcome)


def _target(work: Work, wwn: str, dataset: str, storage: str, outcome: Outcome) -> None:
    with lio.locked(work):
        saved = SaveConfig(work.system)
        args = {"wwn": wwn, "dataset": dataset, "storage_object": storage}
        absent.unshare(work.system, args, saved, outcome.changes, check=False)
        saved.write()
    records.forget(work, [dataset])


def _destroy_by_hand(step: Sequence[Any]) -> str:
    return "zfs destroy %s" % step[1]


def _target_by_hand(step: Sequence[Any]) -> str:
    return "targetcli /iscsi delete %s && targetcli /backstores/block delete %s" % (step[1], step[3])


KINDS: Dict[str, UndoKind] = {
    "adopted": adopt.UNDO,
    "boot_file": UndoKind(boot_order.take_back_file, boot_order.file_by_hand),
    "clone": UndoKind(_clone, _destroy_by_hand),
    "filesystem": UndoKind(_clone, _destroy_by_hand),
    "parent": UndoKind(_made_parent, _destroy_by_hand),
    "perhaps": UndoKind(_clone, _destroy_by_hand),
    "resize": UndoKind(resize.take_back, resize.by_hand),
    "set": UndoKind(properties.take_back, properties.by_hand),
    "received": UndoKind(receive.take_back, receive.by_hand),
    "target": UndoKind(_made_target, _target_by_hand),
    "unit_enabled": UndoKind(boot_order.take_back_enabled, boot_order.enabled_by_hand),
    "volume": UndoKind(_clone, _destroy_by_hand),
    **file.KINDS,
    **keep.KINDS,
    **undo_lio.KINDS,
    **undo_snapshot.KINDS,
}
