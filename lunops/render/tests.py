"""The tests that are ours, as in `x is NAME`; those of Jinja stand beside them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from lunops.errors import BadValueError
from lunops.names import Dataset, Iqn, Snapshot
from lunops.near import hint
from lunops.render.filters_names import interface, ip_in
from lunops.render.filters_text import regex, text_of
from lunops.render.filters_types import _BOOLEANS
from lunops.render.held import trip

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    **dict.fromkeys(("==", "=", "eq"), operator.eq),
    **dict.fromkeys(("!=", "<>", "ne"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys(("<=", "le"), operator.le),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys((">=", "ge"), operator.ge),
}
_VERSION_PART = re.compile(r"[0-9]+|[a-z]+|[^0-9a-z.]+")
_SEMANTIC = re.compile(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?\Z")


def _of_result(key: str, *, missing: bool = False) -> Callable[[object], bool]:
    def test(result: object) -> bool:
        return bool(_result(result).get(key, missing))

    return test


def failed(result: object) -> bool:
    """Whether a result is one of a task that failed."""
    return bool(_result(result).get("failed"))


def changed(result: object) -> bool:
    """Whether a result is one of a task that changed something, any of its items where it has no word of its own."""
    found = _result(result)
    if "changed" in found:
        return bool(found["changed"])
    rows = found.get("results")
    return isinstance(rows, list) and any(isinstance(row, Mapping) and row.get("changed") for row in rows)


def match(value: object, pattern: object = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    """Whether a text begins with what the pattern fits."""
    return regex(pattern, ignorecase, multiline).match(text_of(value)) is not None


def search(value: object, pattern: object = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    """Whether the pattern fits anywhere in a text."""
    return regex(pattern, ignorecase, multiline).search(text_of(value)) is not None


def any_regex(
    value: object, pattern: object = "", ignorecase: bool = False, multiline: bool = False, match_type: str = "search"
) -> bool:
    """Whether the pattern fits: `match_type` is search, match or fullmatch."""
    if match_type not in ("search", "match", "fullmatch"):
        raise BadValueError(f"match_type cannot be {match_type!r}", fix="write search, match or fullmatch")
    return getattr(regex(pattern, ignorecase, multiline), match_type)(text_of(value)) is not None


def subset(values: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether all that is in the one list is in the other."""
    inside = list(other)
    return all(each in inside for each in values)


def superset(values: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether all that is in the other list is in this one."""
    return subset(other, values)


def all_of(values: Iterable[Any]) -> bool:
    """Whether all in the list are true."""
    return all(values)


def any_of(values: Iterable[Any]) -> bool:
    """Whether any in the list is true."""
    return any(values)


def contains(values: Any, value: Any) -> bool:
    """Whether a value is in a list, a key in a dict, a text in a text."""
    return value in values


def truthy(value: Any, convert_bool: bool = False) -> bool:
    """Whether Python takes the value for true; with convert_bool, "no", "off", "false" and "0" are false."""
    trip(value)
    if convert_bool and isinstance(value, str):
        value = _BOOLEANS.get(value.lower(), value)
    return bool(value)


def falsy(value: Any, convert_bool: bool = False) -> bool:
    """Whether Python takes the value for false."""
    return not truthy(value, convert_bool)


def version(value: Any, other: Any, operator: str = "eq", strict: Any = None, version_type: str = "loose") -> bool:
    """Whether a version is before, after or the same as another: numbers by value, words by letter."""
    compare = _OPERATORS.get(operator)
    if compare is None:
        raise BadValueError(f"there is no comparison {operator!r}", fix=hint(str(operator), _OPERATORS, "comparisons"))
    ways = {"loose": _loose, "semver": _semantic, "semantic": _semantic}
    if strict is not None or version_type not in ways:
        raise BadValueError(
            f"versions are not compared as {version_type!r} here", fix="write version_type loose or semver"
        )
    parse = ways[version_type]
    for each in (value, other):
        if each is None or text_of(each).strip() == "":
            raise BadValueError("a version is empty", fix="see what gave it, or use `default`")
    try:
        return compare(parse(text_of(value)), parse(text_of(other)))
    except TypeError:
        raise BadValueError(
            f"{value!r:.80} and {other!r:.80} cannot be compared: a number stands where the other has a word",
            fix="take the part that is a version with regex_search",
        ) from None


def is_ip(value: object) -> bool:
    """Whether a text is an address, with a prefix or without."""
    return interface(value) is not None


def is_ipv4(value: object) -> bool:
    """Whether a text is an IPv4 address."""
    found = interface(value)
    return found is not None and found.version == 4


def is_ipv6(value: object) -> bool:
    """Whether a text is an IPv6 address."""
    found = interface(value)
    return found is not None and found.version == 6


def is_nan(value: object) -> bool:
    """Whether a value is no number, in the sense of floats."""
    return isinstance(value, float) and math.isnan(value)


def _named(parse: Callable[[object], object]) -> Callable[[object], bool]:
    def test(value: object) -> bool:
        try:
            parse(value)
        except BadValueError:
            return False
        return True

    return test


def _result(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadValueError(f"{value!r:.80} is no result of a task", fix="test a variable that a task registers")
    return value


def _loose(text: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in _VERSION_PART.findall(text.lower())]


def _semantic(text: str) -> tuple[Any, ...]:
    found = _SEMANTIC.match(text)
    if found is None:
        raise BadValueError(f"{text!r:.80} is no semantic version", fix="write such as 1.2.3 or 1.2.3-rc.1")
    before = found[4].split(".") if found[4] else []
    words = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in before)
    return (int(found[1]), int(found[2]), int(found[3]), not before, words)


def _not(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: not test(value)


TESTS: Final[dict[str, Callable[..., bool]]] = {
    **dict.fromkeys(("failed", "failure"), failed),
    **dict.fromkeys(("succeeded", "success", "successful"), _not(failed)),
    **dict.fromkeys(("changed", "change"), changed),
    **dict.fromkeys(("skipped", "skip"), _of_result("skipped")),
    "unreachable": _of_result("unreachable"),
    "reachable": _not(_of_result("unreachable")),
    "finished": _of_result("finished", missing=True),
    "match": match,
    "search": search,
    "regex": any_regex,
    **dict.fromkeys(("subset", "issubset"), subset),
    **dict.fromkeys(("superset", "issuperset"), superset),
    "all": all_of,
    "any": any_of,
    "contains": contains,
    "truthy": truthy,
    "falsy": falsy,
    **dict.fromkeys(("version", "version_compare"), version),
    **dict.fromkeys(("nan", "isnan"), is_nan),
    **dict.fromkeys(("ip", "ipaddr"), is_ip),
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "ip_in": ip_in,
    "iqn": _named(Iqn.parse),
    "dataset": _named(Dataset.parse),
    "snapshot": _named(Snapshot.parse),
}
