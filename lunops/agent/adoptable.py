"""From a LUN as the kernel has it to the fragment that a record of it is made of, when lunops did not export it.

The fragment is held against the kernel once more before it is used, so that what cannot be written down in a fragment
is refused instead of being lost.
"""

from __future__ import annotations

from lunops.agent import converge, lio, readback, remove
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict

    from lunops.agent.storage_objects import StorageObjects
    from lunops.agent.system import System

_KEEP = "keep it in the hands that made it"


def volume_of(system: System, wwn: str) -> str:
    """Return the folder of the one storage object behind a target; raises ItemError where it is not one."""
    base = "%s/%s" % (lio.ISCSI, wwn)
    tpgs = [name for name in lio.folders(system, base) if name.startswith("tpgt_")]
    backing = sorted(set(remove.luns_of(system, base)))
    if len(tpgs) != 1 or len(backing) != 1:
        raise ItemError(
            "%s has %d portal groups and %d storage objects, and a LUN of lunops has one of each"
            % (wwn, len(tpgs), len(backing)),
            _KEEP,
        )
    return backing[0]


def fragment_of(system: System, wwn: str, objects: StorageObjects) -> Dict[str, Any]:
    """Return the fragment of a target; raises ItemError naming what a fragment cannot say."""
    found = readback.full(system, wwn, objects)
    different = [str(step) for step in converge.way(system, found, (remove.SESSIONS,), objects=objects)]
    if different:
        raise ItemError("%s has what lunops cannot write down: %s" % (wwn, "; ".join(different[:5])), _KEEP)
    return found
