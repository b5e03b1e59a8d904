"""A module in its own words: made of its schema and what is said of it beside that."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lunops.modules.about import about
from lunops.modules.base import AnyModule


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a module."""

    name: str
    kind: str  # in a word or two
    required: bool
    default: str  # as one writes it, empty for none
    description: str


@dataclass(frozen=True, kw_only=True)
class Described:
    """All that is said of a module."""

    name: str
    summary: str
    text: str
    free_form: str  # the argument that a text in place of all of them stands for
    arguments: tuple[Argument, ...]
    returns: Mapping[str, str]
    check: str
    force: str  # what `force` means, empty where there is none
    undo: str
    example: str  # tasks, as YAML


def describe(module: AnyModule, example: str) -> Described:
    """Return what is said of a module; `example` is the text of its example."""
    arguments = tuple(_arguments(module.args))
    said = about(module)
    return Described(
        name=module.name,
        summary=module.summary,
        text=" ".join((module.args.__doc__ or "").split()),
        free_form=module.free_form,
        arguments=arguments,
        returns=said.returns,
        check=said.check,
        force=next((each.description for each in arguments if each.name == "force"), ""),
        undo=said.undo,
        example=example,
    )


def undescribed(modules: Mapping[str, AnyModule]) -> list[str]:
    """Return the arguments that say nothing of themselves, as MODULE.ARGUMENT."""
    return [
        f"{name}.{each.name}"
        for name, module in sorted(modules.items())
        for each in _arguments(module.args)
        if not each.description
    ]


def _arguments(model: type[BaseModel]) -> Iterator[Argument]:
    for name, field in model.model_fields.items():
        yield Argument(
            name=name,
            kind=_kind(field.annotation),
            required=field.is_required(),
            default="" if field.is_required() else _shown(field.get_default(call_default_factory=True)),
            description=_description(field),
        )


def _description(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _shown(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(annotation: Any) -> str:
    """Return what a value of this type is, in a word or two."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inside[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(each) for each in inside if each is not types.NoneType))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if origin in (list, tuple):
        return f"list of {_kind(inside[0])}"
    if origin in (dict, Mapping):
        return "names and values"
    words = {str: "text", int: "number", float: "number", bool: "true or false", object: "any value", Any: "any value"}
    if annotation in words:
        return words[annotation]
    return (
        "object" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else annotation.__name__.lower()
    )
