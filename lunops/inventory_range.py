"""Expand the ranges of an inventory's names: `jbod-[01:12]`, `rack[a:c]`, with a step `[1:9:2]`."""

from __future__ import annotations

import re

from lunops.errors import InventoryError

_RANGE = re.compile(r"\[([^\[\]]*)\]")
_MOST = 10_000


def expand(name: str, where: str) -> list[str]:
    """Return the names that a pattern stands for, in order; a name without a range stands for itself."""
    match = _RANGE.search(name)
    if match is None:
        return [name]
    before, after = name[: match.start()], name[match.end() :]
    tails = expand(after, where)
    values = _values(match[1], where)
    if len(values) * len(tails) > _MOST:
        raise InventoryError(f"{name!r} stands for more than {_MOST} heads", where=where, fix="write a shorter range")
    return [f"{before}{value}{tail}" for value in values for tail in tails]


def _values(text: str, where: str) -> list[str]:
    first, last, step = [*text.split(":"), "1"][:3] if text.count(":") in (1, 2) else ("", "", "")
    if not (step.isascii() and step.isdigit() and 0 < int(step[:6]) < _MOST):
        raise _bad(text, where)
    if first.isascii() and first.isdigit() and last.isascii() and last.isdigit() and max(len(first), len(last)) < 10:
        width = len(first) if first.startswith("0") else 0
        if width and len(last) != width:
            raise _bad(text, where, "both ends of a range with leading zeros have the same number of digits")
        numbers = range(int(first), int(last) + 1, int(step))
        if not numbers:
            raise _bad(text, where, "the end comes before the start")
        if len(numbers) > _MOST:
            raise InventoryError(f"[{text}] stands for more than {_MOST} heads", where=where, fix="shorten it")
        return [str(number).zfill(width) for number in numbers]
    if len(first) == len(last) == 1 and first.isascii() and last.isascii() and first.isalpha() and last.isalpha():
        if ord(last) < ord(first) or first.islower() != last.islower():
            raise _bad(text, where, "the end comes before the start")
        return [chr(code) for code in range(ord(first), ord(last) + 1, int(step))]
    raise _bad(text, where)


def _bad(text: str, where: str, why: str = "") -> InventoryError:
    what = f"[{text}] is not a range" + (f": {why}" if why else "")
    return InventoryError(what, where=where, fix="write such as [01:12], [a:f] or [1:9:2]")
