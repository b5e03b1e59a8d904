"""All the filters that are ours, by name; those of Jinja stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lunops.render.bounds import check_format, check_widths
from lunops.render.filters_data import DATA_FILTERS, json_of
from lunops.render.filters_lists import LIST_FILTERS
from lunops.render.filters_names import NAME_FILTERS, pool_of
from lunops.render.filters_text import TEXT_FILTERS
from lunops.render.filters_types import TYPE_FILTERS, to_bool

__all__ = ["FILTERS", "WIDTHS", "json_of", "pool_of", "to_bool"]

FILTERS: Final[dict[str, Callable[..., Any]]] = {
    **DATA_FILTERS,
    **LIST_FILTERS,
    **NAME_FILTERS,
    **TEXT_FILTERS,
    **TYPE_FILTERS,
}


def _widths(*args: object, **named: object) -> None:
    check_widths([*args[1:], *named.values()])


def _format(pattern: object, *_args: object, **_named: object) -> None:
    check_format(str(pattern))


# What is asked before some of Jinja's own, which would else fill a text up to any width.
WIDTHS: Final[dict[str, Callable[..., None]]] = {
    "center": _widths,
    "indent": _widths,
    "batch": _widths,
    "format": _format,
}
