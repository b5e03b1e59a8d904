"""Filters of lists and dicts; all keep the order in which things stand, and none changes what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, combinations, permutations, product, zip_longest
from typing import Any, Final

from jinja2 import pass_environment
from jinja2.filters import do_unique

from lunops.errors import BadValueError
from lunops.model import Json
from lunops.near import hint
from lunops.render.bounds import at_most
from lunops.render.held import trip

_NULLS = (None, "None", "null")  # what `flatten` leaves out, as Ansible does
_MERGES = ("replace", "keep", "append", "prepend", "append_rp", "prepend_rp")


def combine(*dicts: Any, recursive: bool = False, list_merge: str = "replace") -> Json:
    """Return one dict of several, the later winning; `recursive` also does so within dicts that both have."""
    if list_merge not in _MERGES:
        raise BadValueError(f"list_merge cannot be {list_merge!r}", fix=hint(str(list_merge), _MERGES, "ways"))
    found: Json = {}
    for each in flatten(list(dicts), levels=1):
        found = _merged(found, _mapping(each, "combine"), recursive, list_merge)
    return found


def _merged(low: Mapping[str, Json], high: Mapping[str, Json], recursive: bool, list_merge: str) -> dict[str, Json]:
    made = dict(low)
    for key, value in high.items():
        old = made.get(key)
        if recursive and isinstance(old, Mapping) and isinstance(value, Mapping):
            made[key] = _merged(old, value, recursive, list_merge)
        elif isinstance(old, list) and isinstance(value, list):
            made[key] = _merged_lists(old, value, list_merge)
        else:
            made[key] = value
    return made


def _merged_lists(low: list[Json], high: list[Json], how: str) -> list[Json]:
    if how == "keep":
        return low
    if how.endswith("_rp"):
        low = [each for each in low if each not in high]
    if how.startswith("append"):
        return low + high
    return high + low if how.startswith("prepend") else high


def flatten(values: Any, levels: int | None = None, skip_nulls: bool = True) -> list[Json]:
    """Return a list without lists in it, or without so many levels of them; nulls are left out."""
    found: list[Json] = []
    for each in _list(values, "flatten"):
        trip(each)
        if isinstance(each, list | tuple) and (levels is None or levels > 0):
            found += flatten(each, None if levels is None else levels - 1, skip_nulls)
        elif not (skip_nulls and (each is None or (isinstance(each, str) and each in _NULLS))):
            found.append(each)
    return found


@pass_environment
def unique(environment: Any, values: Any, case_sensitive: bool = True, attribute: Any = None) -> list[Json]:
    """Return the list without what is in it a second time."""
    values = _list(values, "unique")
    if not case_sensitive or attribute is not None:
        return list(do_unique(environment, values, bool(case_sensitive), attribute))
    return _once(values)


def union(values: Any, other: Any) -> list[Json]:
    """Return what is in the one list or the other, each once."""
    return _once(chain(_list(values, "union"), _list(other, "union")))


def intersect(values: Any, other: Any) -> list[Json]:
    """Return what is in both lists, each once."""
    inside = _Members(_list(other, "intersect"))
    return _once(each for each in _list(values, "intersect") if each in inside)


def difference(values: Any, other: Any) -> list[Json]:
    """Return what is in the first list and not in the other, each once."""
    inside = _Members(_list(other, "difference"))
    return _once(each for each in _list(values, "difference") if each not in inside)


def symmetric_difference(values: Any, other: Any) -> list[Json]:
    """Return what is in one of the lists and not in both, each once."""
    return difference(values, other) + difference(other, values)


def zipped(values: Any, *others: Any, strict: bool = False) -> list[Json]:
    """Return lists of what stands at the same place in each list, up to the end of the shortest."""
    return [list(each) for each in zip(values, *others, strict=strict)]


def zipped_longest(values: Any, *others: Any, fillvalue: Any = None) -> list[Json]:
    """Return lists of what stands at the same place in each list, up to the end of the longest."""
    return [list(each) for each in zip_longest(values, *others, fillvalue=fillvalue)]


def product_of(values: Any, *others: Any, repeat: int = 1) -> list[Json]:
    """Return each with each: every way to take one of each list."""
    _refuse_large(1 if not repeat else _power([len(list(each)) for each in (values, *others)], repeat))
    return at_most(list(each) for each in product(values, *others, repeat=repeat))


def permutations_of(values: Any, length: int | None = None) -> list[Json]:
    """Return every order of so many elements of the list."""
    return at_most(list(each) for each in permutations(_list(values, "permutations"), length))


def combinations_of(values: Any, length: int) -> list[Json]:
    """Return every way to take so many elements of the list."""
    return at_most(list(each) for each in combinations(_list(values, "combinations"), length))


def dict2items(value: Any, key_name: str = "key", value_name: str = "value") -> list[Json]:
    """Return a list of a dict with `key` and `value` for each of the dict's."""
    return [{key_name: key, value_name: each} for key, each in _mapping(value, "dict2items").items()]


def items2dict(values: Any, key_name: str = "key", value_name: str = "value") -> Json:
    """Return the dict that a list of dicts with `key` and `value` stands for."""
    found = {}
    for each in _list(values, "items2dict"):
        row = _mapping(each, "items2dict")
        for name in (key_name, value_name):
            if name not in row:
                raise BadValueError(f"items2dict: there is no {name!r} in {row!r:.80}", fix=hint(name, row, "keys"))
        found[row[key_name]] = row[value_name]
    return found


def subelements(values: Any, key: Any, skip_missing: bool = False) -> list[Json]:
    """Return a pair of the element and what it holds for everything that stands in the list under a key of it."""
    rows = list(values.values()) if isinstance(values, Mapping) else _list(values, "subelements")
    path = key if isinstance(key, list) else str(key).split(".")
    return [[row, each] for row in rows for each in _inner(row, path, skip_missing)]


def _inner(row: Any, path: list[str], skip_missing: bool) -> list[Json]:
    inner = row
    for step in path:
        inside = _mapping(inner, "subelements")
        if step not in inside:
            if skip_missing:
                return []
            raise BadValueError(
                f"subelements: there is no {step!r} in {inside!r:.80}",
                fix=hint(step, inside, "keys") + ", or give skip_missing=true",
            )
        inner = inside[step]
    if not isinstance(inner, list):
        raise BadValueError(f"subelements: {'.'.join(path)!r} holds {inner!r:.80}, which is no list", fix="name a list")
    return inner


@pass_environment
def extract(environment: Any, key: Any, container: Any, morekeys: Any = None) -> Any:
    """Return what stands under the key in a container, and under more keys in that."""
    more = morekeys if isinstance(morekeys, list) else [] if morekeys is None else [morekeys]
    for step in [key, *more]:
        container = environment.getitem(container, step)
    return container


class _Members:
    """What is in a list, quick to ask where it can be."""

    def __init__(self, values: list[Json]) -> None:
        self._values = values
        try:
            self._set: frozenset[Any] | None = frozenset(values)
        except TypeError:
            self._set = None

    def __contains__(self, value: object) -> bool:
        try:
            return value in (self._values if self._set is None else self._set)
        except TypeError:
            return value in self._values


def _once(values: Iterable[Json]) -> list[Json]:
    found: list[Json] = []
    seen: set[Any] = set()
    for each in values:
        trip(each)
        try:
            is_new = each not in seen
            seen.add(each)
        except TypeError:  # a dict or list
            is_new = each not in found
        if is_new:
            found.append(each)
    return found


def _list(values: Any, name: str) -> list[Json]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise BadValueError(f"{name}: {values!r:.80} is no list", fix="put it in [ ]")
    return values if isinstance(values, list) else list(values)


def _mapping(value: Any, name: str) -> Mapping[Any, Json]:
    trip(value)
    if not isinstance(value, Mapping):
        raise BadValueError(f"{name}: {value!r:.80} is no dict", fix="give it dicts, with keys and values")
    return value


def _power(sizes: list[int], repeat: int) -> int:
    count = 1
    for size in sizes * min(repeat, 20):
        count *= size
    return count


def _refuse_large(count: int) -> None:
    at_most(iter(range(min(count, 10**6))))


LIST_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "combine": combine,
    "flatten": flatten,
    "unique": unique,
    "union": union,
    "intersect": intersect,
    "difference": difference,
    "symmetric_difference": symmetric_difference,
    "zip": zipped,
    "zip_longest": zipped_longest,
    "product": product_of,
    "permutations": permutations_of,
    "combinations": combinations_of,
    "dict2items": dict2items,
    "items2dict": items2dict,
    "subelements": subelements,
    "extract": extract,
}
