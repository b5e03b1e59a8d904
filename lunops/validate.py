"""Check values against pydantic models, and say what is wrong in our own words: path, value, nearest valid key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lunops.errors import BadValueError
from lunops.near import hint

_SHOWN = 10
_QUOTED = re.compile(r"'([^']*)'")  # the choices in pydantic's list of them

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

# pydantic's own words speak of Python types and end in a link; these say what to write.
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object of keys and values",
    "model_type": "must be an object of keys and values",
    "too_short": "must not be empty",
}


class Checked(BaseModel):
    """The base of every model: no unknown keys, no quiet conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, at one place."""

    path: str  # such as targets[0].tpgs[0].tag; empty for the whole
    what: str
    fix: str = ""
    place: tuple[str | int, ...] = ()  # the path in parts, as pydantic has it
    kind: str = ""  # pydantic's name of it, where it is of pydantic

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" if self.path else self.what


def checker(parse: Callable[[object], T]) -> Callable[[object], T]:
    """Return `parse` as a pydantic validator: its `BadValueError` keeps its words and its remedy."""

    def check(value: object) -> T:
        try:
            return parse(value)
        except BadValueError as error:
            raise bad_value(error.what, error.fix) from error

    return check


def bad_value(what: str, fix: str = "") -> PydanticCustomError:
    """Return the error that a validator raises."""
    return PydanticCustomError("bad_value", "{what}", {"what": what, "fix": fix})


def check(model: type[M], value: object, advice: Mapping[str, str] | None = None) -> tuple[M | None, list[Problem]]:
    """Return the checked value, or every problem with it; `advice` says more on certain unknown keys."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        return None, [
            replace(_problem(model, each, advice or {}), place=each["loc"], kind=each["type"]) for each in found
        ]


def _problem(model: type[BaseModel], error: ErrorDetails, advice: Mapping[str, str]) -> Problem:
    kind, place, value = error["type"], error["loc"], error["input"]
    path = path_text(place)
    if kind == "extra_forbidden":
        key = str(place[-1])
        known = _fields_at(model, place[:-1])
        return Problem(path=path, what=f"unknown key {key!r}", fix=advice.get(key) or hint(key, known, "keys"))
    context = error.get("ctx", {})
    if kind == "bad_value":
        return Problem(path=path, what=str(context["what"]), fix=str(context["fix"]))
    words = _WORDS.get(kind, error["msg"][:1].lower() + error["msg"][1:])
    if kind == "missing":
        return Problem(path=path, what=words, fix=f"give {place[-1]!r}")
    fix = hint(value, _QUOTED.findall(context["expected"]), "choices") if _is_choice(kind, value) else ""
    shown = "what it is" if "password" in path else repr(value)
    return Problem(path=path, what=f"{words}, not {shown if len(shown) < 80 else shown[:77] + '…'}", fix=fix)


def _is_choice(kind: str, value: object) -> TypeGuard[str]:
    return kind == "literal_error" and isinstance(value, str)


def in_one(problems: Sequence[Problem]) -> tuple[str, str]:
    """Return what is wrong and how to mend it as one error's two texts; the first few problems, if there are many."""
    if len(problems) == 1:
        return str(problems[0]), problems[0].fix
    shown = [f"{problem} ({problem.fix})" if problem.fix else str(problem) for problem in problems[:_SHOWN]]
    return "; ".join(shown) + (f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""), ""


def path_text(place: Sequence[str | int]) -> str:
    """Return a place in a value as one writes it: `targets[0].tag`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
        elif part != "[key]":  # pydantic's way to say that the key before it is what is wrong
            text += f"[{part!r}]"
    return text


def _fields_at(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Return the keys that are known at a place below the model."""
    now: Any = model
    for part in place:
        if isinstance(part, int):
            now = next(iter(get_args(now)), None)
        elif isinstance(now, type) and issubclass(now, BaseModel) and part in now.model_fields:
            now = now.model_fields[part].annotation
        if not isinstance(now, type):
            models = [each for each in get_args(now) if isinstance(each, type) and issubclass(each, BaseModel)]
            now = models[0] if models and not isinstance(part, str) else now
    return list(now.model_fields) if isinstance(now, type) and issubclass(now, BaseModel) else []
