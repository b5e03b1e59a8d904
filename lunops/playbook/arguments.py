"""Read the arguments of a task's module, and check what can be checked before any value is there."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, RootModel

from lunops.model import Json
from lunops.modules.base import AnyModule
from lunops.near import hint
from lunops.playbook.expressions import has_expression
from lunops.playbook.notes import Notes
from lunops.playbook.values import conditions, identifier, shown
from lunops.validate import check, path_text
from lunops.yaml_source import Key


def arguments(
    notes: Notes, value: Mapping[str, Json], key: str, module: AnyModule
) -> tuple[dict[str, Json], dict[str, Key]]:
    """Return a task's arguments, and the place of each in the task; `key` is how the task names the module."""
    args, at = _given(notes, value[key], key, module)
    more = value.get("args", {})
    if not isinstance(more, dict):
        notes.add(f"{shown(more)} is no object of arguments", "args", fix="write each below it, as NAME: VALUE")
        more = {}
    for name, each in more.items():
        if name in args:
            notes.add(f"the argument {name!r} is given twice", "args", name, fix=f"it stands below {key}, too")
        args[name], at[name] = each, ("args", name)
    known = None if takes_any_name(module.args) else names_of(module.args)
    for name in args:
        if known is None:
            identifier(notes, name, *at[name])
        elif name not in known:
            fix = hint(name, known, "arguments")
            notes.add(f"{module.name} has no argument {name!r}", *at[name], fix=fix)
        if name in module.bare:
            _bare(notes, args[name], *at[name])
        else:
            notes.expressions(args[name], *at[name])
    if args or not value[key] or isinstance(value[key], dict):  # else it is told already
        _literals(notes, args, at, key, module)
    return args, at


def takes_any_name(model: type[BaseModel]) -> bool:
    """Tell whether the arguments are not known by name: they are variables."""
    return issubclass(model, RootModel) or model.model_config.get("extra") == "allow"


def names_of(model: type[BaseModel]) -> list[str]:
    """Return the names of a module's arguments, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _given(notes: Notes, value: Json, key: str, module: AnyModule) -> tuple[dict[str, Json], dict[str, Key]]:
    if isinstance(value, dict):
        return dict(value), {name: (key, name) for name in value}
    if value is None:
        return {}, {}
    if not isinstance(value, str) or not module.free_form:
        fix = "write each below it, as NAME: VALUE, not as NAME=VALUE"
        notes.add(f"{module.name} takes an object of arguments, not {shown(value)}", key, fix=fix)
        return {}, {}
    for name in names_of(module.args):
        # Ansible takes `chdir=/tmp` out of the text: here it would quietly become a word of the command.
        if name != module.free_form and re.search(rf"(^|\s){re.escape(name)}=", value):
            fix = f"write `args:` beside {key}, and below it `{name}: …`"
            notes.add(f"the argument {name!r} stands in the text of {module.name}", key, fix=fix)
    return {module.free_form: value}, {module.free_form: (key,)}


def _bare(notes: Notes, value: Json, *key: str | int) -> None:
    """Check the texts of an argument that is a bare expression, or a list of them."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            _bare(notes, each, *key, index)
    elif isinstance(value, str):
        conditions(notes, value, *key)


def _literals(notes: Notes, args: Mapping[str, Json], at: Mapping[str, Key], key: str, module: AnyModule) -> None:
    """Hold to the module's schema what is not an expression, and what is missing."""
    said: set[Key] = set()
    for problem in check(module.args, dict(args))[1]:
        there, value = _found(args, problem.place)
        if problem.kind == "extra_forbidden" and len(problem.place) == 1:
            continue  # told already
        if problem.kind == "missing":
            there = problem.place
        elif has_expression(value):
            continue  # what it comes to is checked when it is there
        if there in said:
            continue  # each choice of a union has its own words for the same
        said.add(there)
        place = (*at.get(str(there[0]), (key, there[0])), *there[1:]) if there else (key,)
        name = f"{path_text(there)}: " if there else ""
        fix = problem.fix or f"see `lunops doc {module.name}`"
        notes.add(f"{module.name}: {name}{problem.what}", *place, fix=fix)


def _found(args: Mapping[str, Json], place: Key) -> tuple[Key, Json]:
    """Return as much of a place as there is in the arguments, and what stands there."""
    there: list[str | int] = []
    value: Json = args
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
        there.append(part)
    return tuple(there), value
