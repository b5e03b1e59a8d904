"""What a run knows of each head while it goes on, and what one task brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lunops.model import Host, Json, TaskResult
from lunops.planner.variables import Learnt


@dataclass(kw_only=True)
class Head:
    """One head of the run."""

    host: Host
    learnt: Learnt = field(default_factory=Learnt)
    results: list[TaskResult] = field(default_factory=list)  # of all plays, in order
    around: dict[str, Json] = field(default_factory=dict)  # what the looped blocks around its task bring
    trail: str = ""  # which of their elements it is at, for the journal
    notified: dict[str, None] = field(default_factory=dict)  # ids of the handlers that wait, an ordered set
    is_failed: bool = False  # it has left the run: later plays are without it
    is_unreachable: bool = False
    has_left: bool = False  # it does nothing more of this play
    failure: dict[str, Json] = field(default_factory=dict)  # of its last failure, for a rescue
    failed_keys: set[str] = field(default_factory=set)  # of LUNs that later tasks leave out
    flushes: int = 0  # how often its handlers were flushed in this play, for the journal

    @property
    def name(self) -> str:
        """The head's name."""
        return self.host.name


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a task made for a head, on that head or on another."""

    host: str  # the head that did it
    become: bool = False
    become_user: str = ""
    result: TaskResult


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What a task changes of what is known, for the head that it was for."""

    said: Mapping[str, Json] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    notified: tuple[str, ...] = ()  # ids of handlers


@dataclass(frozen=True, kw_only=True)
class Done:
    """A task that was done for a head, or that the journal remembers."""

    result: TaskResult
    effects: Effects = Effects()
    stops: bool = False  # the head cannot go on: it is for a rescue now, or leaves the play
    failure: Mapping[str, Json] = field(default_factory=dict)  # `ansible_failed_task` and `ansible_failed_result`
    made: tuple[Made, ...] = ()
    is_whole: bool = True  # nothing that it was to do was left out: what failed before, what a Ctrl-C cut off
