"""Share a play's heads out into batches, as `serial` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from lunops.errors import PlaybookError
from lunops.model import Json

T = TypeVar("T")


def batches(heads: Sequence[T], serial: Sequence[Json], where: str) -> list[list[T]]:
    """Return the batches in order: numbers, or shares such as "30%" of all; the last one counts for the rest."""
    if not serial or not heads:
        return [list(heads)]
    sizes = [_size(each, len(heads), where) for each in serial]
    found: list[list[T]] = []
    begun = 0
    while begun < len(heads):
        size = sizes[min(len(found), len(sizes) - 1)]
        size = len(heads) if size <= 0 else size
        found.append(list(heads[begun : begun + size]))
        begun += size
    return found


def _size(value: Json, count: int, where: str) -> int:
    text = str(value).strip()
    try:
        if text.endswith("%"):
            return max(1, int(float(text[:-1]) / 100 * count))
        return int(text)
    except ValueError as error:
        raise PlaybookError(
            f"{value!r} is no number of heads", where=where, fix='write a number, or a share such as "30%"'
        ) from error


def ordered(heads: Sequence[T], order: str, names: Sequence[str]) -> list[T]:
    """Return the heads as `order` says; `names` are theirs."""
    if order in ("sorted", "reverse_sorted"):
        by_name = [head for _name, head in sorted(zip(names, heads, strict=True), key=lambda pair: pair[0])]
        return by_name[::-1] if order == "reverse_sorted" else by_name
    return list(reversed(heads)) if order == "reverse_inventory" else list(heads)
