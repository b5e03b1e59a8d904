"""Keep jobs, what they ask for, what came of it and what happened to them, in SQLite or PostgreSQL.

Times are given by the caller: `at` by the wall clock, `at_s` on its steady clock. Every method may be called from
any thread, is one transaction, and several processes may have the store open. `StoreError` means that the store
cannot be used at this moment, and that nothing was done; or, if a database vanished in the moment of the commit, that
it is not known whether all of it was done, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from lunops.errors import QueueFullError
from lunops.model import Json
from lunops.store import (
    accepting,
    cancelling,
    checking,
    gate,
    heads,
    keeping,
    overview,
    parts,
    reading,
    retention,
    transfer,
    workers,
    writing,
)
from lunops.store.database import Database
from lunops.store.gate import Admitted, Room
from lunops.store.heads import HeadRow
from lunops.store.keeping import Note
from lunops.store.migrate import migrate
from lunops.store.parts import StaleError, Unfinished, Work
from lunops.store.reading import Filter
from lunops.store.rows import Cancel, Event, ItemRow, JobRecord, JobRow, NewJob, OutcomeRow, State
from lunops.store.workers import WorkerRow

__all__ = ["Admitted", "Filter", "HeadRow", "Room", "StaleError", "Store", "Unfinished", "Work", "WorkerRow"]

_RETRY_LEAST_S, _RETRY_MOST_S = 1, 300


class Store:
    """The store. Close it once."""

    def __init__(self, where: str | Path) -> None:
        """Open the store at a URL, or the SQLite file at a path, and bring its tables to the present version.

        Raises SettingsError if it cannot be used.
        """
        self.database = Database(where if isinstance(where, str) else f"sqlite:///{where}")
        try:
            migrate(self.database)
        except BaseException:
            self.database.close()
            raise

    def close(self) -> None:
        """Close it."""
        self.database.close()

    # ---- jobs

    def accept(
        self, new: NewJob, *, accepted_at: float, accepted_s: float, most: int = 0, most_of_client: int = 0
    ) -> None:
        """Take the job; it is on disk then. `most`: unfinished jobs, of all clients and of one; 0 for no limit.

        Raises JobError if an unfinished job serves one of its targets on another head, and QueueFullError.
        """
        with self.database.write(is_alone=True) as connection:
            for limit, client in ((most, ""), (most_of_client, new.client)):
                number = reading.unfinished_number(connection, client) if limit else 0
                if limit and number >= limit:
                    raise _queue_full(number, client, reading.jobs_per_s(connection, at=accepted_at))
            accepting.accept(connection, new, accepted_at=accepted_at, accepted_s=accepted_s)

    def cancel(self, job_id: str, how: Cancel, *, by: str, at: float, at_s: float) -> None:
        """Ask for a job's end. Raises JobError if there is no such job, or it is over."""
        with self.database.write(is_alone=True) as connection:
            cancelling.cancel(connection, job_id, how, by=by, at=at, at_s=at_s)

    def cancels(self, job_ids: Sequence[str]) -> dict[str, Cancel]:
        """Return which of these jobs are to be cancelled, and how."""
        with self.database.read() as connection:
            return cancelling.wanted(connection, job_ids)

    def request(self, job_id: str) -> tuple[str, Json] | None:
        """Return the kind of the job and what its client sent, or None if there is no such job."""
        with self.database.read() as connection:
            return reading.request(connection, job_id)

    def record(self, job_id: str) -> JobRecord | None:
        """Return all that is known of the job, as of one moment, or None if there is no such job."""
        with self.database.read() as connection:
            return reading.record(connection, job_id)

    def heads_of(self, job_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the heads of each of these jobs."""
        with self.database.read() as connection:
            return reading.heads_of(connection, job_ids)

    def ids_like(self, start: str, most: int = 10) -> list[str]:
        """Return the ids of jobs that begin so, in their order."""
        with self.database.read() as connection:
            return reading.ids_like(connection, start, most)

    def ids_beginning(self, starts: Sequence[str]) -> list[str]:
        """Return the ids of all jobs that begin with one of these texts, which are of one length."""
        with self.database.read() as connection:
            return overview.ids_beginning(connection, starts)

    def clients(self) -> list[str]:
        """Return all clients that the jobs name, each once."""
        with self.database.read() as connection:
            return overview.clients(connection)

    def state_of(self, job_id: str) -> tuple[State, int] | None:
        """Return how far a job is and the number of its last event, or None if there is no such job."""
        with self.database.read() as connection:
            return overview.state_of(connection, job_id)

    def outcomes_of(self, job_ids: Sequence[str]) -> dict[str, tuple[list[ItemRow], list[OutcomeRow]]]:
        """Return the items of each of these jobs, and how they ended in each task: not what was changed."""
        with self.database.read() as connection:
            return overview.outcomes_of(connection, job_ids)

    def queue(self) -> list[reading.Waiting]:
        """Return the parts that are not over, in the order of acceptance, and for which jobs each waits."""
        with self.database.read() as connection:
            return reading.queue(connection)

    def jobs(self, wanted: Filter) -> list[JobRow]:
        """Return jobs, the latest first."""
        with self.database.read() as connection:
            return reading.listing(connection, wanted)

    def events(self, job_id: str, *, after: int = 0, most: int = 1000) -> list[Event]:
        """Return events of a job in their order: those with a higher number than `after`."""
        with self.database.read() as connection:
            return reading.events_after(connection, job_id, after, most)

    # ---- parts

    def admit(self, room: Callable[[str], Room], *, at: float, at_s: float) -> list[Admitted]:
        """Choose the parts that may go to the engine now, and note that they do."""
        with self.database.write(is_alone=True) as connection:
            return gate.admit(connection, room, at=at, at_s=at_s)

    def has_waiting(self, *, at: float) -> bool:
        """Return whether any part waits at the gate for nothing but room."""
        with self.database.read() as connection:
            return gate.has_waiting(connection, at=at)

    def enqueued(self, workflow_id: str) -> None:
        """Note that the engine has the work."""
        with self.database.write(is_durable=False) as connection:
            parts.enqueued(connection, workflow_id)

    def unfinished(self) -> list[Unfinished]:
        """Return the work that was admitted and is not over, in the order of acceptance."""
        with self.database.read() as connection:
            return parts.unfinished(connection)

    def begin(self, workflow_id: str, token: str, *, worker: str, at: float, at_s: float) -> Work | None:
        """Begin a part, the first time or once more; None if there is no such work, or it is over."""
        with self.database.write() as connection:
            return parts.begin(connection, workflow_id, token, worker=worker, at=at, at_s=at_s)

    def revoke(self, workflow_id: str) -> None:
        """Let nobody write for this part until it is begun again."""
        with self.database.write() as connection:
            parts.revoke(connection, workflow_id)

    def keep(
        self, work: Work, worker: str, notes: Sequence[Note], *, after: int | None = None, is_durable: bool = False
    ) -> None:
        """Write what happened. Raises StaleError if the part is another worker's by now.

        `after`: how many notes of this run were written before, so that none is written twice.
        """
        with self.database.write(is_durable=is_durable) as connection:
            keeping.keep(connection, work, worker, notes, after=after)

    def put_back(
        self, work: Work, *, at: float, why: str, fix: str, again_at: float, is_agent_lost: bool = False
    ) -> None:
        """Let the part wait at the gate again. Raises StaleError."""
        with self.database.write(is_alone=True) as connection:
            parts.put_back(connection, work, at=at, why=why, fix=fix, again_at=again_at, is_agent_lost=is_agent_lost)

    def end(self, work: Work, state: State, *, at: float, at_s: float, error: str = "", fix: str = "") -> None:
        """Note how the part ended; with its last part the job is over. Raises StaleError."""
        with self.database.write(is_alone=True) as connection:
            parts.check_token(connection, work)
            writing.end_part(connection, work.job_id, work.head, state, at=at, at_s=at_s, error=error, fix=fix)

    def give_up(self, workflow_id: str, what: str, fix: str, *, at: float, at_s: float) -> None:
        """Let a part fail that nobody runs; nothing happens if it is over."""
        with self.database.write(is_alone=True) as connection:
            parts.give_up(connection, workflow_id, what, fix, at=at, at_s=at_s)

    # ---- heads

    def heads(self) -> dict[str, HeadRow]:
        """Return the heads of which anything is known."""
        with self.database.read() as connection:
            return heads.all_heads(connection)

    def drain(self, head: str, *, at: float, by: str, why: str = "") -> None:
        """Let no more parts begin on a head."""
        with self.database.write(is_alone=True) as connection:
            heads.drain(connection, head, at=at, by=by, why=why)

    def resume(self, head: str) -> None:
        """Let parts begin on a head again, at once."""
        with self.database.write(is_alone=True) as connection:
            heads.resume(connection, head)

    def not_reached(self, head: str, error: str, *, at: float) -> float:
        """Note that a head could not be reached; return when it may be tried again, in seconds since 1970."""
        with self.database.write(is_alone=True) as connection:
            return heads.not_reached(connection, head, error, at=at)

    def reached(self, head: str, *, wedged_at: float | None = None) -> None:
        """Note that a head answers; `wedged_at`: that its kernel hangs."""
        known = self.heads().get(head, HeadRow(name=head))
        if not known.failures and (known.wedged_at is None) == (wedged_at is None):
            return  # nearly always: nothing is written
        with self.database.write(is_alone=True, is_durable=False) as connection:
            heads.reached(connection, head, wedged_at=wedged_at)

    # ---- the store itself

    def check(self) -> list[checking.Finding]:
        """Return what is wrong with it."""
        with self.database.read() as connection:
            return checking.check(connection)

    def remove_old(self, *, before_at: float | None, keep_jobs: int) -> int:
        """Remove jobs that are over and older than a time, or not among the latest so many; return how many."""
        removed = 0
        while some := self.remove_some(before_at=before_at, keep_jobs=keep_jobs):
            removed += some
        return removed

    def remove_some(self, *, before_at: float | None, keep_jobs: int) -> int:
        """Remove a few of them, so that others need not wait long; return how many, 0 if there is nothing to remove."""
        with self.database.write(is_durable=False) as connection:
            return retention.remove_some(connection, before_at=before_at, keep_jobs=keep_jobs)

    def vacuum(self) -> None:
        """Give the room of what was removed back to the disk."""
        self.database.vacuum()

    def size_bytes(self) -> int:
        """Return how much of the disk it takes; on PostgreSQL, its whole database."""
        return self.database.size_bytes()

    def export(self) -> Iterator[str]:
        """Give all of it, as of one moment, as lines."""
        with self.database.read() as connection:
            yield from transfer.lines(connection)

    def import_lines(self, lines: Iterable[str], *, unfinished: str, at: float, at_s: float) -> dict[str, int]:
        """Read lines into this empty store, all or nothing. Raises InputError."""
        with self.database.write(is_alone=True) as connection:
            return transfer.read(connection, lines, unfinished=unfinished, at=at, at_s=at_s)

    # ---- workers

    def beat(self, row: WorkerRow) -> None:
        """Note that a worker lives."""
        with self.database.write(is_durable=False) as connection:
            workers.beat(connection, row)

    def workers(self) -> list[WorkerRow]:
        """Return the workers that have not been removed."""
        with self.database.read() as connection:
            return workers.all_workers(connection)

    def worker_gone(self, worker: str) -> None:
        """Forget a worker."""
        with self.database.write(is_durable=False) as connection:
            workers.remove(connection, worker)


def _queue_full(number: int, client: str, jobs_per_s: float) -> QueueFullError:
    # When about one in twenty of those that wait are done, or after a minute if nothing tells how long that takes.
    wait_s = number / 20 / jobs_per_s if jobs_per_s else 60.0
    retry_after_s = round(min(max(wait_s, _RETRY_LEAST_S), _RETRY_MOST_S))
    whose = "of this client " if client else ""
    return QueueFullError(
        f"{number} jobs {whose}are not over yet, and no more are taken",
        fix=f"send it again in {retry_after_s} s",
        retry_after_s=retry_after_s,
    )
