"""What several kinds of transactions write: events, the end of a part, the end of its job.

On PostgreSQL rows are locked in this order by every transaction: parts, then jobs. So no two wait for each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import sqlalchemy as sa

from lunops.store.rows import Kind, NewEvent, State
from lunops.store.tables import claims, events, jobs, kept, parts, waits

T = TypeVar("T")
_AT_ONCE = 400
UNFINISHED = (State.QUEUED, State.RUNNING)
# In words, not as parameters: only then a database sees that its index of what is unfinished will do.
PART_IS_UNFINISHED = sa.text("parts.state IN ('queued', 'running')")
JOB_IS_UNFINISHED = sa.text("jobs.state IN ('queued', 'running')")


def shares(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Give them in runs that fit into one query: each is a parameter there, and databases bound their number."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def add_events(connection: sa.Connection, job_id: str, new: Sequence[NewEvent]) -> None:
    """Append events to a job's stream. The row of the job is locked from here on: numbers come in order of commit."""
    if not new:
        return
    last = connection.execute(
        sa.update(jobs).where(jobs.c.id == job_id).values(events=jobs.c.events + len(new)).returning(jobs.c.events)
    ).scalar_one_or_none()
    if last is None:
        return  # the job was removed
    rows = [
        {
            "job_id": job_id,
            "number": last - len(new) + place,
            "at": event.at,
            "kind": str(event.kind),
            "head": event.head,
            "task_id": event.task_id,
            "key": event.key,
            "data": json.dumps(event.data),
        }
        for place, event in enumerate(new, 1)
    ]
    connection.execute(sa.insert(events), rows)


def end_part(
    connection: sa.Connection,
    job_id: str,
    head: str,
    state: State,
    *,
    at: float,
    at_s: float,
    error: str = "",
    fix: str = "",
) -> bool:
    """Note how a part ended, and what it touched is free; return False if it was over already."""
    done = connection.execute(
        sa.update(parts)
        .where(parts.c.job_id == job_id, parts.c.head == head, parts.c.state.in_(UNFINISHED))
        .values(state=str(state), error=error, fix=fix, ended_s=at_s)
    )
    if not done.rowcount:
        return False
    connection.execute(sa.delete(claims).where(claims.c.job_id == job_id, claims.c.head == head))
    connection.execute(sa.delete(waits).where(waits.c.for_job == job_id, waits.c.head == head))
    connection.execute(sa.delete(waits).where(waits.c.job_id == job_id, waits.c.head == head))
    connection.execute(sa.delete(kept).where(kept.c.job_id == job_id, kept.c.head == head))
    said = {"state": str(state), **({"error": error, "fix": fix} if error else {})}
    add_events(connection, job_id, [NewEvent(kind=Kind.ENDED, at=at, head=head, data=said)])
    _end_job(connection, job_id, at=at, at_s=at_s)
    return True


def _end_job(connection: sa.Connection, job_id: str, *, at: float, at_s: float) -> None:
    """Note how a job ended, if all of its parts are over."""
    states = set(connection.execute(sa.select(parts.c.state).where(parts.c.job_id == job_id)).scalars())
    if states & {str(state) for state in UNFINISHED}:
        return
    state = _state_of(states)
    ended = connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id, jobs.c.ended_s.is_(None))
        .values(state=str(state), ended_s=at_s, ended_at=at, started_s=sa.func.coalesce(jobs.c.started_s, at_s))
    )
    if ended.rowcount:
        add_events(connection, job_id, [NewEvent(kind=Kind.ENDED, at=at, data={"state": str(state)})])


def _state_of(states: Iterable[str]) -> State:
    for state in (State.FAILED, State.CANCELLED):
        if state in states:
            return state
    return State.COMPLETE
