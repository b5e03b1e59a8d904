"""Read one task or handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lunops.model import Json
from lunops.modules.base import AnyModule
from lunops.near import hint
from lunops.playbook import inherit, refused
from lunops.playbook import loop as loops
from lunops.playbook.arguments import arguments
from lunops.playbook.inherit import Inherited
from lunops.playbook.model import TaskSpec
from lunops.playbook.notes import Notes
from lunops.playbook.values import conditions, identifier, text, texts

_PREFIXES = ("ansible.builtin.", "ansible.legacy.")
_OWN: Final = ("name", "args", "register", "changed_when", "failed_when", *loops.KEYS)
KEYS: Final = (*_OWN, *inherit.KEYS)
_NODES: Final = ("block", "import_tasks", "include_tasks")  # what stands in place of a module


def short(key: str) -> str:
    """Return a module's name without the collection that Ansible keeps it in."""
    for prefix in _PREFIXES:
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return key


def task(notes: Notes, value: Mapping[str, Json], around: Inherited, id_: str, *, handler: bool) -> TaskSpec | None:
    """Return a task, or None where it has no module: all that is wrong with it is noted."""
    inherited = around.below(notes, value)
    name = text(notes, value["name"], "name") if "name" in value else ""
    register = identifier(notes, value["register"], "register") if "register" in value else ""
    changed = conditions(notes, value["changed_when"], "changed_when") if "changed_when" in value else ()
    failed = conditions(notes, value["failed_when"], "failed_when") if "failed_when" in value else ()
    loop, until = loops.loop(notes, value), loops.until(notes, value)
    listen = texts(notes, value["listen"], "listen") if "listen" in value else ()
    if handler and not name and not listen:
        notes.add("a handler without a name is never run", fix="give it a `name`, or say what it has to `listen` to")
    key, module = _module(notes, value, (*KEYS, "listen") if handler else KEYS)
    if module is None:
        return None
    args, at = arguments(notes, value, key, module)
    where = {**inherited.where, "": notes.where()}
    where |= {each: notes.where(each) for each in value if each in KEYS or each == "listen"}
    where["args"] = notes.where(key)  # the module, also where a keyword `args` stands beside it
    where |= {f"args.{each}": notes.where(*place) for each, place in at.items()}
    if isinstance(value.get("loop_control"), dict):
        where |= {f"loop_control.{each}": notes.where("loop_control", each) for each in value["loop_control"]}
    return TaskSpec(
        id=id_,
        name=name or module.name,
        module=module.name,
        args=args,
        variables=inherited.variables,
        when=inherited.when,
        loop=loop,
        register=register,
        until=until,
        changed_when=changed or None,
        failed_when=failed or None,
        tags=inherited.tags,
        listen=listen,
        environment=inherited.environment,
        where=where,
        **inherited.nearest,
    )


def _module(notes: Notes, value: Mapping[str, Json], keys: tuple[str, ...]) -> tuple[str, AnyModule | None]:
    """Return the key that is the task's one module, and the module; or note why there is none."""
    modules = notes.book.modules
    found = [key for key in value if short(key) in modules]
    wrong = [key for key in value if key not in keys and key not in found]
    for key in wrong:
        if key.startswith("with_"):
            notes.add(f"a task takes no {key!r} here", key, fix=refused.loop_instead(key))
        elif short(key) in refused.NODE:
            notes.add(f"a task takes no {key!r} here", key, fix=refused.NODE[short(key)])
        elif key == "listen":
            notes.add("only a handler can `listen`", key, fix="write the task below `handlers`")
        else:
            fix = hint(short(key), (*modules, *keys, *_NODES), "modules and keys of a task")
            notes.add(f"{key!r} is neither a module nor a key of a task", key, fix=fix)
    if len(found) > 1:
        fix = "write a task for each"
        notes.add(f"the task has {len(found)} modules, {' and '.join(found)}", found[1], fix=fix)
    elif not found and not wrong:
        notes.add("the task has no module", fix="write what it does, such as `zfs_clone:` with arguments below it")
    return (found[0], modules[short(found[0])]) if found else ("", None)
