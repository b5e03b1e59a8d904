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


class LeaveError(BaseException):
    """Ends work without an outcome, so that it is taken up again: by another process, or at the next start.

    No Exception, since the outcome of one is kept.
    """


class Progress(StrEnum):
    """How far a piece of work is, as the engine knows it."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    BROKEN = "broken"  # it raised, or was given up
    UNKNOWN = "unknown"  # never enqueued, or the engine's file is another one


class JobEngine(Protocol):
    """Runs durable work, each piece by one worker that listens to its label; the first queued is begun first."""

    def enqueue(self, workflow_id: str, *, label: str) -> None:
        """Queue work for workers with this label. The same id again changes nothing."""

    def progress(self, workflow_ids: Sequence[str]) -> dict[str, Progress]:
        """Say how far each is."""

    def owners(self) -> set[str]:
        """Return the names of the processes that have begun work which is not over, this one left out."""

    def take_over(self, owner: str, revoke: Callable[[str], None]) -> tuple[str, ...]:
        """Queue the unfinished work of a process again; return the ids.

        `revoke` is called with each before: from then on that process must not be able to write anything of it.
        """

    def take_up(self) -> tuple[str, ...]:
        """Queue again what this process began and does not do any more: its end could not be kept."""

    def forget(self, *, before_at: float) -> None:
        """Remove what is known of work that ended before this time, in seconds since 1970."""
