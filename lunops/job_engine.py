"""What jobs need of an engine. `lunops.engine` is the one that there is; tests hand in a smaller one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from lunops.model import Json

Step = Callable[[str, Callable[[], Json]], Json]
"""Do a named step and keep what it returned; hand that back, without doing it, when the work is taken up again."""

Work = Callable[[str, Step], None]
"""Do the work of this id, every step through the `Step`. Must do the same steps in the same order each time."""


class Progress(StrEnum):
    """How far a piece of work is, as the engine knows it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    BROKEN = "broken"  # it raised, or was given up
    UNKNOWN = "unknown"  # never enqueued, or the engine's file is another one


class JobEngine(Protocol):
    """Runs durable work: that of one head in the order of the ids, that of several heads side by side."""

    def enqueue(self, workflow_id: str, *, head: str) -> None:
        """Queue work behind the head's other work. The same id again changes nothing."""

    def progress(self, workflow_ids: Sequence[str]) -> dict[str, Progress]:
        """Say how far each is."""

    def take_over(self, may_go_on: Callable[[str], bool]) -> tuple[str, ...]:
        """Queue again, in its old place, the work of processes that are dead; return the ids.

        What `may_go_on` refuses is given up (`BROKEN`): so ends work that kills every process that takes it.
        """
