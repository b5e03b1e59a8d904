"""What an expression may ask for at most, so that a slip in a playbook does not take the machine's memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import TypeVar

from lunops.errors import BadValueError

T = TypeVar("T")

MOST_ELEMENTS = 100_000  # of a range, of permutations …; what Jinja's own sandbox allows a range
_MOST_SIZE = 1_000_000  # of a text or list that is repeated, or filled up to a width
_MOST_BITS = 4096  # of a power
_MOST_PATTERN = 1000  # of a regular expression: Python's `re` has no time limit
_WIDTH = re.compile(r"[0-9]{6,}|\*")  # in a format: a width of a million and more, or one that comes as a value
_FILLING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs"})


def check_operation(operator: str, left: object, right: object) -> None:
    """Raise `BadValueError` for a repetition, a power or a format that would be too large."""
    if operator == "*":
        for one, times in ((left, right), (right, left)):
            if isinstance(one, str | bytes | list | tuple) and isinstance(times, int) and len(one) * times > _MOST_SIZE:
                raise _too_large(f"something {len(one)} long, {times} times")
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        if right > 0 and left.bit_length() * right > _MOST_BITS:
            raise _too_large(f"the power {right}")
    elif operator == "%" and isinstance(left, str):
        check_format(left)


def check_call(name: str, owner: object, args: Iterable[object]) -> None:
    """Raise `BadValueError` where a method of a text would fill it up to a width that is too large."""
    if isinstance(owner, str) and name in _FILLING:
        check_widths(args)


def check_format(pattern: str) -> None:
    """Raise `BadValueError` for a format with a width that is too large, or that comes as a value."""
    if _WIDTH.search(pattern):
        raise _too_large(f"the format {pattern!r:.80}")


def check_widths(values: Iterable[object]) -> None:
    """Raise `BadValueError` where one of the values is a number that is too large for a width."""
    for value in values:
        if isinstance(value, int) and value > _MOST_SIZE:
            raise _too_large(f"a width of {value}")


def at_most(values: Iterator[T]) -> list[T]:
    """Return what an iterator gives; raises `BadValueError` where that is more than a range may be."""
    found = list(islice(values, MOST_ELEMENTS + 1))
    if len(found) > MOST_ELEMENTS:
        raise _too_large(f"more than {MOST_ELEMENTS} elements")
    return found


def check_pattern(pattern: object) -> str:
    """Return a regular expression's text; raises `BadValueError` where it is no text or too long."""
    if not isinstance(pattern, str):
        raise BadValueError(f"{pattern!r:.80} is no regular expression", fix="write it as a text")
    if len(pattern) > _MOST_PATTERN:
        raise BadValueError(
            f"a regular expression of {len(pattern)} characters is too long", fix=f"write {_MOST_PATTERN} at most"
        )
    return pattern


def check_size(value: Sized) -> None:
    """Raise `BadValueError` where a text or list is longer than one may be made."""
    if len(value) > _MOST_SIZE:
        raise _too_large(f"a text of {len(value)} characters")


def _too_large(what: str) -> BadValueError:
    return BadValueError(f"{what} is more than an expression may ask for", fix="ask for less")
