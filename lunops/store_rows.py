"""The rows of the store: jobs, their parts (one per head), items, tasks, and what came of each."""

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

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.COMPLETE, State.FAILED)


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


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """A job's part on one head."""

    head: str
    workflow_id: str
    state: State
    error: str
    fix: str


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


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """All that is known of one job."""

    job: JobRow
    parts: tuple[PartRow, ...]
    items: tuple[ItemRow, ...]
    tasks: tuple[TaskRow, ...]
    runs: tuple[RunRow, ...]
    outcomes: tuple[OutcomeRow, ...]
