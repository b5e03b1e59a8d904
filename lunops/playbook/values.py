"""Read the values of a playbook's keywords: each kind of value is checked in one way, whatever its keyword."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from typing import Final

from lunops.model import Json
from lunops.near import hint
from lunops.playbook.expressions import has_expression
from lunops.playbook.model import Flag
from lunops.playbook.notes import Notes

# What has a value of its own in every expression, so that no variable is called so.
_RESERVED: Final = frozenset((
    *keyword.kwlist, "true", "false", "none", "groups", "group_names", "hostvars", "inventory_hostname",
))  # fmt: skip
_LONGEST_S = 7 * 24 * 3600.0


def shown(value: Json) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}…"


def flag(notes: Notes, value: Json, *key: str | int) -> Flag:
    """Return true, false, or an expression."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and has_expression(value):
        notes.expressions(value, *key)
        return value
    notes.add(f"{shown(value)} is neither true nor false", *key, fix="write true or false, or an expression in {{ }}")
    return None


def true_or_false(notes: Notes, value: Json, *key: str | int) -> bool:
    """Return true or false, where no expression can stand."""
    if not isinstance(value, bool):
        notes.add(f"{shown(value)} is not true or false", *key, fix="write true or false, without quotes")
    return value is True


def number(
    notes: Notes, value: Json, *key: str | int, least: float, most: float, whole: bool = False, literal: bool = False
) -> Json:
    """Return a number within bounds, or an expression unless it must be literal."""
    if isinstance(value, str) and has_expression(value) and not literal:
        notes.expressions(value, *key)
        return value
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not least <= value <= most:  # also refuses what is not a number, .nan
        kind = "whole number" if whole else "number"
        fix = "write the number" if literal else "write the number, or an expression in {{ }}"
        notes.add(f"{shown(value)} is no {kind} from {least:g} to {most:g}", *key, fix=fix)
        return None
    return value


def seconds(notes: Notes, value: Json, *key: str | int, least: float = 0) -> Json:
    """Return a number of seconds, at most a week, or an expression."""
    return number(notes, value, *key, least=least, most=_LONGEST_S)


def text(notes: Notes, value: Json, *key: str | int) -> str:
    """Return a text that is not empty; it may hold expressions."""
    if not isinstance(value, str) or not value.strip():
        notes.add(f"{shown(value)} is no text", *key, fix="write a text; put quotes around what YAML takes for more")
        return ""
    notes.expressions(value, *key)
    return value


def texts(notes: Notes, value: Json, *key: str | int) -> tuple[str, ...]:
    """Return a text, or a list of them, as a tuple."""
    if isinstance(value, list):
        return tuple(text(notes, each, *key, index) for index, each in enumerate(value))
    return (text(notes, value, *key),)


def conditions(notes: Notes, value: Json, *key: str | int) -> tuple[str, ...]:
    """Return a bare expression, true, false, or a list of these, as a tuple of expressions."""
    if isinstance(value, list):
        return tuple(each for index, one in enumerate(value) for each in _condition(notes, one, *key, index))
    return _condition(notes, value, *key)


def _condition(notes: Notes, value: Json, *key: str | int) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if not isinstance(value, str):
        fix = "write such as `item.x == 1`, in quotes where YAML needs them"
        notes.add(f"{shown(value)} is no bare expression", *key, fix=fix)
        return ()
    notes.condition(value, *key)
    return (value,)


def tags(notes: Notes, value: Json, *key: str | int) -> frozenset[str]:
    """Return tags, given as a list, or as one text with commas."""
    found: set[str] = set()
    for index, each in enumerate(value if isinstance(value, list) else [value]):
        place = (*key, index) if isinstance(value, list) else key
        if isinstance(each, bool) or not isinstance(each, str | int):
            notes.add(f"{shown(each)} is no tag", *place, fix="write a word, or a list of words")
        elif has_expression(each):
            notes.add("a tag cannot be an expression", *place, fix="write it out: tasks are chosen before any value")
        else:
            found |= {tag for part in str(each).split(",") if (tag := part.strip())}
    return frozenset(found)


def choice(notes: Notes, value: Json, *key: str | int, known: Sequence[str]) -> str:
    """Return one of the known words."""
    if value not in known:
        notes.add(f"{shown(value)} is not one of {', '.join(known)}", *key, fix=hint(str(value), known, "choices"))
        return known[0]
    return str(value)


def identifier(notes: Notes, value: Json, *key: str | int, item: bool = False) -> str:
    """Return the name of a variable; `item` is one that may be called so itself."""
    if not isinstance(value, str) or not value.isidentifier() or not value.isascii():
        fix = "write letters, digits and _, no digit first"
        notes.add(f"{shown(value)} is no name of a variable", *key, fix=fix)
        return ""
    if value in _RESERVED or (value == "item" and not item):
        notes.add(f"{value!r} has a meaning of its own", *key, fix=f"write another name, such as my_{value.lower()}")
    return value


def mapping(notes: Notes, value: Json, *key: str | int) -> dict[str, Json]:
    """Return an object of names and values."""
    if not isinstance(value, dict):
        notes.add(f"{shown(value)} is no object of names and values", *key, fix="write each below it, as NAME: VALUE")
        return {}
    return value


def variables(notes: Notes, value: Json, *key: str | int) -> dict[str, Json]:
    """Return variables by name, their values as they stand."""
    found = mapping(notes, value, *key)
    for name, each in found.items():
        identifier(notes, name, *key, name, item=True)
        notes.expressions(each, *key, name)
    return found


def environment(notes: Notes, value: Json, *key: str | int) -> dict[str, Json]:
    """Return variables of the environment by name: texts, numbers or expressions."""
    found = mapping(notes, value, *key)
    for name, each in found.items():
        if not name or "=" in name or "\0" in name:
            fix = "write a name such as LANG, without ="
            notes.add(f"{shown(name)} is no name of the environment", *key, name, fix=fix)
        if isinstance(each, bool) or not isinstance(each, str | int | float):
            notes.add(f"{shown(each)} is neither text nor number", *key, name, fix="put it in quotes")
        notes.expressions(each, *key, name)
    return found
