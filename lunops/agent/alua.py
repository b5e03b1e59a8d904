"""ALUA: the groups of a storage object, and how one is brought from what it is to what it should be.

Seen on Linux 6.1: a group's id is given once; its state is taken only while its access type is implicit and the
state is supported, and sets its status to 2; type and status are written as numbers and read as words.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Tuple

    from lunops.agent.system import System

DEFAULT = "default_tg_pt_gp"
STATE, STATUS, TYPE = "alua_access_state", "alua_access_status", "alua_access_type"
_WORDS = {
    TYPE: ("None", "Implicit", "Explicit", "Implicit and Explicit"),
    STATUS: ("None", "Altered by Explicit STPG", "Altered by Implicit ALUA"),
}
_IMPLICIT = ("1", "3")
_SUPPORT = {
    "0": "alua_support_active_optimized",
    "1": "alua_support_active_nonoptimized",
    "2": "alua_support_standby",
    "3": "alua_support_unavailable",
}


def number(name: str, text: str) -> str:
    """Return the number that a file's word stands for; what is no such word stays as it is."""
    words = _WORDS.get(name, ())
    return str(words.index(text)) if text in words else text


def group_name(text: str) -> str:
    """Return the group that a LUN is in, from the first line of its `alua_tg_pt_gp`."""
    first = text.partition("\n")[0]
    return first.partition("TG Port Alias:")[2].strip() if "TG Port Alias:" in first else ""


def values(group: Dict[str, Any]) -> List[Tuple[str, str]]:
    """Return a group's files and values, in the order in which a new one takes them."""
    keys = [key for key in group if key not in ("name", "tg_pt_gp_id")]
    first = {STATE: 0, STATUS: 1, TYPE: 2}
    return [(key, str(group[key])) for key in sorted(keys, key=lambda key: (first.get(key, 3), key))]


def read(system: System, group: str, names: Iterable[str]) -> Dict[str, str]:
    """Return a group's values (its folder): these, and those on which it depends whether a state is taken."""
    found = {}
    for name in sorted({*names, STATE, STATUS, TYPE, *_SUPPORT.values()}):
        found[name] = number(name, system.read("%s/%s" % (group, name)).strip())
    return found


def writes(wanted: Dict[str, str], now: Dict[str, str]) -> List[Tuple[str, str, str]]:
    """Return the writes (file, value, what it replaces) that bring a group from what it is to what is wanted of it.

    Nothing of `now` is known of a group that is not there yet: it is as the kernel makes it, and takes any state.
    """
    changed = {name: value for name, value in wanted.items() if now.get(name) != value}
    order = {name: place for place, (name, _value) in enumerate(values(wanted))}
    if STATE not in changed:
        return [(name, changed[name], now.get(name, "")) for name in sorted(changed, key=lambda name: order[name])]
    last = dict(wanted)
    before: List[Tuple[str, str]] = []
    if now:
        before.append((STATUS, now[STATUS]))  # no change; but taken back last, it brings the old status back
        last.setdefault(TYPE, now[TYPE])
    if now.get(TYPE, "3") not in _IMPLICIT:
        before.append((TYPE, "3"))
    support = _SUPPORT.get(wanted[STATE], "")
    if support and now.get(support, "1") == "0":
        last.setdefault(support, "0")
        before.append((support, "1"))
    before.append((STATE, wanted[STATE]))
    is_now = dict(now)
    steps: List[Tuple[str, str, str]] = []

    def write(name: str, value: str) -> None:
        steps.append((name, value, is_now.get(name, "")))
        is_now[name] = value
        if name == STATE:
            is_now[STATUS] = "2"

    for name, value in before:
        write(name, value)
    for name, value in values(last):
        if is_now.get(name) != value:
            write(name, value)
    return steps
