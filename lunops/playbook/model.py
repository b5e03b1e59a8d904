"""What a playbook comes to once it is read: plays of blocks and tasks, each with all the keywords that hold for it.

Keywords of a play and of the blocks around a task are given to the task by the reader, so that whoever runs it looks
at one record. Texts with `{{ }}` and bare expressions stand as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from lunops.model import Json

KEEP: Final = "keep"
UNDO: Final = "undo"
STOP: Final = "stop"
OnFailure = Literal["keep", "undo", "stop"]
LINEAR: Final = "linear"
FREE: Final = "free"
_NUMBER, _BRACKETS = re.compile(r"\.([0-9]+)(?=\.|$)"), r"[\1]"  # the place in a list, when.0, is shown as when[0]
Flag = bool | str | None  # true, false, an expression, or None: not said


def _place(where: Mapping[str, str], key: str, shown: str) -> str:
    """Return the place of the key, or of the nearest one around it, and the key."""
    around = key
    while around and around not in where:
        around = around.rpartition(".")[0]
    found = where.get(around, "")
    return f"{found}, {_NUMBER.sub(_BRACKETS, shown)}" if shown else found


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What a task goes over, and how."""

    over: Json  # a list, or a text that is one expression and gives a list
    item: str = "item"  # loop_control.loop_var
    index: str = ""  # loop_control.index_var
    label: Json = None  # loop_control.label
    pause_s: Json = 0  # loop_control.pause
    flatten: bool = False  # `with_items`: lists among the items are taken apart, one level deep


@dataclass(frozen=True, kw_only=True)
class Until:
    """How often a task is tried, and until what holds."""

    conditions: tuple[str, ...] = ()  # bare expressions, all of which must hold; none: until it does not fail
    retries: Json = 3
    delay_s: Json = 5


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A task or handler as it stands in the playbook, with what it inherits from its blocks and its play."""

    id: str  # its place: PLAY.TASK for tasks, PLAY.hTASK for handlers, numbered from 1 through blocks and imports
    name: str  # may hold expressions; the module's where none is given
    module: str
    args: Mapping[str, Json]
    variables: Mapping[str, Json] = field(default_factory=dict)  # of the blocks around it, then its own
    when: tuple[str, ...] = ()  # bare expressions, all of which must hold: those of its blocks come first
    loop: Loop | None = None
    register: str = ""
    until: Until | None = None
    changed_when: tuple[str, ...] | None = None  # None: as the module says; () never comes
    failed_when: tuple[str, ...] | None = None
    ignore_errors: Flag = None
    ignore_unreachable: Flag = None
    any_errors_fatal: Flag = None
    tags: frozenset[str] = frozenset()  # its own, and those of blocks, imports and play
    notify: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()  # of a handler
    run_once: Flag = None
    delegate_to: str = ""
    become: Flag = None
    become_user: str = ""
    environment: Mapping[str, Json] = field(default_factory=dict)
    no_log: Flag = None
    check_mode: Flag = None
    diff: Flag = None
    throttle: Json = 0  # heads at once, 0: as many as there are forks
    timeout_s: Json = None
    on_failure: OnFailure = KEEP
    is_implicit: bool = False  # put in by the reader (`meta: flush_handlers`): no tag leaves it out, no list shows it
    where: Mapping[str, str] = field(default_factory=dict, compare=False)  # key, or KEY.NAME → FILE:LINE:COLUMN

    def place(self, key: str) -> str:
        """Return `FILE:LINE:COLUMN, KEY` for a message; an argument's key, args.NAME, is shown as MODULE.NAME."""
        return _place(self.where, key, f"{self.module}{key.removeprefix('args')}" if key.startswith("args") else key)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Tasks that stand together: `rescue` is for the heads on which one of `tasks` failed, `always` for all."""

    id: str  # the id of what stands first in it, with a b before it
    name: str = ""
    tasks: tuple[Node, ...]
    rescue: tuple[Node, ...] = ()
    always: tuple[Node, ...] = ()
    rescue_unreachable: bool = False  # a head that could not be reached is rescued, too
    loop: Loop | None = None  # all of it is done for each element, one after the other; sees what the play sees
    where: str = field(default="", compare=False)


Node = TaskSpec | Block


@dataclass(frozen=True, kw_only=True)
class VarsFile:
    """A file of variables that a play names; the path may hold expressions, and is relative to the playbook's."""

    path: str
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Play:
    """Tasks, and the heads that do them."""

    name: str
    hosts: str  # a pattern of the inventory
    variables: Mapping[str, Json] = field(default_factory=dict)
    vars_files: tuple[VarsFile, ...] = ()
    tasks: tuple[Node, ...] = ()  # pre_tasks, tasks and post_tasks, with `meta: flush_handlers` between them
    handlers: tuple[TaskSpec, ...] = ()
    serial: tuple[Json, ...] = ()  # how many heads a batch has: numbers, or texts such as "30%"; () all at once
    order: str = "inventory"  # or sorted, reverse_inventory, reverse_sorted
    strategy: str = LINEAR
    forks: int | None = None
    gather_facts: bool = False
    any_errors_fatal: bool = False
    max_fail_percentage: float | None = None
    force_handlers: bool = False
    on_failure: OnFailure = KEEP
    tags: frozenset[str] = frozenset()
    where: Mapping[str, str] = field(default_factory=dict, compare=False)  # key → FILE:LINE:COLUMN, as of a task

    def place(self, key: str) -> str:
        """Return `FILE:LINE:COLUMN, KEY` for a message."""
        return _place(self.where, key, key)


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """The plays of a file, and of those that it imports."""

    path: str
    plays: tuple[Play, ...]

    @property
    def name(self) -> str:
        """The plays' names."""
        return "; ".join(dict.fromkeys(play.name for play in self.plays))
