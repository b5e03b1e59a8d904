"""zfs_hold and zfs_release: have a snapshot held with a tag, or not held with it.

    {"snapshot": "p/x@1", "tag": "keep"}

A hold keeps a snapshot from being destroyed by anyone. One command for all snapshots that get, or lose, one tag.
"""

from __future__ import annotations

import re

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, List, Sequence, Set

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_MISSING = re.compile(r"cannot open '(.*)': dataset does not exist|no datasets available")
_AT_ONCE = 500  # keeps one command's arguments far below the kernel's limit


def run_hold(work: Work, items: Sequence[Item]) -> None:
    """Do the task zfs_hold."""

    def wanted(item: Item, found: Dict[str, zfs.Found], tags: Dict[str, Set[str]]) -> bool:
        name = item.args["snapshot"]
        if name not in found:
            raise ItemError(
                "the snapshot %s does not exist" % name, "see: zfs list -t snapshot -d 1 %s" % name.split("@")[0]
            )
        return item.args["tag"] not in tags.get(name, ())

    _run(work, items, "hold", wanted)


def run_release(work: Work, items: Sequence[Item]) -> None:
    """Do the task zfs_release; a snapshot that is gone is held by nobody."""

    def wanted(item: Item, found: Dict[str, zfs.Found], tags: Dict[str, Set[str]]) -> bool:
        name = item.args["snapshot"]
        held = tags.get(name, set())
        if item.args["tag"] in held:
            _refuse_last(found[name], held)
        return item.args["tag"] in held

    _run(work, items, "release", wanted)


def _run(
    work: Work,
    items: Sequence[Item],
    verb: str,
    wanted: Callable[[Item, Dict[str, zfs.Found], Dict[str, Set[str]]], bool],
) -> None:
    names = [item.args["snapshot"] for item in items]
    found = zfs.observe(work.system, names, ("guid", "defer_destroy", "clones"))
    tags = observe(work.system, found)
    outcomes = {item.key: Outcome() for item in items}
    to_do: Dict[str, List[Item]] = {}
    for item in items:
        try:
            if wanted(item, found, tags):
                to_do.setdefault(item.args["tag"], []).append(item)
        except ItemError as error:
            outcomes[item.key].fail(error)
    skipped: Set[str] = set()
    for tag, some in sorted(to_do.items()):
        for start in range(0, len(some), _AT_ONCE):
            group = some[start : start + _AT_ONCE]
            if work.is_over():
                skipped.update(item.key for item in group)
            else:
                _change(work, verb, tag, group, found, outcomes)
    for item in items:
        if item.key in skipped:
            work.skip(item)
        else:
            work.report(item, outcomes[item.key])


def _change(
    work: Work, verb: str, tag: str, items: Sequence[Item], found: Dict[str, zfs.Found], outcomes: Dict[str, Outcome]
) -> None:
    """Hold or release some snapshots with one tag, and look which of them were."""
    names = [item.args["snapshot"] for item in items]
    failed: Dict[str, str] = {}
    if not work.check:
        output = work.system.run(["zfs", verb, tag, *names])
        if output.code != 0:  # zfs goes through the snapshots one by one, and does what it can
            now = observe(work.system, names)
            failed = {
                name: _said_of(name, output.err) or zfs.said(output)
                for name in names
                if (tag in now.get(name, ())) != (verb == "hold")
            }
    for item in items:
        name, outcome = item.args["snapshot"], outcomes[item.key]
        if name in failed:
            outcome.fail(ItemError("zfs %s failed: %s" % (verb, failed[name])))
            continue
        outcome.changes.append("zfs %s %s %s" % (verb, tag, name))
        outcome.made.append([verb, name, found[name].value("guid"), tag])


def observe(system: System, names: Iterable[str]) -> Dict[str, Set[str]]:
    """Return the tags of those snapshots that are held."""
    tags: Dict[str, Set[str]] = {}
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _AT_ONCE):
        output = system.run(["zfs", "holds", "-H", *wanted[start : start + _AT_ONCE]])
        unclear = [line for line in output.err.splitlines() if line.strip() and not _MISSING.match(line.strip())]
        if unclear or output.code not in (0, 1):
            raise ItemError("zfs holds failed: %s" % zfs.said(output))
        for line in output.out.splitlines():
            name, *tag, _since = line.split("\t")  # another's tag may hold a tab
            tags.setdefault(name, set()).add("\t".join(tag))
    return tags


def is_same(system: System, name: str, guid: str) -> bool:
    """Return whether the snapshot is there, and is still the one with that guid."""
    found = zfs.observe(system, [name], ("guid",)).get(name)
    return found is not None and found.value("guid") == guid


def refuse_deferred(system: System, name: str) -> None:
    """Raise ItemError if taking the last hold away would destroy the snapshot."""
    found = zfs.observe(system, [name], ("defer_destroy", "clones")).get(name)
    if found is not None:
        _refuse_last(found, observe(system, [name]).get(name, set()))


def _refuse_last(found: zfs.Found, tags: Set[str]) -> None:
    if found.value("defer_destroy") == "on" and len(tags) == 1 and found.value("clones") in ("", "-"):
        raise ItemError(
            "%s is to be destroyed with its last hold (zfs destroy -d), which this is" % found.name,
            "hold it with another tag first; or, if it may go: zfs release %s %s" % (min(tags), found.name),
        )


def _said_of(name: str, text: str) -> str:
    """Return what zfs said of one snapshot."""
    lines = [line.strip() for line in text.splitlines() if "'%s'" % name in line]
    return " / ".join(lines)
