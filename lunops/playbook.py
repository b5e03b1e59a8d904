"""A playbook: plays with tasks, read from YAML, its words checked, its expressions not yet filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lunops.errors import LunopsError, PlaybookError
from lunops.model import Json
from lunops.modules import MODULES
from lunops.near import hint
from lunops.together import raise_all
from lunops.yaml_source import Source, read

_PLAY_KEYS = ("name", "hosts", "vars", "on_failure", "tasks")
KEEP, UNDO = "keep", "undo"  # what `on_failure` may be
_TASK_KEYS = ("name", "loop", "when", "timeout")


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A task as it stands in the playbook."""

    name: str
    module: str
    args: Mapping[str, Json]
    loop: str | list[Json] | None = None  # an expression that gives a list, or the list
    when: str = ""  # a bare expression, asked for each item
    timeout_s: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)  # key, or argument as "args.NAME" → FILE:LINE:COLUMN

    def place(self, key: str) -> str:
        """Return `FILE:LINE:COLUMN, KEY` for a message."""
        shown = f"{self.module}{key.removeprefix('args')}" if key.startswith("args") else key
        return f"{self.where.get(key, self.where.get('', ''))}, {shown}"


@dataclass(frozen=True, kw_only=True)
class Play:
    """Tasks, and the heads that do them."""

    name: str
    hosts: str  # a pattern of the inventory
    variables: Mapping[str, Json]
    tasks: tuple[TaskSpec, ...]
    where: str  # FILE:LINE:COLUMN
    on_failure: str = KEEP


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """The plays of one file."""

    path: str
    plays: tuple[Play, ...]

    @property
    def name(self) -> str:
        """The plays' names."""
        return "; ".join(dict.fromkeys(play.name for play in self.plays))


def parse(text: str, path: str) -> Playbook:
    """Return the playbook in a YAML text; raises `PlaybookError` with every error, each with file and line."""
    source = read(text, path, PlaybookError)
    if not isinstance(source.value, list) or not source.value:
        raise PlaybookError("a playbook is a list of plays", where=path, fix="begin with `- name: …`, `hosts: …`")
    errors: list[LunopsError] = []
    plays = [_play(source, place, value, errors) for place, value in enumerate(source.value)]
    raise_all(errors)
    return Playbook(path=path, plays=tuple(play for play in plays if play is not None))


class _Errors:
    """Notes errors at places of a source."""

    def __init__(self, source: Source, errors: list[LunopsError], *key: str | int) -> None:
        self._source = source
        self._errors = errors
        self._key = key

    def add(self, what: str, *key: str | int, fix: str = "") -> None:
        self._errors.append(PlaybookError(what, where=self._source.where(*self._key, *key), fix=fix))


def _play(source: Source, place: int, value: Json, errors: list[LunopsError]) -> Play | None:
    note = _Errors(source, errors, place)
    if not isinstance(value, dict):
        note.add("a play is an object of keys and values", fix="begin with `- name: …`, `hosts: …`")
        return None
    for key in value:
        if key not in _PLAY_KEYS:
            note.add(f"a play has no {key!r}", key, fix=hint(key, _PLAY_KEYS, "keys"))
    hosts, variables, tasks = value.get("hosts"), value.get("vars") or {}, value.get("tasks")
    if isinstance(hosts, list) and all(isinstance(each, str) for each in hosts):
        hosts = ",".join(hosts)
    if not isinstance(hosts, str) or not hosts:
        note.add("a play says which `hosts` it is for", "hosts", fix="write `hosts: all`, or a head or group")
    if not isinstance(variables, dict):
        note.add("`vars` is an object of names and values", "vars")
        variables = {}
    if not isinstance(tasks, list) or not tasks:
        note.add("a play has a list of `tasks`", "tasks", fix="write `tasks:` and below it `- name: …`")
        tasks = []
    on_failure = value.get("on_failure", KEEP)
    if on_failure not in (KEEP, UNDO):
        note.add(
            f"`on_failure` is {on_failure!r}",
            "on_failure",
            fix=f"write `{KEEP}`, which keeps what worked, or `{UNDO}`, which takes all of the play back",
        )
    name = value.get("name", hosts or "")
    if not isinstance(name, str):
        note.add("a `name` is text", "name")
    specs = [_task(source, (place, "tasks", number), task, errors) for number, task in enumerate(tasks)]
    return Play(
        name=str(name),
        hosts=str(hosts),
        variables=variables,
        tasks=tuple(spec for spec in specs if spec is not None),
        where=source.where(place),
        on_failure=str(on_failure),
    )


def _task(source: Source, key: tuple[str | int, ...], value: Json, errors: list[LunopsError]) -> TaskSpec | None:
    note = _Errors(source, errors, *key)
    if not isinstance(value, dict):
        note.add("a task is an object of keys and values", fix="write `- name: …` and below it `MODULE:`")
        return None
    module = _module(value, note)
    before = len(errors)
    args, loop, when, timeout = (value.get(each) for each in (module, "loop", "when", "timeout"))
    if not isinstance(args, dict):
        if module:
            note.add(f"{module} takes an object of arguments", module, fix="write each below it, `NAME: VALUE`")
        args = {}
    for name in args:
        known = MODULES[module].args.model_fields
        if name not in known:
            note.add(f"{module} has no argument {name!r}", module, name, fix=hint(name, known, "arguments"))
    if "loop" in value and not (isinstance(loop, list) or (isinstance(loop, str) and "{{" in loop)):
        note.add("`loop` is a list, or an expression that gives one", "loop", fix='write `loop: "{{ NAME }}"`')
    if isinstance(when, bool):
        when = "true" if when else "false"
    if "when" in value and (not isinstance(when, str) or not when.strip() or "{{" in when):
        note.add("`when` is a bare expression", "when", fix="write it without {{ }}, such as `when: item.x == 1`")
    if "timeout" in value and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0):
        note.add("`timeout` is a number of seconds above 0", "timeout")
    if not isinstance(value.get("name", ""), str):
        note.add("a `name` is text", "name")
    if not module or len(errors) > before:
        return None
    where = {each: source.where(*key, each) for each in ("", *value)}
    where |= {"args": source.where(*key, module)}
    where |= {f"args.{name}": source.where(*key, module, name) for name in args}
    return TaskSpec(
        name=value.get("name", MODULES[module].summary),
        module=module,
        args=args,
        loop=loop,
        when=when or "",
        timeout_s=timeout,
        where=where,
    )


def _module(value: Mapping[str, Json], note: _Errors) -> str:
    """Return the task's one module, or note why there is none."""
    modules = [key for key in value if key in MODULES]
    for key in value:
        if key not in MODULES and key not in _TASK_KEYS:
            fix = hint(key, (*MODULES, *_TASK_KEYS), "modules and keys of a task")
            note.add(f"{key!r} is neither a module nor a key of a task", key, fix=fix)
            return ""
    if len(modules) != 1:
        said = f"has {len(modules)} modules, {', '.join(modules)}" if modules else "has no module"
        note.add(f"the task {said}", fix=f"give it one of {', '.join(MODULES)}")
        return ""
    return modules[0]
