"""Ask for a job's end: what has not begun is over at once; what runs is told by whoever runs it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lunops.errors import JobError
from lunops.store.rows import Cancel, Kind, NewEvent, State
from lunops.store.tables import jobs, parts
from lunops.store.writing import UNFINISHED, add_events, end_part


def cancel(connection: sa.Connection, job_id: str, how: Cancel, *, by: str, at: float, at_s: float) -> None:
    """Ask for it; again changes nothing but the choice. Raises JobError if there is no such job, or it is over."""
    mine = connection.execute(
        sa.select(parts.c.head, parts.c.state, parts.c.attempt)
        .where(parts.c.job_id == job_id)
        .order_by(parts.c.head)
        .with_for_update()
    ).all()
    state = connection.execute(sa.select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one_or_none()
    if state is None:
        raise JobError(f"there is no job {job_id}", fix="see: lunops jobs list")
    if state not in UNFINISHED:
        raise JobError(f"job {job_id} is over: {state}", fix="there is nothing left to cancel")
    connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(cancel=str(how), cancelled_by=by))
    said = {"what": f"to be cancelled, by {by}", "then": str(how)}
    add_events(connection, job_id, [NewEvent(kind=Kind.WARNING, at=at, data=said)])
    for part in mine:
        # Later attempts have perhaps made something, and are begun once more to see to it.
        if part.state == State.QUEUED and part.attempt == 1:
            end_part(connection, job_id, part.head, State.CANCELLED, at=at, at_s=at_s, error=f"cancelled by {by}")


def wanted(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, Cancel]:
    """Return which of these jobs are to be cancelled, and how."""
    found = sa.select(jobs.c.id, jobs.c.cancel).where(jobs.c.id.in_(job_ids), jobs.c.cancel != "")
    return {row.id: Cancel(row.cancel) for row in connection.execute(found)}
