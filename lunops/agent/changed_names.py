"""Which names a task changes: those of datasets, snapshots and targets, by the module and an item's arguments.

A module that is not here only looks, or is not about storage, or is about the head as a whole. What is only read (the
source of a clone) and what many share (the parents of a clone) is not changed: ZFS itself guards it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Set

    from lunops.agent.work import Item

# How many names of its own a step has that an undo takes back; the steps that are not here have none.
_NAMES_OF_STEP = {
    **dict.fromkeys(("adopted", "clone", "filesystem", "perhaps", "received", "resize", "set", "volume"), 1),
    **dict.fromkeys(("changed", "fragment", "unshared"), 1),
    **dict.fromkeys(("aside", "hold", "release", "rollback", "snapshot"), 1),
    **dict.fromkeys(("promote", "rename", "target"), 2),
}


def changed_names(module: str, item: Item) -> Set[str]:
    """Return the names that an item of a module changes; none if that is not about names."""
    found = MODULES.get(module)
    return set() if found is None else {item.key, *found(item.args)} - {""}


def _dataset(args: Dict[str, Any]) -> List[str]:
    return [args["dataset"]]


def _snapshot(args: Dict[str, Any]) -> List[str]:
    return [args["snapshot"]]


def _clone(args: Dict[str, Any]) -> List[str]:
    from lunops.agent import zfs  # here: the task loads it anyway, and not every session has such a one

    return [args["dst"], args.get("marks", {}).get(zfs.LUN, "")]


def _target(args: Dict[str, Any]) -> List[str]:
    from lunops.agent import records

    return [args["wwn"], *records.datasets(args)]


def _absent(args: Dict[str, Any]) -> List[str]:
    return [args.get("dataset", ""), args["wwn"]]


def _destroy(args: Dict[str, Any]) -> List[str]:
    return [args.get("snapshot") or args["dataset"]]


def _rollback(args: Dict[str, Any]) -> List[str]:
    return [args["snapshot"], args["snapshot"].split("@")[0]]


def _lun(args: Dict[str, Any]) -> List[str]:
    return [name for part, given in args.items() if part in MODULES for name in MODULES[part](given)]


def _undo(args: Dict[str, Any]) -> List[str]:
    names: List[str] = []
    for kind, *rest in args["made"]:
        for found in rest[: _NAMES_OF_STEP.get(kind, 0)]:
            names += found if isinstance(found, list) else [str(found)]
    return names


MODULES: Dict[str, Callable[[Dict[str, Any]], List[str]]] = {
    "adopt": _dataset,
    "lio_absent": _absent,
    "lio_fragment": _target,
    "lio_target": _target,
    "lun": _lun,
    "reconcile": lambda args: [args.get("lun", "")],
    "undo": _undo,
    "zfs_clone": _clone,
    "zfs_destroy": _destroy,
    "zfs_filesystem": _dataset,
    "zfs_hold": _snapshot,
    "zfs_promote": lambda args: [args["dataset"], args.get("in_place_of", "")],
    "zfs_receive": lambda args: [args["dst"]],
    "zfs_release": _snapshot,
    "zfs_rename": lambda args: [args["src"], args["dst"]],
    "zfs_resize": _dataset,
    "zfs_rollback": _rollback,
    "zfs_set": _dataset,
    "zfs_snapshot": lambda args: list(args["snapshots"]),
    "zfs_volume": _dataset,
}
