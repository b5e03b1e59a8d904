"""Say what each module is and takes, as a page of Markdown made of the modules' own schemas."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lunops.modules.base import AnyModule

_INTRO = """# The modules

Each is a kind of task in a playbook. Made of the modules' own schemas; a test holds it to them.
Unknown arguments are refused with the nearest valid name; so is every value that is not what its column says.

All of them look first, say in check mode what they would do, and change nothing the second time.
"""


def page(modules: Mapping[str, AnyModule]) -> str:
    """Return the page: a table of all modules, then each with its arguments."""
    lines = [_INTRO, "| module | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {module.summary} |" for name, module in sorted(modules.items())]
    for name, module in sorted(modules.items()):
        lines += ["", f"## {name}", "", _text(module.args), ""]
        lines += ["| argument | | default | |", "|---|---|---|---|"]
        lines += list(_rows(module.args))
    return "\n".join(lines) + "\n"


def undescribed(modules: Mapping[str, AnyModule]) -> list[str]:
    """Return the arguments that say nothing of themselves, as MODULE.ARGUMENT."""
    return [
        f"{name}.{argument}"
        for name, module in sorted(modules.items())
        for argument, field in module.args.model_fields.items()
        if not _description(field)
    ]


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        yield f"| `{name}` | {_kind(field.annotation)} | {default} | {_description(field)} |"


def _text(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _description(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _shown(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


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
