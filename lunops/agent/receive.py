"""zfs_receive, on the destination of a zfs_send: what it has of the image, what is missing, and what came of it.

    {"dst": "q/img", "src": "p/img@1", "source": {what lunops.agent.send found}, "create_parent": true, "force": [],
     "marks": {…}, "step": "look | prepare | finish", "base": "the tag here that the stream goes on top of"}

`look` reads and decides: none (the snapshot is here, by its guid), full, incremental from the newest snapshot here,
or resume what a cut stream left. There is no `receive -F`: whatever would have to be thrown away for the stream to
fit, a person throws away. `prepare` makes missing parents. `finish` sees that it is the very snapshot, and marks it.

A cut full stream leaves the dataset itself, without a snapshot; a cut increment leaves a hidden clone, q/img/%recv.
Either shows as the property receive_resume_token, and by that alone it is known here.
"""

from __future__ import annotations

from lunops.agent import destroy, guards, zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.send import FULL, INCREMENTAL, RESUME

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

    from lunops.agent.work import Item, Work

NONE = "none"
LOOK, PREPARE, FINISH = "look", "prepare", "finish"
_TOKEN = "receive_resume_token"
_BASE = ("type", "written", _TOKEN, zfs.MANAGED, zfs.MADE)
# A rollback may write the head's own record anew, which shows as some bytes written and is no change to ZFS; the least
# that a change of one block comes to is more. Between the two zfs receive itself decides, and takes nothing away.
_WRITTEN_ANEW = 8192
_NAMED = 5  # snapshots in a message


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the step that each item says."""
    names = [item.args["dst"] for item in items]
    found = zfs.observe(work.system, [*names, *(above for name in names for above in zfs.parents_of(name))], _BASE)
    snapshots = zfs.snapshots(work.system, [name for name in names if name in found])

    def one(item: Item, outcome: Outcome) -> None:
        name = item.args["dst"]
        mine = snapshots.get(name, [])
        if item.args["step"] == FINISH:
            _finish(work, item.args, mine, outcome)
            return
        how, base = decide(item.args, found.get(name), mine)
        outcome.data = {"how": how, "base": base, "from": _on_source(item.args, mine, base)}
        if how == NONE:
            outcome.data["snapshot"] = "%s@%s" % (name, base)
            return
        if name in found:
            _guard(work, item.args, found[name])
            if how == RESUME:
                outcome.data["token"] = found[name].value(_TOKEN)
        try:
            _parents(work, item.args, found, outcome)
        except ItemError:
            for _kind, above, _mark in reversed(outcome.made):
                work.system.run(["zfs", "destroy", above])  # refused by ZFS if anything lives in it
            raise
        outcome.data["command"] = zfs.shown(command(dict(item.args, base=base)))

    work.each(items, one)


def command(args: Dict[str, Any]) -> List[str]:
    """Return the argv that takes the stream: -s keeps what a cut one brought, -u mounts nothing."""
    properties = dict(args["marks"], readonly="on")
    if args["source"]["type"] == "filesystem":
        properties["canmount"] = "noauto"
    if args["base"]:
        properties = {}  # the dataset is whose it was before, the snapshot alone is this run's
    words = [word for name in sorted(properties) for word in ("-o", "%s=%s" % (name, properties[name]))]
    return ["zfs", "receive", "-s", "-u", *words, args["dst"]]


def decide(args: Dict[str, Any], now: zfs.Found | None, snapshots: Sequence[Tuple[str, str]]) -> Tuple[str, str]:
    """Return how the snapshot gets here, and the tag here that it is, or is sent on top of; refuse by ItemError."""
    source, name, wanted = args["src"], args["dst"], args["source"]
    for tag, guid in snapshots:
        if guid == wanted["guid"]:
            return NONE, tag
    if now is None:
        return FULL, ""
    if now.value("type") != wanted["type"]:
        raise ItemError(
            "%s is a %s, and %s is of a %s" % (name, now.value("type"), source, wanted["type"]),
            "name another destination",
        )
    if now.value(_TOKEN) != "-" and not snapshots:
        return RESUME, ""
    if not snapshots:
        raise ItemError(
            "%s exists, is not a copy of %s, and has no snapshot" % (name, source),
            "name another destination, or destroy it first",
        )
    if source.split("@")[1] in [tag for tag, _guid in snapshots]:
        raise ItemError(
            "%s@%s is there and is another snapshot than %s" % (name, source.split("@")[1], source),
            "rename it (zfs rename), or name another destination",
        )
    older = [guid for _tag, guid in wanted["older"]]
    common = [place for place, (_tag, guid) in enumerate(snapshots) if guid in older]
    if not common:
        raise ItemError(
            "%s exists and has no snapshot in common with %s; it has %s" % (name, source, _some(name, snapshots)),
            "name another destination, or destroy it first if nobody needs it",
        )
    newer = snapshots[common[-1] + 1 :]
    base = snapshots[common[-1]][0]
    if newer:
        raise ItemError(
            "%s has newer snapshots than %s@%s, the last that it has in common with %s: %s"
            % (name, name, base, source, _some(name, newer)),
            "destroy those that nobody needs (zfs rollback -r %s@%s takes them all away), or name another destination"
            % (name, base),
        )
    if int(now.value("written")) > _WRITTEN_ANEW:
        raise ItemError(
            "%s was written to since %s@%s (%s bytes)" % (name, name, base, now.value("written")),
            "if nobody needs what was written: zfs rollback %s@%s" % (name, base),
        )
    return RESUME if now.value(_TOKEN) != "-" else INCREMENTAL, base


def _on_source(args: Dict[str, Any], snapshots: Sequence[Tuple[str, str]], base: str) -> str:
    """Return what the source calls the snapshot that is called `base` here: it is the same one by its guid."""
    guid = dict(snapshots).get(base, "")
    return next((tag for tag, each in args["source"]["older"] if each == guid), "")


def _some(name: str, snapshots: Sequence[Tuple[str, str]]) -> str:
    shown = ", ".join("%s@%s" % (name, tag) for tag, _guid in snapshots[-_NAMED:])
    return shown + (" and %d more" % (len(snapshots) - _NAMED) if len(snapshots) > _NAMED else "")


def _guard(work: Work, args: Dict[str, Any], now: zfs.Found) -> None:
    """Refuse to change what is served, or is not lunops' own."""
    name = args["dst"]
    used = guards.uses(work.system, name, (guards.SESSIONS, guards.EXPORTED))
    if now.local(zfs.MANAGED) != "1":
        fix = "see that it is meant to be a copy of %s (zfs set %s=1 %s says so)" % (args["src"], zfs.MANAGED, name)
        used.append(guards.Use(guards.UNMARKED, "it does not carry lunops' own mark", fix))
    guards.refuse(used, args.get("force", ()), "receive into %s" % name)


def _parents(work: Work, args: Dict[str, Any], found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    """Make the parents that are missing, in check mode only say so."""
    mark = args["marks"].get(zfs.MADE, "")
    for above in zfs.parents_of(args["dst"]):
        if above in found:
            if found[above].value("type") != "filesystem":
                raise ItemError("%s is a %s and can hold nothing" % (above, found[above].value("type")))
            continue
        if "/" not in above:
            raise ItemError("there is no pool %s" % above, "see: zpool list")
        if not args.get("create_parent"):
            raise ItemError("the parent %s does not exist" % above, "set create_parent")
        argv = zfs.parent_command(above, {zfs.MADE: mark} if mark else {})
        if args["step"] == PREPARE:
            output = work.system.run(argv)
            if output.code != 0:
                if above in zfs.observe(work.system, [above], ("type",)):
                    continue  # another made it meanwhile
                raise ItemError("zfs create %s failed: %s" % (above, zfs.said(output)))
            outcome.made.append(["parent", above, mark])
        outcome.changes.append(zfs.shown(zfs.parent_command(above, {})))


def _finish(work: Work, args: Dict[str, Any], snapshots: Sequence[Tuple[str, str]], outcome: Outcome) -> None:
    """See that what came is the very snapshot, and mark it."""
    wanted = args["source"]["guid"]
    tag = next((tag for tag, guid in snapshots if guid == wanted), None)
    if tag is None:
        raise ItemError(
            "zfs receive ended well, but %s has no snapshot with the guid %s of %s"
            % (args["dst"], wanted, args["src"]),
            "look at it: zfs list -t snapshot -o name,guid %s" % args["dst"],
        )
    marks = ["%s=%s" % (name, args["marks"][name]) for name in sorted(args["marks"])]
    zfs.must(work.system, ["zfs", "set", *marks, "%s@%s" % (args["dst"], tag)])
    outcome.data = {"snapshot": "%s@%s" % (args["dst"], tag)}
    outcome.made.append(["received", args["dst"], args["marks"].get(zfs.MADE, ""), tag, wanted, args["base"]])


def take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Take a received snapshot back: with its dataset if that came with it, else by going back to the one before."""
    system = work.system
    _kind, name, mark, tag, guid, base = step
    snapshots = zfs.snapshots(system, [name]).get(name, [])
    snapshot = "%s@%s" % (name, tag)
    both = zfs.observe(system, [name, snapshot], _BASE)
    found = both.get(name)
    if found is None or guid not in [each for _tag, each in snapshots]:
        return  # it is gone
    if snapshot not in both or both[snapshot].local(zfs.MADE) != mark:
        raise ItemError("%s is no longer what this run made" % snapshot, "look at it before destroying it")
    if snapshots[-1] != (tag, guid) or (not base and len(snapshots) > 1):
        raise ItemError("%s has other snapshots by now: %s" % (name, _some(name, snapshots)), "look at them first")
    if found.value("written") != "0":
        raise ItemError("%s was written to since %s came" % (name, snapshot), "look at it first")
    guards.refuse(guards.uses(system, name, (guards.SESSIONS, guards.EXPORTED, guards.CHILDREN)), (), "undo " + name)
    if not base and found.local(zfs.MANAGED) != "1":
        raise ItemError("%s is no longer what this run made" % name, "look at it before destroying it")
    destroy.destroy(system, snapshot)
    outcome.changes.append("zfs destroy %s" % snapshot)
    if base:
        zfs.must(system, ["zfs", "rollback", "%s@%s" % (name, base)])
        outcome.changes.append("zfs rollback %s@%s" % (name, base))
    else:
        destroy.destroy(system, name)
        outcome.changes.append("zfs destroy %s" % name)


def by_hand(step: Sequence[Any]) -> str:
    """Return the commands that would do it."""
    _kind, name, _mark, tag, _guid, base = step
    last = "zfs rollback %s@%s" % (name, base) if base else "zfs destroy %s" % name
    return "zfs destroy %s@%s && %s" % (name, tag, last)
