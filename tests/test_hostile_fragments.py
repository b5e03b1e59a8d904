"""No hostile text passes in any text of a fragment, be it a value or a key."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, get_origin

import pytest
from pydantic import BaseModel

from lunops.errors import TemplateError
from lunops.fragment import parse
from lunops.fragment_model import Fragment
from tests import hostile
from tests.test_fragment import FULL
from tests.test_hostile_names import CONTROL

Path = tuple[str | int, ...]
# No names, one value of one file each: what the kernel takes there is text, and only control characters are hostile.
TEXTS = ("chap_userid", "chap_password", "chap_mutual_userid", "chap_mutual_password")
# Letters, digits and signs that some of these may have and others may not: a valid name with it is no harm.
HARMLESS = {"/dev/zd0", ":", ".", "-", "--", "-x", "-r", "n1", "iqn", "iqn.2024-01", "eui.0", "--help", "x" * 300}


def texts(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give the place of every text in a fragment."""
    if isinstance(value, dict):
        for key in value:
            yield from texts(value[key], (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from texts(each, (*path, index))
    elif isinstance(value, str):
        yield path


def at(fragment: Any, path: Path) -> Any:
    for part in path:
        fragment = fragment[part]
    return fragment


def with_text(path: Path, text: str) -> Any:
    fragment = copy.deepcopy(FULL)
    at(fragment, path[:-1])[path[-1]] = text
    return fragment


def hostile_to(path: Path) -> list[str]:
    valid = at(FULL, path)
    if path[-1] in TEXTS or "parameters" in path:
        return [*CONTROL, *(valid + bad for bad in CONTROL)]
    return [bad for bad in dict.fromkeys(hostile.hostile(valid)) if bad.strip(" ") != valid and bad not in HARMLESS]


def text_fields(model: type[BaseModel]) -> Iterator[str]:
    """Give the names of all fields that are text, in the model and in those in it."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        if get_origin(field.annotation) is not dict and any(
            kind is str or getattr(kind, "__origin__", None) is str for kind in kinds
        ):
            yield name
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from text_fields(kind)


PLACES = list(texts(FULL))


def test_the_example_has_every_text_of_a_fragment() -> None:
    found = {part for path in PLACES for part in path}

    assert len(set(text_fields(Fragment))) > 10
    assert set(text_fields(Fragment)) - found == set()


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_hostile_text_is_refused_wherever_it_stands_in_a_fragment(path: Path) -> None:
    taken, unclear = [], []
    for bad in hostile_to(path):
        try:
            taken.append((bad, at(parse(with_text(path, bad), "f.json"), path)))
        except TemplateError as error:
            if "Traceback" in str(error) or str(path[-1]) not in str(error):
                unclear.append((bad, str(error)))
    assert taken == []
    assert unclear == []


@pytest.mark.parametrize("bad", [bad for bad in (*hostile.NEVER, *hostile.WHOLE) if bad not in HARMLESS])
@pytest.mark.parametrize("key", ["attributes", "parameters"])
def test_a_hostile_name_of_an_attribute_or_parameter_is_refused(key: str, bad: str) -> None:
    fragment = copy.deepcopy(FULL)
    tpg = fragment["targets"][0]["tpgs"][0]
    tpg[key] = {bad: 1 if key == "attributes" else "1"}

    with pytest.raises(TemplateError):
        parse(fragment, "f.json")
