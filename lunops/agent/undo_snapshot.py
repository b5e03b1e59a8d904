"""Take back snapshots, holds, rollbacks, promotions and renames.

made: ["snapshot", [SNAPSHOT, …], RUN, {SNAPSHOT: GUID}]   no GUIDs: the agent died at it, and the mark alone tells
    | ["hold", SNAPSHOT, GUID, TAG] | ["release", SNAPSHOT, GUID, TAG]
    | ["rollback", SNAPSHOT]                                cannot be taken back
    | ["promote", DATASET, FORMER ORIGIN'S DATASET, TAG, GUID OF THE ORIGIN]
    | ["rename", OLD, NEW, GUID] | ["aside", NAME, IS ASIDE]
"""

from __future__ import annotations

from lunops.agent import destroy, holds, promote, rename, zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import UndoKind

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

    from lunops.agent.work import Work


def _snapshot(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Destroy just the snapshots that the run took, all of them or none: what holds one keeps its siblings too."""
    _kind, names, mark, guids = step
    found = zfs.observe(work.system, names, ("guid", "userrefs", "clones", zfs.MANAGED, zfs.MADE))
    for name, one in sorted(found.items()):
        if one.local(zfs.MANAGED) != "1" or one.local(zfs.MADE) != mark:
            if not guids:
                return  # the agent died at it, before it had taken them: these are another's
            raise ItemError("%s does not carry this run's mark" % name, "look at it before destroying it")
        if guids and guids.get(name) != one.value("guid"):
            raise ItemError("%s is another snapshot by now" % name, "look at it before destroying it")
        if one.value("clones") not in ("-", ""):
            raise ItemError("%s has the clones %s" % (name, one.value("clones")), "destroy these first")
        if one.value("userrefs") != "0":
            tags = ", ".join(sorted(holds.observe(work.system, [name]).get(name, ())))
            raise ItemError("%s is held: %s" % (name, tags), "release it first (zfs_release)")
    for name in sorted(found):
        try:
            destroy.destroy(work.system, name)
        except ItemError:
            if zfs.observe(work.system, [name], ("guid",)):
                raise
        outcome.changes.append("zfs destroy %s" % name)


def _snapshot_by_hand(step: Sequence[Any]) -> str:
    return " && ".join("zfs destroy %s" % name for name in step[1])


def _hold(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    _kind, name, guid, tag = step
    if holds.is_same(work.system, name, guid) and tag in holds.observe(work.system, [name]).get(name, ()):
        holds.refuse_deferred(work.system, name)
        zfs.must(work.system, ["zfs", "release", tag, name])
        outcome.changes.append("zfs release %s %s" % (tag, name))


def _release(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    _kind, name, guid, tag = step
    if not holds.is_same(work.system, name, guid):
        raise ItemError("%s is gone, so it cannot be held again" % name, "restore it from a copy, if there is one")
    if tag not in holds.observe(work.system, [name]).get(name, ()):
        zfs.must(work.system, ["zfs", "hold", tag, name])
        outcome.changes.append("zfs hold %s %s" % (tag, name))


def _rollback(_work: Work, step: Sequence[Any], _outcome: Outcome) -> None:
    raise ItemError(
        "the rollback to %s cannot be taken back: what was written since is gone" % step[1],
        "restore it from a copy, if there is one; a snapshot taken before the next rollback keeps the way back",
    )


KINDS: Dict[str, UndoKind] = {
    "hold": UndoKind(_hold, lambda step: "zfs release %s %s" % (step[3], step[1])),
    "promote": UndoKind(promote.take_back, lambda step: "zfs promote %s" % step[2]),
    "release": UndoKind(_release, lambda step: "zfs hold %s %s" % (step[3], step[1])),
    "aside": UndoKind(rename.unmark, rename.unmark_by_hand),
    "rename": UndoKind(rename.take_back, lambda step: "zfs rename %s %s" % (step[2], step[1])),
    "rollback": UndoKind(
        _rollback, lambda step: "zfs receive a copy of %s: its rollback cannot be taken back" % step[1].split("@")[0]
    ),
    "snapshot": UndoKind(_snapshot, _snapshot_by_hand),
}
