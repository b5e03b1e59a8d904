"""Read plays: their heads, their tasks in order, their handlers; and the plays of other files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, Final

from lunops.model import Json
from lunops.playbook import inherit, refused
from lunops.playbook.expressions import has_expression
from lunops.playbook.imports import imported
from lunops.playbook.inherit import Inherited
from lunops.playbook.model import FREE, KEEP, LINEAR, Node, Play, TaskSpec, VarsFile
from lunops.playbook.nodes import Ids, handlers, nodes
from lunops.playbook.notes import Notes
from lunops.playbook.notify import check_notify
from lunops.playbook.values import choice, number, shown, text, texts, true_or_false, variables

SECTIONS: Final = ("pre_tasks", "tasks", "post_tasks")
_ORDERS: Final = ("inventory", "sorted", "reverse_inventory", "reverse_sorted")
KEYS: Final = (
    "name", "hosts", "vars", "vars_files", "serial", "order", "strategy", "forks", "gather_facts",
    "max_fail_percentage", "force_handlers", "tags", "environment", *inherit.OF_PLAY, *SECTIONS, "handlers",
)  # fmt: skip
IMPORT_KEYS: Final = ("name", "import_playbook", "tags", "when", "vars")
_FLUSH: Final = "flush_handlers"
_PERCENT = re.compile(r"[1-9][0-9]?%|100%")


def plays(notes: Notes, value: Json, around: Inherited, numbers: Iterator[int]) -> tuple[Play, ...]:
    """Return the plays of a file, and of those that it imports; `around` is what an import hands down."""
    if not isinstance(value, list) or not value:
        notes.add("a playbook is a list of plays", fix="begin with `- name: …`, and `hosts: …` below it")
        return ()
    found: list[Play] = []
    for index, each in enumerate(value):
        here = notes.below(index)
        if not isinstance(each, dict):
            here.add(f"{shown(each)} is no play", fix="begin with `- name: …`, and `hosts: …` below it")
        elif any(key.endswith("import_playbook") for key in each):
            found.extend(_imported(here, each, around, numbers))
        else:
            found.append(_play(here, each, around, next(numbers)))
    return tuple(found)


def numbering() -> Iterator[int]:
    """Give the numbers of plays, from 1."""
    return count(1)


def _imported(notes: Notes, value: Mapping[str, Json], around: Inherited, numbers: Iterator[int]) -> tuple[Play, ...]:
    key = next(key for key in value if key.endswith("import_playbook"))
    notes.unknown(value, (*IMPORT_KEYS, key), {}, "an import of a playbook")
    inherited = around.below(notes, {each: said for each, said in value.items() if each in ("tags", "when", "vars")})
    if "name" in value:
        text(notes, value["name"], "name")
    inner = imported(notes, value[key], key)
    return plays(inner, inner.source.value, inherited, numbers) if inner is not None else ()


def _play(notes: Notes, value: Mapping[str, Json], around: Inherited, place: int) -> Play:
    notes.unknown(value, KEYS, refused.PLAY, "a play")
    keys = (*inherit.OF_PLAY, "tags", "environment")
    handed = replace(around, variables={}, when=())  # what an import says: `vars` are the play's, `when` its tasks'
    inherited = handed.below(notes, {key: value[key] for key in keys if key in value})
    hosts = _hosts(notes, value)
    found = (
        handlers(notes.below("handlers"), value["handlers"], inherited, Ids(before=f"{place}.h"))
        if "handlers" in value
        else ()
    )
    tasks = _tasks(notes, value, replace(inherited, when=around.when), place, flush="handlers" in value and bool(found))
    check_notify(notes.book.errors, tasks, found)
    own = variables(notes, value["vars"], "vars") if "vars" in value else {}
    return Play(
        name=text(notes, value["name"], "name") if "name" in value else hosts,
        hosts=hosts,
        variables={**own, **around.variables},
        vars_files=_vars_files(notes, value),
        tasks=tasks,
        handlers=found,
        serial=_serial(notes, value),
        any_errors_fatal=_own_flag(notes, value, "any_errors_fatal"),
        on_failure=inherited.nearest.get("on_failure", KEEP),
        tags=inherited.tags,
        where={**around.where, "": notes.where(), **_places(notes, value)},
        **_settings(notes, value),
    )


def _settings(notes: Notes, value: Mapping[str, Json]) -> dict[str, Any]:
    """Return the keywords that say how the heads take turns, by the field of a Play."""
    made: dict[str, Any] = {
        key: true_or_false(notes, value[key], key) for key in ("gather_facts", "force_handlers") if key in value
    }
    if "order" in value:
        made["order"] = choice(notes, value["order"], "order", known=_ORDERS)
    if "strategy" in value:
        made["strategy"] = choice(notes, value["strategy"], "strategy", known=(LINEAR, FREE))
    if "forks" in value:
        made["forks"] = number(notes, value["forks"], "forks", least=1, most=10_000, whole=True, literal=True)
    if "max_fail_percentage" in value:
        said = value["max_fail_percentage"]
        made["max_fail_percentage"] = number(notes, said, "max_fail_percentage", least=0, most=100, literal=True)
    return made


def _own_flag(notes: Notes, value: Mapping[str, Json], key: str) -> bool:
    """Return a keyword that the play needs as true or false, though its tasks may have an expression."""
    said = value.get(key, False)
    if isinstance(said, str) and has_expression(said):
        notes.add("a play cannot have an expression here", key, fix="write true or false, or write it at the tasks")
    return said is True


def _hosts(notes: Notes, value: Mapping[str, Json]) -> str:
    if "hosts" not in value:
        notes.add("a play says which `hosts` it is for", "hosts", fix="write `hosts: all`, or a head or group")
        return ""
    said = texts(notes, value["hosts"], "hosts")
    if not said:
        notes.add("the list of `hosts` is empty", "hosts", fix="write `hosts: all`, or a head or group")
    return ",".join(said)


def _tasks(
    notes: Notes, value: Mapping[str, Json], inherited: Inherited, place: int, *, flush: bool
) -> tuple[Node, ...]:
    """Return pre_tasks, tasks and post_tasks; between them what was notified is run, as Ansible does it."""
    ids, flushes = Ids(before=f"{place}."), Ids(before=f"{place}.f")
    found: list[Node] = []
    for key in SECTIONS:
        if key not in value:
            continue
        more = nodes(notes.below(key), value[key], inherited, ids)
        if more and found and flush:
            found.append(_flush(flushes.next(), notes.where(key)))
        found.extend(more)
    if not any(value.get(key) for key in SECTIONS) and value.get("gather_facts") is not True:
        notes.add("a play has a list of `tasks`", "tasks", fix="write `tasks:`, and below it `- name: …`")
    return tuple(found)


def _flush(id_: str, where: str) -> TaskSpec:
    return TaskSpec(id=id_, name=_FLUSH, module="meta", args={"action": _FLUSH}, is_implicit=True, where={"": where})


def _serial(notes: Notes, value: Mapping[str, Json]) -> tuple[Json, ...]:
    if "serial" not in value:
        return ()
    said = value["serial"]
    if said == []:
        notes.add("the list of batches is empty", "serial", fix="write such as `serial: [1, 30%]`, or leave it out")
    many = isinstance(said, list)
    return tuple(
        _batch(notes, each, *(("serial", index) if many else ("serial",)))
        for index, each in enumerate(said if many else [said])
    )


def _batch(notes: Notes, value: Json, *key: str | int) -> Json:
    if isinstance(value, str) and has_expression(value):
        notes.expressions(value, *key)
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000
    if not whole and not (isinstance(value, str) and _PERCENT.fullmatch(value)):
        fix = 'write how many heads a batch has, such as 2 or "30%"'
        notes.add(f"{shown(value)} is no size of a batch", *key, fix=fix)
    return value


def _vars_files(notes: Notes, value: Mapping[str, Json]) -> tuple[VarsFile, ...]:
    if "vars_files" not in value:
        return ()
    said = value["vars_files"]
    paths = texts(notes, said, "vars_files")
    return tuple(
        VarsFile(path=_in_folder(notes, path), where=notes.where("vars_files", *([index] * isinstance(said, list))))
        for index, path in enumerate(paths)
    )


def _in_folder(notes: Notes, path: str) -> str:
    """Return a path as it is seen from the folder of the whole playbook."""
    return path if path.startswith("{{") else posixpath.join(notes.folder, path)


def _places(notes: Notes, value: Mapping[str, Json]) -> dict[str, str]:
    made = {key: notes.where(key) for key in value}
    if isinstance(value.get("vars"), dict):
        made |= {f"vars.{name}": notes.where("vars", name) for name in value["vars"]}
    return made
