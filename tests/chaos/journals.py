"""Read a simulated head's journal: what happened to each LUN, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lunops.sim.state import Change

_NAME = re.compile(r"[/:](h\d+n\d+)(?![\w-])")
_TARGET = re.compile(r"/iscsi/iqn[^/]*:(h\d+n\d+)\Z")
_CLONE = re.compile(r"/nodes/(h\d+n\d+)\Z")
_MADE = re.compile(r"lunops:made=(\S+)")
CLONE, TARGET, NO_TARGET, NO_CLONE = "+clone", "+target", "-target", "-clone"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A clone or target that was made or removed."""

    what: str  # CLONE, TARGET, NO_TARGET or NO_CLONE
    number: int  # its place in the journal
    first: int  # where what leads to it begins: a target is switched off and emptied before it is removed
    job_id: str = ""  # of a clone: who made it


def by_name(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Return the changes of each LUN by its name, those of its storage object not among them."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        name = _NAME.search(change.what)
        if name:
            found.setdefault(name[1], []).append(change)
    return found


def events(changes: Sequence[Change]) -> list[Event]:
    """Return what happened to one LUN, of whom these are the changes."""
    found = []
    for place, change in enumerate(changes):
        what = _what(change)
        if not what:
            continue
        first = place
        while what == NO_TARGET and first and _takes_away(changes[first - 1]):
            first -= 1
        made = _MADE.search(change.what) if what == CLONE else None
        found.append(Event(what=what, number=change.n, first=changes[first].n, job_id=made[1] if made else ""))
    return found


def _what(change: Change) -> str:
    if change.kind == "zfs clone" and _CLONE.search(change.what):
        return CLONE
    if change.kind == "zfs destroy" and _CLONE.search(change.what):
        return NO_CLONE
    if change.kind in ("mkdir", "rmdir") and _TARGET.search(change.what):
        return TARGET if change.kind == "mkdir" else NO_TARGET
    return ""


def _takes_away(change: Change) -> bool:
    is_off = change.kind == "write" and change.what.endswith("/enable = 0")
    return is_off or (change.kind in ("rmdir", "unlink") and not _what(change))
