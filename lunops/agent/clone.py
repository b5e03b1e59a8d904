"""zfs_clone: make each clone that is not there yet, with the parents that it needs.

    {"src": "p/img@1", "dst": "p/x", "create_parent": true, "properties": {…}, "marks": {…}, "storage_object": "lo-…"}

absent → `zfs clone`; a clone of the same snapshot → kept, properties set where they differ; anything else → error.
"""

from __future__ import annotations

from lunops.agent import lio, records, zfs
from lunops.agent import properties as props
from lunops.agent.outcome import ItemError
from lunops.agent.parents import Parents

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Set, Tuple

    from lunops.agent.outcome import Outcome
    from lunops.agent.work import Item, Work

    _Intent = Tuple[str, Dict[str, Any] | None]  # the target, and its record before

_BASE = ("type", "origin", zfs.MANAGED, zfs.MADE)


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    found = zfs.observe(work.system, _names(items), _BASE)
    _mark_half_made(work, items, found)
    parents = Parents(work, "dst")
    parents.make_all(items, found, lambda item: _check_source(found, item.args["src"]))
    done: Set[str] = set()
    before = _record_intents(work, items, found)

    def one(item: Item, outcome: Outcome) -> None:
        _one(work, item, found, parents, outcome)
        done.add(item.args["dst"])

    work.each(items, one)
    _take_back_intents(work, {item.args["dst"]: before[item.key] for item in items if item.key in before}, done)
    parents.take_back_unused(done)


def _mark_half_made(work: Work, items: Sequence[Item], found: Dict[str, zfs.Found]) -> None:
    """Give their marks to clones that a power cut left without, of which the record says that lunops was making them.

    The marks come in a transaction of ZFS after the clone's own. Without them nobody would destroy the clone again.
    """
    bare = [item for item in items if _is_bare(item, found)]
    if work.check or not bare:
        return
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        recorded = records.Records(work.system)
    for item in bare:
        source, dataset, marks = item.args["src"], item.args["dst"], item.args["marks"]
        record = recorded.get(marks[zfs.LUN]) or {}
        said = (record.get("want"), record.get("dataset"), record.get("origin"))
        if said == (records.MAKING, dataset, source):
            # As whoever began it would have marked it: only that run may take it back.
            work.system.run(props.set_command(dict(marks, **{zfs.MADE: record["run"]}), dataset))
            found.update(zfs.observe(work.system, [dataset], _BASE))


def _is_bare(item: Item, found: Dict[str, zfs.Found]) -> bool:
    """Return whether the clone of a LUN is there, of the right snapshot, and carries no mark."""
    now = found.get(item.args["dst"])
    if now is None or not item.args.get("marks", {}).get(zfs.LUN):
        return False
    return now.value("origin") == item.args["src"] and not (now.local(zfs.MANAGED) or now.local(zfs.MADE))


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


def _one(work: Work, item: Item, found: Dict[str, zfs.Found], parents: Parents, outcome: Outcome) -> None:
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
    different = props.different(properties, values)
    if different and now.local(zfs.MANAGED) != "1":
        raise ItemError(
            "%s exists, was not made by lunops, and has other properties: %s"
            % (destination, ", ".join("%s=%s" % (name, values.value(name)) for name in sorted(different))),
            "set them with zfs set, or name another destination",
        )
    props.change(work, props.Job(values, different, [], outcome))
