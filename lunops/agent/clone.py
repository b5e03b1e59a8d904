"""zfs_clone: make each clone that is not there yet, with the parents that it needs.

    {"src": "p/img@1", "dst": "p/x", "create_parent": true, "properties": {…}, "marks": {…}, "storage_object": "lo-…"}

absent → `zfs clone`; a clone of the same snapshot → kept, properties set where they differ; anything else → error.
"""

from __future__ import annotations

from lunops.agent import lio, records, zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Set, Tuple

    from lunops.agent.work import Item, Work

    _Intent = Tuple[str, Dict[str, Any] | None]  # the target, and its record before

_BASE = ("type", "origin", zfs.MANAGED, zfs.MADE)


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    found = zfs.observe(work.system, _names(items), _BASE)
    parents = _make_parents(work, items, found)
    done: Set[str] = set()
    before = _record_intents(work, items, found)

    def one(item: Item, outcome: Outcome) -> None:
        _one(work, item, found, parents, outcome)
        done.add(item.args["dst"])

    work.each(items, one)
    _take_back_intents(work, {item.args["dst"]: before[item.key] for item in items if item.key in before}, done)
    parents.take_back_unused(done)


def _record_intents(work: Work, items: Sequence[Item], found: Dict[str, zfs.Found]) -> Dict[str, _Intent]:
    """Record which clones are about to be made for LUNs; return, by item, the target and what its record was."""
    before: Dict[str, _Intent] = {}
    new = [item for item in items if item.args["dst"] not in found and item.args.get("marks", {}).get(zfs.LUN)]
    if work.check or not new:
        return before
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        recorded = records.Records(work.system)
        for item in new:
            dataset, marks = item.args["dst"], item.args["marks"]
            old = recorded.get(marks[zfs.LUN])
            if old is None or old["dataset"] == dataset or old["want"] != records.EXPORTED:
                before[item.key] = (marks[zfs.LUN], old)
                record = records.making(dataset, item.args["src"], marks.get(zfs.MADE, ""))
                recorded.put(marks[zfs.LUN], record)
        recorded.write()
    return before


def _take_back_intents(work: Work, before: Dict[str, _Intent], done: Set[str]) -> None:
    """Set the records of clones that were not made to what they were."""
    failed = {dataset: intent for dataset, intent in before.items() if dataset not in done}
    there = zfs.observe(work.system, failed, ("type",)) if failed else {}
    if not set(failed) - set(there):
        return
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        recorded = records.Records(work.system)
        for dataset, (wwn, old) in failed.items():
            now = recorded.get(wwn)
            if dataset not in there and now is not None and (now["dataset"], now["want"]) == (dataset, records.MAKING):
                recorded.put(wwn, old)
        recorded.write()


def _names(items: Sequence[Item]) -> List[str]:
    names: List[str] = []
    for item in items:
        source, destination = item.args["src"], item.args["dst"]
        names += [source, source.split("@")[0], destination, *zfs.parents_of(destination)]
    return names


def _one(work: Work, item: Item, found: Dict[str, zfs.Found], parents: _Parents, outcome: Outcome) -> None:
    source, destination = item.args["src"], item.args["dst"]
    marks = item.args.get("marks", {})
    properties = item.args.get("properties", {})
    if destination in found:
        _keep(work, item, found, outcome)
        return
    _check_source(found, source)
    if source.split("/")[0].split("@")[0] != destination.split("/")[0]:
        raise ItemError(
            "%s is not in the pool of %s" % (destination, source), "a clone lives in the pool of its snapshot"
        )
    parents.check(item, outcome)
    argv = zfs.clone_command(source, destination, dict(properties, **marks))
    if work.check:
        outcome.changes.append(zfs.shown(argv))
        return
    output = work.system.run(argv)
    if output.code != 0:
        # Another may have made it meanwhile, or the command was ended by its deadline: look, never assume.
        now = zfs.observe(work.system, [destination], _BASE).get(destination)
        if now is None or now.value("origin") != source:
            raise ItemError("zfs clone failed: %s" % zfs.said(output), _fix_for(output.err))
        if marks.get(zfs.MADE) != now.local(zfs.MADE):
            return
    outcome.changes.append(zfs.shown(argv))
    outcome.made.append(["clone", destination, marks.get(zfs.MADE, ""), item.args.get("storage_object", "")])


def _fix_for(text: str) -> str:
    if "out of space" in text:
        return "free space in the pool, or raise the quota"
    return ""


def _check_source(found: Dict[str, zfs.Found], source: str) -> None:
    if source not in found:
        raise ItemError(
            "the snapshot %s does not exist" % source,
            "see: zfs list -t snapshot -r %s" % source.split("@")[0],
        )
    dataset = found.get(source.split("@")[0])
    if dataset is not None and dataset.value("type") != "volume":
        raise ItemError(
            "%s is a snapshot of a %s, and only volumes can be exported" % (source, dataset.value("type")),
            "name a snapshot of a volume",
        )


def _keep(work: Work, item: Item, found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    """Keep a clone that is there, if it is the one that is wanted."""
    source, destination = item.args["src"], item.args["dst"]
    now = found[destination]
    marks, properties = item.args.get("marks", {}), item.args.get("properties", {})
    if now.value("origin") != source:
        origin = now.value("origin")
        what = "%s exists and is %s" % (
            destination,
            "a clone of %s, not of %s" % (origin, source) if origin != "-" else "not a clone (%s)" % now.value("type"),
        )
        raise ItemError(what, "delete it first, or name another destination")
    if marks.get(zfs.MADE) and now.local(zfs.MADE) == marks[zfs.MADE]:
        # An interrupted run goes on: it is this run's own work.
        mark = marks[zfs.MADE]
        outcome.changes.append("%s was made earlier in this run" % destination)
        for parent in zfs.parents_of(destination):
            if parent in found and found[parent].local(zfs.MADE) == mark:
                outcome.made.append(["parent", parent, mark])
        outcome.made.append(["clone", destination, mark, item.args.get("storage_object", "")])
    if not properties:
        return
    values = zfs.observe(work.system, [destination], sorted(properties))[destination]
    different = {name: value for name, value in properties.items() if values.value(name) != value}
    if not different:
        return
    if now.local(zfs.MANAGED) != "1":
        raise ItemError(
            "%s exists, was not made by lunops, and has other properties: %s"
            % (destination, ", ".join("%s=%s" % (name, values.value(name)) for name in sorted(different))),
            "set them with zfs set, or name another destination",
        )
    for name in sorted(different):
        argv = ["zfs", "set", "%s=%s" % (name, different[name]), destination]
        outcome.changes.append(" ".join(argv))
        if not work.check:
            output = work.system.run(argv)
            # A value such as 10G reads back as its bytes: if it is the same to ZFS, nothing was changed.
            if output.code != 0:
                raise ItemError("zfs set failed: %s" % zfs.said(output))
            after = zfs.observe(work.system, [destination], [name])[destination]
            if after.value(name) == values.value(name):
                outcome.changes.pop()


class _Parents:
    """The missing parents of a task's destinations: made once each, before the clones."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._made: Dict[str, str] = {}  # name → the run's mark
        self._errors: Dict[str, ItemError] = {}
        self._owner: Dict[str, str] = {}  # name → key of the item that it was made for

    def make(self, name: str, item: Item) -> None:
        """Make one parent for the item, unless that was tried already."""
        if name in self._owner or name in self._errors:
            return
        mark = item.args.get("marks", {}).get(zfs.MADE, "")
        argv = zfs.parent_command(name, {zfs.MADE: mark} if mark else {})
        self._owner[name] = item.key
        if self._work.check:
            self._made[name] = mark
            return
        output = self._work.system.run(argv)
        if output.code == 0:
            self._made[name] = mark
        elif name not in zfs.observe(self._work.system, [name], ("type",)):
            self._errors[name] = ItemError("zfs create %s failed: %s" % (name, zfs.said(output)))

    def fail(self, name: str, error: ItemError) -> None:
        """Note that this parent cannot be."""
        self._errors.setdefault(name, error)

    def check(self, item: Item, outcome: Outcome) -> None:
        """Raise what went wrong with the item's parents; note what was made for it."""
        for name in zfs.parents_of(item.args["dst"]):
            if name in self._errors:
                raise self._errors[name]
            if name in self._made:
                outcome.made.append(["parent", name, self._made[name]])
                if self._owner[name] == item.key:
                    outcome.changes.append(zfs.shown(zfs.parent_command(name, {})))

    def take_back_unused(self, done: Set[str]) -> None:
        """Destroy the parents that this task made and that no item came to use, the deepest first."""
        used = {parent for name in done for parent in zfs.parents_of(name)}
        for name in sorted(self._made, key=len, reverse=True):
            if name not in used and not self._work.check:
                self._work.system.run(["zfs", "destroy", name])  # refused by ZFS if anything lives in it


def _make_parents(work: Work, items: Sequence[Item], found: Dict[str, zfs.Found]) -> _Parents:
    parents = _Parents(work)
    for item in items:
        if item.args["dst"] in found or work.is_over():
            continue
        outcome = Outcome()
        guarded(outcome, lambda: _check_source(found, item.args["src"]))  # noqa: B023 - called at once
        if outcome.error:
            continue  # nothing is made for an item that cannot be done
        for name in zfs.parents_of(item.args["dst"]):
            if name in found:
                if found[name].value("type") != "filesystem":
                    parents.fail(name, ItemError("%s is a %s and can hold nothing" % (name, found[name].value("type"))))
                continue
            if "/" not in name:
                parents.fail(name, ItemError("there is no pool %s" % name, "see: zpool list"))
            elif not item.args.get("create_parent"):
                parents.fail(name, ItemError("the parent %s does not exist" % name, "set createParent (create_parent)"))
            else:
                parents.make(name, item)
    return parents
