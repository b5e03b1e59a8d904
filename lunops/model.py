"""The records that every layer speaks in: hosts, items, tasks, plans and results. No behaviour, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lunops.names import Portal

Json = Any  # a value that JSON can hold; mypy has no useful recursive JSON type for this border


class Status(StrEnum):
    """How an item, a task or a head ended; in check mode `changed` means *would change*.

    `unknown` comes in check mode alone: what cannot be told without doing it.
    """

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"

    @property
    def is_bad(self) -> bool:
        """Whether it counts as an error."""
        return self in (Status.FAILED, Status.UNREACHABLE)


class Lost(StrEnum):
    """What was lost during a task, so that what it did has to be looked up."""

    NOT = ""
    WAY = "way"  # the connection, or there was none
    AGENT = "agent"  # it died, did not answer in time, or was not understood


@dataclass(frozen=True, kw_only=True)
class Host:
    """One head of the inventory, and how it is reached."""

    name: str
    connection: str = "ssh"  # ssh | local | sim
    address: str = ""
    port: int | None = None  # None: what ~/.ssh/config says, else 22
    user: str = ""
    private_key: Path | None = None
    known_hosts: Path | None = None
    become: bool = False
    become_user: str = ""  # whose rights `become` gives; empty: root
    become_password: str = field(default="", repr=False)  # what sudo asks for; empty: it must not ask
    python: str = "python3"  # the interpreter on the head
    pools: tuple[str, ...] = ()
    portals: tuple[Portal, ...] = (Portal(address="0.0.0.0", port=3260),)
    state: Path | None = None  # the simulated head's file
    delay_s: float = 0.0  # of the simulated head: what a round trip to it takes
    sim_process: bool = False  # the simulated head's agent is a process of its own, which can be killed
    hang_s: float = 120.0  # how long a single step on LIO may take before the head counts as wedged
    jobs_at_once: int | None = None  # of the service, side by side; None: as many as its settings say
    worker_label: str = ""  # of the workers that do the service's jobs on it
    groups: tuple[str, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)  # every variable of the host, for templates


@dataclass(frozen=True, kw_only=True)
class Item:
    """One of the things that a task does: a clone, a device, a target."""

    key: str  # the same for one LUN through all tasks of a plan, so that a failed item leaves the later ones
    args: Mapping[str, Json]
    # What the agent may have made of it should it die at it, as `made` of a result has it: taken back only if found.
    perhaps: tuple[Json, ...] = ()
    peer: Host | None = None  # the other head of what needs two


@dataclass(frozen=True, kw_only=True)
class Task:
    """One module with its items, on one head."""

    id: str  # its place in the plan and its module, such as 02:wait_for_device
    name: str
    module: str
    items: tuple[Item, ...]
    forks: int = 4  # how many items the agent works on at once, where the module can
    timeout_s: float = 600.0
    play: int = 0  # the place in the playbook of the play that it is of
    run: str = ""  # whose work it is: the head knows while it is at work
    is_handler: bool = False


@dataclass(frozen=True, kw_only=True)
class HeadPlan:
    """The ordered tasks of one head."""

    host: Host
    tasks: tuple[Task, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a playbook or a request expands to."""

    name: str
    heads: tuple[HeadPlan, ...]


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """How one item ended."""

    key: str
    status: Status
    changes: tuple[str, ...] = ()  # what was (or, in check mode, would be) done, a line each
    error: str = ""
    fix: str = ""
    rolled_back: tuple[str, ...] = ()  # what was taken back after the error
    left_behind: tuple[str, ...] = ()  # what could not be taken back, as commands that would do it
    made: tuple[Json, ...] = ()  # what the agent needs to take this back; opaque to all but the agent
    data: Json = None  # what a task that only looks has found
    seconds: float = 0.0  # on the head
    label: str = ""  # what it is called in the output, where that is not its key
    busy: bool = False  # another run held its names: nothing of it was begun


@dataclass(frozen=True, kw_only=True)
class Times:
    """Where the time of one task went, in seconds; durations by the clock of whoever measured them."""

    wait_s: float = 0.0  # waiting for a turn or a lock
    template_s: float = 0.0  # filling in expressions and templates
    connect_s: float = 0.0  # making the connection and starting the agent, on a head's first task
    run_s: float = 0.0  # on the head, by the agent's own clock
    transfer_s: float = 0.0  # the rest of what the controller saw: the network and both ends' work on it
    total_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """How one task ended on one head."""

    head: str
    task_id: str
    name: str
    module: str
    status: Status
    items: tuple[ItemResult, ...] = ()
    times: Times = Times()
    error: str = ""  # what ended the whole task, such as a lost connection
    fix: str = ""
    wedged: bool = False  # the head's kernel hangs in LIO work, and it takes no more
    lost: Lost = Lost.NOT  # what it did is not known
    play: str = ""  # the name of the play that it is of
    where: str = ""  # FILE:LINE:COLUMN of the task in the playbook
    begun_s: float = 0.0  # when it began, since the run did
    is_handler: bool = False
    is_ignored: bool = False  # it failed, and the playbook says to go on
    is_rescued: bool = False  # it failed, and a rescue was run for it
    attempts: int = 1  # how often it was tried
    delegate: str = ""  # the head that did it, where that is another one
    no_log: bool = False  # what its items are, and what they say, is not shown
    diff: bool | None = None  # whether its changes are shown, where the playbook says so of the task

    @property
    def is_failure(self) -> bool:
        """Whether it failed, or its head could not be reached, and the playbook neither ignores nor rescues that."""
        return self.status.is_bad and not (self.is_ignored or self.is_rescued)

    def count(self, status: Status) -> int:
        """Return how many items ended so."""
        return sum(item.status is status for item in self.items)


def status_of(items: Iterable[ItemResult]) -> Status:
    """Return the status of a task by those of its items; of none, skipped."""
    found = {item.status for item in items}
    order = (Status.UNREACHABLE, Status.FAILED, Status.CHANGED, Status.UNKNOWN, Status.OK)
    return next((status for status in order if status in found), Status.SKIPPED)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a plan ended: every task of every head, in the order in which they ended."""

    plan: str
    check: bool
    tasks: tuple[TaskResult, ...]
    heads: tuple[str, ...]  # every head of the plan, also one with no task done
    total_s: float

    @property
    def is_bad(self) -> bool:
        """Whether any task failed or any head was unreachable, those left out that were ignored or rescued."""
        return any(task.is_failure for task in self.tasks)

    @property
    def is_changed(self) -> bool:
        """Whether anything was, or in check mode would be, changed."""
        return any(item.status is Status.CHANGED for task in self.tasks for item in task.items)
