"""The rows of the store: jobs, their parts (one per head), items, tasks, what came of each, and events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lunops.model import Json, Status, Task


class State(StrEnum):
    """How far a job, or its part on one head, is."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.COMPLETE, State.FAILED, State.CANCELLED)


class Cancel(StrEnum):
    """What becomes of what a cancelled job has made."""

    KEEP = "keep"
    UNDO = "undo"


class Kind(StrEnum):
    """What an event says."""

    QUEUED = "queued"  # the job was accepted, or a part of it waits again
    STARTED = "started"  # a head's part of it was begun
    TASK = "task"  # a task was begun, or has ended
    ITEM = "item"  # an item has ended
    PROGRESS = "progress"  # how far an item is
    WARNING = "warning"
    ENDED = "ended"  # a head's part, or with no head the job, is over


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """Something that happened to a job."""

    kind: Kind
    at: float  # seconds since 1970
    head: str = ""
    task_id: str = ""
    key: str = ""
    data: Json = None


@dataclass(frozen=True, kw_only=True)
class Event(NewEvent):
    """An event, with its number in its job: 1, 2, 3, without a gap."""

    job_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A name that a part touches on its head; `is_shared` if it only looks at it."""

    head: str
    name: str
    is_shared: bool = False


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """One thing that a job asks for."""

    head: str
    key: str
    wwn: str
    keeps_clone: bool = False  # a delete that leaves the dataset where it is


@dataclass(frozen=True, kw_only=True)
class NewPart:
    """What a job does on one head."""

    head: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job that is about to be accepted."""

    id: str
    kind: str  # create | delete
    request: Json  # as the client sent it, so that it can be asked for again
    client: str  # who asked: the certificate's subject and fingerprint
    items: tuple[NewItem, ...]
    parts: tuple[NewPart, ...]
    claims: tuple[Claim, ...] = ()
    priority: int = 0  # the higher goes first
    deadline_at: float | None = None  # seconds since 1970: until when an unreachable head is tried again
    again: str = ""  # repeat | retry, of the job `of_job`
    of_job: str = ""


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job. Times ending in `_s` are on the steady clock; `accepted_at` is wall-clock time, to show."""

    id: str
    kind: str
    client: str
    state: State
    num_requested: int
    accepted_at: float
    accepted_s: float
    started_s: float | None
    ended_s: float | None
    ended_at: float | None = None
    priority: int = 0
    deadline_at: float | None = None
    again: str = ""
    of_job: str = ""
    cancel: str = ""  # keep | undo: that it is to be cancelled, or was
    cancelled_by: str = ""
    events: int = 0  # the number of the last one
    place: int = 0  # in the order of acceptance


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """A job's part on one head."""

    head: str
    workflow_id: str
    state: State
    error: str
    fix: str
    admitted_s: float | None = None  # None: it waits at the gate
    started_s: float | None = None
    ended_s: float | None = None
    attempt: int = 1
    worker: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """One thing that a job asks for, by its place in the request."""

    place: int
    head: str
    key: str
    wwn: str
    keeps_clone: bool


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task that a part will do."""

    head: str
    task_id: str
    place: int
    module: str
    items: int


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a task. A run that was cut off has no end, and `last_s` says when it was last heard of."""

    head: str
    task_id: str
    module: str
    run: int
    started_s: float
    last_s: float
    ended_s: float | None
    status: str = ""
    error: str = ""
    worker: str = ""
    wait_s: float | None = None
    connect_s: float | None = None
    run_s: float | None = None
    transfer_s: float | None = None

    @property
    def unaccounted_s(self) -> float | None:
        """What neither waiting, connecting, the head nor the way to it took: the store, and this program."""
        if self.ended_s is None or self.run_s is None:
            return None
        known = (self.wait_s or 0.0) + (self.connect_s or 0.0) + self.run_s + (self.transfer_s or 0.0)
        return self.ended_s - self.started_s - known


@dataclass(frozen=True, kw_only=True)
class OutcomeRow:
    """How an item ended in a task; if the task ran more than once, in its last run that came to the item."""

    head: str
    task_id: str
    module: str
    key: str
    status: Status
    error: str
    fix: str
    seconds: float = 0.0
    changes: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """All that is known of one job."""

    job: JobRow
    parts: tuple[PartRow, ...]
    items: tuple[ItemRow, ...]
    tasks: tuple[TaskRow, ...]
    runs: tuple[RunRow, ...]
    outcomes: tuple[OutcomeRow, ...]
