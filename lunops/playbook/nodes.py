"""Read lists of tasks: tasks, blocks of them, and those of other files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lunops.model import Json
from lunops.playbook import inherit, refused
from lunops.playbook import loop as loops
from lunops.playbook.imports import DEEPEST, imported
from lunops.playbook.inherit import Inherited
from lunops.playbook.model import Block, Loop, Node, TaskSpec
from lunops.playbook.notes import Notes
from lunops.playbook.task import short, task
from lunops.playbook.values import shown, text, true_or_false

_PARTS: Final = ("block", "rescue", "always")
_IMPORTS: Final = ("import_tasks", "include_tasks")
LOOP_KEYS: Final = ("loop", "with_items", "loop_control")
BLOCK_KEYS: Final = ("name", *_PARTS, "rescue_unreachable", *LOOP_KEYS, *inherit.KEYS)
_IMPORT_REFUSED: Final[Mapping[str, str]] = {
    **refused.NODE,
    "loop": "write `include_tasks`, whose tasks may be done more than once",
    "with_items": "write `include_tasks`, whose tasks may be done more than once",
    "loop_control": "write `include_tasks`, whose tasks may be done more than once",
    "args": "write `vars`",
    "register": "register the tasks in the file",
    "apply": "write its keywords beside the import: all tasks in the file have them",
}


@dataclass(kw_only=True)
class Ids:
    """Numbers the tasks of a play from 1, in the order in which they are read."""

    before: str  # such as `2.` for the tasks of the second play, `2.h` for its handlers
    count: int = 0

    def next(self) -> str:
        """Return the id of the next task."""
        self.count += 1
        return f"{self.before}{self.count}"


def nodes(notes: Notes, value: Json, around: Inherited, ids: Ids) -> tuple[Node, ...]:
    """Return the tasks and blocks of a list; those that are wrong are noted and left out."""
    if not isinstance(value, list):
        notes.add(f"{shown(value)} is no list of tasks", fix="write each below it, beginning with `- name: …`")
        return ()
    return tuple(node for index, each in enumerate(value) for node in _node(notes.below(index), each, around, ids))


def handlers(notes: Notes, value: Json, around: Inherited, ids: Ids) -> tuple[TaskSpec, ...]:
    """Return the handlers of a list."""
    if not isinstance(value, list):
        notes.add(f"{shown(value)} is no list of handlers", fix="write each below it, beginning with `- name: …`")
        return ()
    found: list[TaskSpec] = []
    for index, each in enumerate(value):
        here = notes.below(index)
        if not isinstance(each, dict):
            here.add(f"{shown(each)} is no handler", fix="write `- name: …`, and below it `MODULE:`")
        elif set(_PARTS) & set(each):
            here.add("a handler cannot be a block", fix="write its tasks as handlers that `listen` to one name")
        elif key := _import_key(each):
            inner, inherited = _import(here, each, key, around)
            if inner is not None:
                found.extend(handlers(inner, inner.source.value, inherited, ids))
        elif (spec := task(here, each, around, ids.next(), handler=True)) is not None:
            found.append(spec)
    return tuple(found)


def _node(notes: Notes, value: Json, around: Inherited, ids: Ids) -> tuple[Node, ...]:
    if not isinstance(value, dict):
        notes.add(f"{shown(value)} is no task", fix="write `- name: …`, and below it `MODULE:`")
        return ()
    if set(_PARTS) & set(value):
        return _block(notes, value, around, ids)
    if key := _import_key(value):
        inner, inherited = _import(notes, value, key, around)
        found = nodes(inner, inner.source.value, inherited, ids) if inner is not None else ()
        loop = loops.loop(notes, value) if short(key) == "include_tasks" else None
        return found if loop is None or not found else (_looped(notes, found, loop),)
    spec = task(notes, value, around, ids.next(), handler=False)
    return (spec,) if spec is not None else ()


def _looped(notes: Notes, tasks: tuple[Node, ...], loop: Loop) -> Block:
    """Return the tasks of a file that are done for each element of a list."""
    return Block(id=f"b{tasks[0].id}", tasks=tasks, loop=loop, where=notes.where())


def _block(notes: Notes, value: Mapping[str, Json], around: Inherited, ids: Ids) -> tuple[Node, ...]:
    notes.unknown(value, BLOCK_KEYS, refused.BLOCK, "a block")
    if notes.depth >= DEEPEST:
        notes.add(f"there are more than {DEEPEST} blocks in each other", fix="put what can stand beside it there")
        return ()
    inherited = around.below(notes, value)
    name = text(notes, value["name"], "name") if "name" in value else ""
    unreachable = "rescue_unreachable" in value and true_or_false(
        notes, value["rescue_unreachable"], "rescue_unreachable"
    )
    if unreachable and not value.get("rescue"):
        fix = "write `rescue:` with what is to be done then"
        notes.add("there is no `rescue` for the unreachable", "rescue_unreachable", fix=fix)
    if value.get("block") == [] or "block" not in value:
        notes.add("the block has no tasks", "block", fix="write `block:`, and its tasks below it")
    loop = loops.loop(notes, value)
    inner = notes.deeper()
    found = {part: nodes(inner.below(part), value[part], inherited, ids) for part in _PARTS if part in value}
    tasks = found.get("block", ())
    if not tasks:  # an error that is noted; or all of it is imports of files with nothing in them
        return ()
    return (
        Block(
            id=f"b{tasks[0].id}",
            name=name,
            tasks=tasks,
            rescue=found.get("rescue", ()),
            always=found.get("always", ()),
            rescue_unreachable=unreachable,
            loop=loop,
            where=notes.where(),
        ),
    )


def _import_key(value: Mapping[str, Json]) -> str:
    return next((key for key in value if short(key) in _IMPORTS), "")


def _import(notes: Notes, value: Mapping[str, Json], key: str, around: Inherited) -> tuple[Notes | None, Inherited]:
    """Return the top of an imported file with its tasks, and what they inherit."""
    modules = [each for each in value if short(each) in notes.book.modules]
    if modules:
        notes.add(f"the import has a module, {modules[0]}, beside it", modules[0], fix="write a task for each")
    rest = {each: said for each, said in value.items() if each not in modules}
    loops_too = LOOP_KEYS if short(key) == "include_tasks" else ()
    not_here = {each: why for each, why in _IMPORT_REFUSED.items() if each not in loops_too}
    notes.unknown(rest, ("name", key, *inherit.KEYS, *loops_too), not_here, "an import")
    inherited = around.below(notes, value)
    if "name" in value:
        text(notes, value["name"], "name")
    file, place = value[key], [key]
    if isinstance(file, dict):
        inner = notes.below(key)
        inner.unknown(file, ("file",), _IMPORT_REFUSED, "an import")
        file, place = file.get("file"), [key, "file"]
    found = imported(notes, file, *place)
    if found is not None and not found.source.value:
        found.add("there are no tasks in this file", fix="write them as a list, or take its import out")
        return None, inherited
    return found, inherited
