"""What all parts of one run share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lunops.errors import InventoryError
from lunops.inventory import Inventory
from lunops.model import Host, Json, TaskResult
from lunops.modules import Context
from lunops.modules.base import Files
from lunops.planner.variables import PlayVariables, Variables, names_of_play
from lunops.play.forks import Forks
from lunops.play.observer import PlayObserver
from lunops.play.reach import Reach
from lunops.play.state import Head
from lunops.playbook.model import Play, Playbook, TaskSpec
from lunops.render import Expressions, Templates


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a playbook is to be run."""

    check: bool = False
    diff: bool = False
    forks: int = 8
    verbosity: int = 0
    extra: Mapping[str, Json] = field(default_factory=dict)
    force_handlers: bool = False
    run: str = ""  # whose work it is; what carries this mark may be taken back
    said: Mapping[str, Json] = field(default_factory=dict)  # names that every task sees, such as playbook_dir
    ask: Callable[[str], str] = lambda _prompt: ""
    # Asked before each task; "y": do it, "n": leave it out, "c": do it and ask no more.
    step: Callable[[str], str] | None = None


@dataclass(kw_only=True)
class RunState:
    """One run of a playbook."""

    playbook: Playbook
    inventory: Inventory
    options: Options
    templates: Templates
    files: Files | None
    expressions: Expressions
    variables: Variables
    observer: PlayObserver
    cancelled: threading.Event
    reach: Reach
    forks: Forks
    heads: dict[str, Head]
    numbers: Mapping[str, int]  # a task's id → its number, from 1, through all plays
    begun: float = field(default_factory=time.monotonic)
    is_stopped: bool = False  # nothing more is begun, on any head
    would: dict[str, bool] = field(default_factory=dict)  # in check mode: see lunops.planner.in_check

    def now_s(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.begun

    def is_over(self) -> bool:
        """Return whether nothing more may begin."""
        return self.is_stopped or self.cancelled.is_set()

    def task_id(self, spec: TaskSpec) -> str:
        """Return what results call a task."""
        return f"{self.numbers.get(spec.id, 0):02}:{spec.module}"

    def host(self, name: str, where: str = "") -> Host:
        """Return a head by its name, `localhost` always being one; raises `InventoryError`."""
        try:
            return self.inventory.host(name)
        except InventoryError as error:
            raise InventoryError(error.what, where=where or error.where, fix=error.fix) from None

    def view(
        self, play: PlayState, head: Head, spec: TaskSpec | None = None, more: Mapping[str, Json] | None = None
    ) -> Mapping[str, Json]:
        """Return what a task sees on a head."""
        names = {**play.names(head.host), **head.around, **(more or {})}
        return self.variables.of(head.host, play.variables, spec, names)

    def context(self, host: Host) -> Context:
        """Return what the items of a task that a head does are made with."""
        return Context(
            host=host,
            templates=self.templates,
            run=self.options.run,
            hosts=self.inventory.hosts,
            files=self.files,
        )


@dataclass(kw_only=True)
class PlayState:
    """A play under way."""

    play: Play
    number: int  # its place in the playbook
    variables: PlayVariables
    batch: list[Head] = field(default_factory=list)
    all_heads: tuple[str, ...] = ()
    is_over: bool = False  # by end_play, or because too much has failed
    before: dict[str, int] = field(default_factory=dict)  # head → how many results it had when the play began
    lost: set[str] = field(default_factory=set)  # the heads that have left it by a failure
    begun: dict[str, set[str]] = field(default_factory=dict)  # head → ids of tasks, with the trail of looped blocks
    # Head → keys of tasks that were taken back as a whole → how many results the head had by then.
    undone: dict[str, dict[str, int]] = field(default_factory=dict)

    def results(self, head: Head) -> list[TaskResult]:
        """Return what a head has done in this play, whatever another play is called."""
        return head.results[self.before.get(head.name, 0) :]

    def names(self, host: Host) -> dict[str, Json]:
        """Return the variables that say who is in the play."""
        return names_of_play(self.play.name, host, self._everyone, self._going, lambda: self.all_heads)

    def _lost(self) -> set[str]:
        return {head.name for head in self.batch if head.is_failed or head.is_unreachable or head.has_left}

    def _going(self) -> list[str]:
        lost = self._lost()
        return [head.name for head in self.batch if head.name not in lost]

    def _everyone(self) -> list[str]:
        lost = self._lost()
        return [name for name in self.all_heads if name not in lost]
