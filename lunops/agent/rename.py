"""zfs_rename: have a dataset, with all that is below it, under another name.

    {"src": "p/x", "dst": "p/y", "create_parent": false, "aside": false, "force": [], "marks": {…}}

src there → `zfs rename`; src gone and dst there, marked as ours → done before; anything else → error. Refused while a
target exports any of it: the storage object, saveconfig.json and our record name the device by the dataset. What is
recorded of targets that are not exported follows. The new device links come later: see wait_for_device.
`aside`: it is kept, and another is to take its place as that LUN; it is marked so, and the records do not follow.
"""

from __future__ import annotations

from lunops.agent import exports, guards, listing, records, zfs
from lunops.agent.device import path_of
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

    from lunops.agent.work import Item, Work

_BASE = ("type", "guid", zfs.MANAGED, zfs.ASIDE)
_DEEP = 1000  # more than a name of 255 characters has levels


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task one item after the other, so that names may be handed on; then bring the records up to date."""
    names = [name for item in items for name in (item.args["src"], item.args["dst"])]
    names += [parent for item in items for parent in zfs.parents_of(item.args["dst"])]
    done: List[Tuple[Item, Outcome, float]] = []
    with exports.fixed(work) as exported:
        found = zfs.observe(work.system, names, _BASE)
        sources = [item.args["src"] for item in items if item.args["src"] in found]
        below = listing.rows(work.system, sources, ("name", "type"), ("filesystem", "volume"), depth=_DEEP)
        for item in items:
            begun, outcome = work.system.monotonic(), Outcome()
            if work.is_over():
                work.skip(item)
                continue
            guarded(outcome, lambda: _one(work, item, found, below, exported, outcome))  # noqa: B023
            done.append((item, outcome, work.system.monotonic() - begun))
        good = [(item, outcome) for item, outcome, _seconds in done if not outcome.error]
        problem = Outcome()
        guarded(problem, lambda: _follow(work, good))
        for _item, outcome in reversed(good if problem.error else []):
            outcome.fail(ItemError("the records could not follow: %s" % problem.error, problem.fix))
            _take_back_own(work, {}, outcome)
    for item, outcome, seconds in done:
        work.report(item, outcome, seconds)


def _one(
    work: Work,
    item: Item,
    found: Dict[str, zfs.Found],
    below: Sequence[Sequence[str]],
    exported: exports.Exports,
    outcome: Outcome,
) -> None:
    source, destination, force = item.args["src"], item.args["dst"], item.args.get("force", [])
    if source not in found:
        _refuse_unless_done(found, source, destination, force)
        return
    if destination in found:
        raise ItemError(
            "%s exists already, and %s does too" % (destination, source),
            "name another dst, or destroy or rename it first",
        )
    inside = [(name, kind) for name, kind in below if name.startswith(source + "/")]
    uses: List[guards.Use] = []
    for name in [source, *(name for name, kind in inside if kind == "volume")]:
        uses += exported.uses(name)
    uses += [guards.Use(guards.CHILDREN, "it has %s" % name, "rename these alone") for name, _kind in inside]
    if found[source].local(zfs.MANAGED) != "1":
        fix = "see that it is the one you mean, or adopt it"
        uses.append(guards.Use(guards.UNMARKED, "it was not made by lunops (no local %s)" % zfs.MANAGED, fix))
    guards.refuse(uses, force, "rename %s to %s" % (source, destination))
    try:
        _make_parents(work, item, found, outcome)
        aside, was_aside = bool(item.args.get("aside")), found[source].local(zfs.ASIDE) == "1"
        if aside and not was_aside:  # first, so that at no moment two volumes are marked as the LUN's
            _mark(work, source, aside, outcome)
        if not work.check:
            _rename(work, source, destination, found[source].value("guid"))
        outcome.changes.append("zfs rename %s %s" % (source, destination))
        outcome.made.append(["rename", source, destination, found[source].value("guid")])
        if was_aside and not aside:
            _mark(work, destination, aside, outcome)
    except ItemError:
        _take_back_own(work, found, outcome)
        raise
    if any(use.kind == guards.EXPORTED for use in uses) and not aside:
        outcome.changes.append(
            "its storage object still names /dev/zvol/%s: after lio_absent there, export %s anew"
            % (source, destination)
        )
    for name in [name for name in found if name == source or name.startswith(source + "/")]:
        found[destination + name[len(source) :]] = found.pop(name)


def _mark(work: Work, name: str, aside: bool, outcome: Outcome) -> None:
    """Mark a dataset as put aside, or no longer."""
    argv = _mark_command(name, aside)
    if not work.check:
        zfs.must(work.system, argv)
    outcome.changes.append(zfs.shown(argv))
    outcome.made.append(["aside", name, aside])


def _mark_command(name: str, aside: bool) -> List[str]:
    return ["zfs", "set", "%s=1" % zfs.ASIDE, name] if aside else ["zfs", "inherit", zfs.ASIDE, name]


def unmark(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Take back that a dataset was marked as put aside, or no longer; the name is what it was called then."""
    _kind, name, aside = step
    found = zfs.observe(work.system, [name], (zfs.ASIDE,)).get(name)
    if found is None or (found.local(zfs.ASIDE) == "1") != aside:
        return
    argv = _mark_command(name, not aside)
    zfs.must(work.system, argv)
    outcome.changes.append(zfs.shown(argv))


def unmark_by_hand(step: Sequence[Any]) -> str:
    """Return the command that does it."""
    return zfs.shown(_mark_command(step[1], not step[2]))


def _rename(work: Work, source: str, destination: str, guid: str) -> None:
    output = work.system.run(["zfs", "rename", source, destination])
    if output.code != 0:  # it may have been done, and been ended by its deadline after that
        now = zfs.observe(work.system, [destination], ("guid",)).get(destination)
        if now is None or now.value("guid") != guid:
            raise ItemError("zfs rename failed: %s" % zfs.said(output))


def _refuse_unless_done(found: Dict[str, zfs.Found], source: str, destination: str, force: Sequence[str]) -> None:
    """Raise ItemError unless the destination is what an earlier run renamed."""
    if destination not in found:
        raise ItemError("neither %s nor %s exists" % (source, destination), "see: zfs list")
    if found[destination].local(zfs.MANAGED) != "1" and guards.UNMARKED not in force:
        raise ItemError(
            "%s does not exist, and %s was not made by lunops (no local %s), so it may be another thing"
            % (source, destination, zfs.MANAGED),
            "see that it is the one you mean; then force: [unmarked]",
        )


def _make_parents(work: Work, item: Item, found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    """Make what is missing above the destination.

    `zfs rename -p` would make them as file systems that are mounted, and leaves them where it then refuses to rename.
    """
    mark = item.args.get("marks", {}).get(zfs.MADE, "")
    for name in zfs.parents_of(item.args["dst"]):
        if name in found:
            if found[name].value("type") != "filesystem":
                raise ItemError("%s is a %s and can hold nothing" % (name, found[name].value("type")))
            continue
        if "/" not in name:
            raise ItemError("there is no pool %s" % name, "see: zpool list")
        if not item.args.get("create_parent"):
            raise ItemError("the parent %s does not exist" % name, "set create_parent")
        argv = zfs.parent_command(name, {zfs.MADE: mark} if mark else {})
        if not work.check:
            zfs.must(work.system, argv)
        outcome.changes.append(zfs.shown(argv))
        outcome.made.append(["parent", name, mark])
        found[name] = zfs.Found(name)
        found[name].properties["type"] = ("filesystem", "-")


def _take_back_own(work: Work, found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    """Take back what was done for an item that fails, the newest first; ZFS destroys no parent that is in use."""
    if work.check:
        return
    for step in reversed(outcome.made):
        command = {
            "rename": ["zfs", "rename", step[2], step[1]],
            "aside": _mark_command(step[1], not step[2]),
            "parent": ["zfs", "destroy", step[1]],
        }[step[0]]
        if work.system.run(command).code == 0:
            outcome.rolled_back.append(" ".join(command))
            found.pop(step[1], None)
        else:
            outcome.left_behind.append(" ".join(command))


def _follow(work: Work, done: Sequence[Tuple[Item, Outcome]]) -> None:
    """Have the records name the datasets as they are now called."""
    if not done or not work.system.exists(records.PATH):
        return
    recorded = Records(work.system)
    for item, outcome in done:
        if item.args.get("aside"):
            continue
        outcome.changes += _rename_records(recorded, item.args["src"], item.args["dst"])
    if not work.check:
        recorded.write()


def _rename_records(recorded: Records, source: str, destination: str) -> List[str]:
    """Put the new name where a record has the old one, also as a device; return what was changed."""
    changes = []
    for wwn, record in recorded.all().items():
        old = record["dataset"]
        if old != source and not old.startswith(source + "/"):
            continue
        new = record["dataset"] = destination + old[len(source) :]
        for one in record.get("fragment", {}).get("storage_objects", []):
            if one.get("dev") == path_of(old):
                one["dev"] = path_of(new)
        recorded.put(wwn, record)
        changes.append("record %s on %s" % (wwn, new))
    return changes


def take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Rename back what the run renamed, if it is still that dataset and nobody uses it under its new name."""
    _kind, source, destination, guid = step
    with exports.fixed(work) as exported:
        found = zfs.observe(work.system, [source, destination], ("guid",))
        if source in found and found[source].value("guid") == guid:
            return
        if destination not in found or found[destination].value("guid") != guid:
            raise ItemError("%s is no longer what %s was" % (destination, source), "look at it: zfs list")
        if source in found:
            raise ItemError("%s is there again, and is another dataset" % source, "rename or destroy it first")
        uses = [use for use in exported.uses(destination) if use.kind != guards.HOLDERS]
        guards.refuse(uses, (), "rename %s back to %s" % (destination, source))
        zfs.must(work.system, ["zfs", "rename", destination, source])
        outcome.changes.append("zfs rename %s %s" % (destination, source))
        recorded = Records(work.system)
        _rename_records(recorded, destination, source)
        recorded.write()
