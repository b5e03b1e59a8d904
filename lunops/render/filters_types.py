"""Filters of single values: their types, what stands in for them, and sizes as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from lunops.errors import BadValueError, TemplateError
from lunops.render.held import Missing, trip

_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_UNITS = "BKMGTPEZY"
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)\s*\Z")


def to_bool(value: object) -> bool:
    """Filter `bool`: return true for true, 1, yes, on, and false for false, 0, no, off; anything else is an error."""
    found = _BOOLEANS.get(str(value).lower())
    if found is None:
        raise BadValueError(f"{value!r} is neither true nor false", fix="write true or false")
    return found


def ternary(value: object, if_true: Any, if_false: Any, if_none: Any = None) -> Any:
    """Return the one value or the other; a third, where there is one, for null."""
    if value is None and if_none is not None:
        return if_none
    return if_true if value else if_false


def mandatory(value: Any, message: str | None = None) -> Any:
    """Return the value; one that is missing is an error, with this message."""
    if isinstance(value, Missing):
        if message is not None:
            raise TemplateError(str(message))
        trip(value)
    return value


def type_debug(value: object) -> str:
    """Return the name of a value's type in Python."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind.__name__
    if isinstance(value, Mapping):
        return "dict"
    return "list" if isinstance(value, list | tuple) else type(value).__name__


def human_readable(size: Any, isbits: bool = False, unit: str | None = None) -> str:
    """Return a number of bytes (or bits) as people read it, such as 1.50 GB."""
    if isinstance(size, bool) or not isinstance(size, int | float):
        try:
            size = float(size)
        except (TypeError, ValueError):
            raise BadValueError(f"{size!r:.80} is no number of bytes", fix="use the filter `int` before") from None
    if unit is None:
        step = next((step for step in range(len(_UNITS) - 1, 0, -1) if size >= 1024**step), 0)
    else:
        step = _UNITS.find(unit.upper()[:1]) if unit else -1
        if step < 0:
            raise BadValueError(f"there is no unit {unit!r}", fix=f"write one of {', '.join(_UNITS)}")
    word = "bits" if isbits else "Bytes"
    return f"{size / 1024**step:.2f} {_UNITS[step] + word[0] if step else word}"


def human_to_bytes(value: object, default_unit: str | None = None, isbits: bool = False) -> int:
    """Return the number of bytes in a text such as 10G, 1.5 MB or 512."""
    match = _AMOUNT.match(str(value))
    unit = (match[2] or default_unit or "B") if match else ""
    whole = ("BITS" if isbits else "BYTES", "BIT" if isbits else "BYTE")
    small = "b" if isbits else "B"
    step = _UNITS.find(unit[:1].upper())
    good = step >= 0 and (len(unit) == 1 or unit.upper() in whole or (step > 0 and unit[1:] == small))
    if step > 0 and not good:
        good = unit[1:].upper() in whole
    if match is None or not good:
        units = ", ".join(_UNITS)
        fix = f"write a number with a unit ({units}), a {small} behind it or not, such as 10G or 1.5M{small}"
        raise BadValueError(f"{value!r:.80} is no size", fix=fix)
    return round(float(match[1]) * float(1024**step))


def power(value: float, exponent: float) -> float:
    """Return the power as a float."""
    return math.pow(value, exponent)


def root(value: float, base: float = 2) -> float:
    """Return the root, the square root unless told otherwise."""
    return math.sqrt(value) if base == 2 else math.pow(value, 1 / base)


def logarithm(value: float, base: float = math.e) -> float:
    """Return the logarithm, the natural one unless told otherwise."""
    return math.log10(value) if base == 10 else math.log(value, base)


TYPE_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "bool": to_bool,
    "ternary": ternary,
    "mandatory": mandatory,
    "type_debug": type_debug,
    "pow": power,
    "root": root,
    "log": logarithm,
    "human_readable": human_readable,
    "human_to_bytes": human_to_bytes,
}
