"""zfs_promote: have a dataset that is no clone of another: it changes places with the dataset of its origin.

    {"dataset": "p/x", "in_place_of": "p/y"}

The snapshots up to the origin move to it with their marks and holds, the former dataset becomes its clone, and the
other clones of these snapshots name it as their origin from then on. No data moves, no device and no session sees it.

`in_place_of` may be left out only where the former dataset is no clone itself. Promoted, a clone of a clone is a clone
of what that one was a clone of: the same task done again would go on to take the place of the golden image.
"""

from __future__ import annotations

from lunops.agent import listing, zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_BASE = ("type", "origin")


class _Snapshot:
    """One line of the list of a dataset's snapshots."""

    def __init__(self, row: List[str]) -> None:
        self.name, txg, self.guid, clones = row
        self.dataset, self.tag = self.name.split("@")
        self.txg = int(txg)
        self.clones = [] if clones in ("-", "") else clones.split(",")


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task, one item after the other, for each may change what the next one's origin is."""
    names = [item.args["dataset"] for item in items]
    found = _observe(work.system, names)
    snapshots = _snapshots(work.system, names, found)
    is_stale = False
    for item in items:
        begun, outcome = work.system.monotonic(), Outcome()
        if work.is_over():
            work.skip(item)
            continue
        if is_stale:
            found = _observe(work.system, [item.args["dataset"]])
            snapshots = _snapshots(work.system, [item.args["dataset"]], found)
        guarded(outcome, lambda: _one(work, item, found, snapshots, outcome))  # noqa: B023
        is_stale = is_stale or bool(outcome.made or outcome.error)
        work.report(item, outcome, work.system.monotonic() - begun)


def _one(
    work: Work, item: Item, found: Dict[str, zfs.Found], snapshots: Dict[str, List[_Snapshot]], outcome: Outcome
) -> None:
    dataset, in_place_of = item.args["dataset"], item.args.get("in_place_of", "")
    if dataset not in found:
        raise ItemError("%s does not exist" % dataset, "see: zfs list")
    origin = found[dataset].value("origin")
    if origin == "-":
        return
    former = origin.split("@")[0]
    if in_place_of and former != in_place_of:
        return
    above = found[former].value("origin") if former in found else "-"
    if above != "-" and not in_place_of:
        raise ItemError(
            "%s is a clone of %s, which is itself a clone of %s, so it would then be a clone of that"
            % (dataset, former, above),
            "say how far: in_place_of: %s" % former,
        )
    meant = next((each for each in snapshots.get(former, ()) if each.name == origin), None)
    if meant is None:
        raise ItemError("the origin %s of %s cannot be seen" % (origin, dataset), "run again")
    moved = [each for each in snapshots[former] if each.txg <= meant.txg]
    mine = {each.tag for each in snapshots.get(dataset, ())}
    both = [each.name for each in moved if each.tag in mine]
    if both:
        raise ItemError(
            "%s has snapshots of the same names as those that would move to it: %s" % (dataset, ", ".join(both)),
            "rename or destroy one of each two",
        )
    others = sorted({clone for each in moved for clone in each.clones} - {dataset})
    outcome.changes.append("zfs promote %s" % dataset)
    outcome.changes.append("snapshots that move to it: %s" % _some([each.name for each in moved]))
    outcome.changes.append("%s becomes a clone of %s@%s" % (former, dataset, meant.tag))
    if above != "-":
        outcome.changes.append("%s becomes a clone of %s" % (dataset, above))
    if others:
        outcome.changes.append("clones whose origin moves: %s" % _some(others))
    if work.check:
        return
    output = work.system.run(["zfs", "promote", dataset])
    if output.code != 0:  # it may have been done, and been ended by its deadline after that
        now = zfs.observe(work.system, [dataset], _BASE).get(dataset)
        if now is None or now.value("origin") == origin:
            outcome.changes.clear()
            raise ItemError("zfs promote failed: %s" % zfs.said(output))
    outcome.made.append(["promote", dataset, former, meant.tag, meant.guid])


def take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Promote the former origin's dataset again, if it is still the clone that it then became."""
    _kind, dataset, former, tag, guid = step
    system = work.system
    origin = "%s@%s" % (dataset, tag)
    found = zfs.observe(system, [dataset, former, origin, "%s@%s" % (former, tag)], ("origin", "guid"))
    back = found.get("%s@%s" % (former, tag))
    is_clone = dataset in found and found[dataset].value("origin") == "%s@%s" % (former, tag)
    if is_clone and back is not None and back.value("guid") == guid:
        return  # it is as it was
    if (
        former not in found
        or found[former].value("origin") != origin
        or origin not in found
        or found[origin].value("guid") != guid
    ):
        raise ItemError(
            "%s is no longer the clone of %s that promoting made it" % (former, origin),
            "look at both: zfs list -o origin",
        )
    zfs.must(system, ["zfs", "promote", former])
    after = zfs.observe(system, [dataset], ("origin",)).get(dataset)
    if after is None or after.value("origin") != "%s@%s" % (former, tag):
        raise ItemError("%s is not a clone of %s@%s again" % (dataset, former, tag), "see: zfs list -o name,origin")
    outcome.changes.append("zfs promote %s" % former)


def _observe(system: System, names: Sequence[str]) -> Dict[str, zfs.Found]:
    """Return the datasets, and those that they are clones of."""
    found = zfs.observe(system, names, _BASE)
    former = {one.value("origin").split("@")[0] for one in found.values()} - {"-"} - set(found)
    if former:
        found.update(zfs.observe(system, former, _BASE))
    return found


def _snapshots(system: System, names: Sequence[str], found: Dict[str, zfs.Found]) -> Dict[str, List[_Snapshot]]:
    """Return the snapshots of those datasets that are clones, and of those that they are clones of."""
    clones = [name for name in names if name in found and found[name].value("origin") != "-"]
    wanted = {*clones, *(found[name].value("origin").split("@")[0] for name in clones)}
    by_dataset: Dict[str, List[_Snapshot]] = {}
    for row in listing.rows(system, wanted, ("name", "createtxg", "guid", "clones"), ("snapshot",), depth=1):
        each = _Snapshot(row)
        by_dataset.setdefault(each.dataset, []).append(each)
    return by_dataset


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" and %d more" % (len(names) - 10) if len(names) > 10 else "")
