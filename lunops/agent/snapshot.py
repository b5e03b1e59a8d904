"""zfs_snapshot: have a snapshot of each of an item's datasets, all of one instant.

    {"snapshots": ["p/x@t", "p/y@t"], "properties": {…}, "marks": {…}}

none there → one `zfs snapshot` for all of them, which ZFS does as a whole or not at all; all there and of one
transaction group → kept, whoever took them (`data` says who); anything else → error, for it is not one instant.
"""

from __future__ import annotations

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

# One `zfs snapshot` is one transaction group, and what two commands take in one group has the same content too.
_INSTANT = "createtxg"
_BASE = ("guid", _INSTANT, zfs.MANAGED, zfs.MADE)


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    names = [name for item in items for name in item.args["snapshots"]]
    found = zfs.observe(work.system, [*names, *(name.split("@")[0] for name in names)], _BASE)
    work.each(items, lambda item, outcome: _one(work, item, found, outcome))


def _one(work: Work, item: Item, found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    names, marks = item.args["snapshots"], item.args.get("marks", {})
    lost = [name.split("@")[0] for name in names if name.split("@")[0] not in found]
    if lost:
        raise ItemError("%s not there" % _are(lost), "no snapshot was taken of any of them; see: zfs list")
    there = [name for name in names if name in found]
    if len(there) == len(names):
        _keep(work.system, item, found, outcome)
        return
    if there:
        missing = [name for name in names if name not in found]
        raise ItemError(
            "%s there and %s not: one taken now would be of another instant" % (_are(there), _are(missing)),
            "take another name, or destroy those that are there if they may go",
        )
    argv = zfs.snapshot_command(names, dict(item.args.get("properties", {}), **marks))
    if work.check:
        outcome.changes.append(zfs.shown(argv))
        return
    output = work.system.run(argv)
    now = zfs.observe(work.system, names, _BASE)
    # It may have failed since another was faster, or been ended by its deadline: what is there is what counts.
    if len(now) < len(names) or (output.code != 0 and not _are_ours(now, marks)):
        raise ItemError("zfs snapshot failed: %s" % zfs.said(output), _fix_for(output.err))
    outcome.changes.append(zfs.shown(argv))
    _note(outcome, now, marks)


def _keep(system: System, item: Item, found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    """Keep snapshots that are there, if they are what is wanted."""
    names, properties = item.args["snapshots"], item.args.get("properties", {})
    marks = item.args.get("marks", {})
    now = {name: found[name] for name in names}
    if len({one.value(_INSTANT) for one in now.values()}) > 1:
        told = ", ".join("%s (%s %s)" % (name, _INSTANT, now[name].value(_INSTANT)) for name in names)
        raise ItemError(
            "these are there, but were not taken at one instant: %s" % told,
            "take another name, or destroy them if they may go",
        )
    if properties:
        values = zfs.observe(system, names, sorted(properties))
        for name in names:
            wrong = ["%s=%s" % (key, values[name].value(key)) for key in sorted(properties)
                     if values[name].local(key) != properties[key]]  # fmt: skip
            if wrong:
                raise ItemError(
                    "%s is there, with other properties: %s" % (name, ", ".join(wrong)),
                    "set them with zfs set, or take another name",
                )
    outcome.data = told_of(now)
    if marks.get(zfs.MADE) and _are_ours(now, marks):  # an interrupted run goes on: it is this run's own work
        outcome.changes.append("%s taken earlier in this run" % _were(names))
        _note(outcome, now, marks)


def _note(outcome: Outcome, now: Dict[str, zfs.Found], marks: Dict[str, str]) -> None:
    outcome.data = told_of(now)
    guids = {name: one.value("guid") for name, one in now.items()}
    outcome.made.append(["snapshot", sorted(guids), marks.get(zfs.MADE, ""), guids])


def told_of(found: Dict[str, zfs.Found]) -> List[Dict[str, Any]]:
    """Return what an item's `data` says of its snapshots: `managed` is whether lunops took them, `made` in which run.

    An inherited mark is the dataset's, and says nothing of who took the snapshot.
    """
    return [
        {
            "name": name,
            "guid": one.value("guid"),
            _INSTANT: one.value(_INSTANT),
            "managed": one.local(zfs.MANAGED) == "1",
            "made": one.local(zfs.MADE),
        }
        for name, one in sorted(found.items())
    ]


def _are_ours(found: Dict[str, zfs.Found], marks: Dict[str, str]) -> bool:
    return all(
        one.local(zfs.MANAGED) == "1" and one.local(zfs.MADE) == marks.get(zfs.MADE, "") for one in found.values()
    )


def _are(names: List[str]) -> str:
    return "%s %s" % (_named(names), "is" if len(names) == 1 else "are")


def _were(names: List[str]) -> str:
    return "%s %s" % (_named(names), "was" if len(names) == 1 else "were")


def _named(names: List[str]) -> str:
    return ", ".join(names[:10]) + (" and %d more" % (len(names) - 10) if len(names) > 10 else "")


def _fix_for(text: str) -> str:
    return "free space in the pool, or raise the quota" if "out of space" in text else ""
