"""The JSON value, held to its description in docs/output.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given

from lunops.model import RunResult
from lunops.recap import as_json
from tests import recap_support as support

PAGE = (Path(__file__).parents[1] / "docs" / "output.md").read_text("utf-8")
_PLAIN: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "any": lambda _value: True,
}


def described() -> dict[str, dict[str, str]]:
    """Return the tables of the page: of each kind of object, its keys and their types."""
    part = PAGE.split("\n## JSON\n")[1].split("\n## ")[0]
    return {
        section.split("\n", 1)[0]: dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, re.M))
        for section in part.split("\n### ")[1:]
    }


def wrong(value: Any, kind: str, tables: dict[str, dict[str, str]], where: str) -> list[str]:
    """Return what of a value is not as the tables say."""
    if kind in _PLAIN:
        return [] if _PLAIN[kind](value) else [f"{where} is no {kind}: {value!r}"]
    if kind.startswith("list of "):
        return [bad for each in value for bad in wrong(each, kind.removeprefix("list of "), tables, f"{where}[]")]
    if kind.startswith("map of "):
        return [bad for each in value.values() for bad in wrong(each, kind.removeprefix("map of "), tables, where)]
    keys = {key.removesuffix("?"): type_ for key, type_ in tables[kind].items()}
    needed = {key for key in tables[kind] if not key.endswith("?")}
    bad = [f"{where}.{key} is not described" for key in value.keys() - keys.keys()]
    bad += [f"{where}.{key} is missing" for key in needed - value.keys()]
    return bad + [
        each for key in value.keys() & keys.keys() for each in wrong(value[key], keys[key], tables, f"{where}.{key}")
    ]


@given(support.results)
def test_the_json_value_is_as_the_page_describes_it(result: RunResult) -> None:
    assert wrong(json.loads(json.dumps(as_json(result))), "run", described(), "run") == []


def test_the_page_describes_every_kind_of_object() -> None:
    assert list(described()) == ["run", "step", "head", "task", "times", "item"]
    assert all(described().values())
