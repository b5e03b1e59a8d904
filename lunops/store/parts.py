"""A part's way from the gate to its end: begun by one worker, put back, or over. What a stale worker writes is refused.

Whoever begins a part gets a new token; every later write for the part must show it. So a worker that was stopped,
and whose part another has begun meanwhile, changes nothing any more when it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from lunops.model import Json, Task
from lunops.store.accepting import TASKS, workflow_id
from lunops.store.rows import Kind, NewEvent, State
from lunops.store.tables import jobs, kept, parts, runs
from lunops.store.writing import PART_IS_UNFINISHED, UNFINISHED, add_events, end_part


class StaleError(Exception):
    """Another worker has begun this part since, or it is over: nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What to do for one part, and the token to write with."""

    job_id: str
    kind: str
    head: str
    tasks: tuple[Task, ...]
    token: str
    attempt: int
    cut_off: int  # how often the task that it was at was begun and did not end
    agents_lost: int  # in earlier attempts
    deadline_at: float | None
    cancel: str  # keep | undo, if the job is to be cancelled


def begin(connection: sa.Connection, id: str, token: str, *, worker: str, at: float, at_s: float) -> Work | None:
    """Begin a part for this token; None if there is no such work, or it is over. The first start counts."""
    row = connection.execute(
        sa.select(parts, jobs.c.kind, jobs.c.deadline_at, jobs.c.cancel)
        .join(jobs, jobs.c.id == parts.c.job_id)
        .where(parts.c.workflow_id == id, parts.c.state.in_(UNFINISHED))
        .with_for_update(of=parts)
    ).first()
    if row is None:
        return None
    cut_off = _cut_off(connection, row.job_id, row.head) if row.state == State.RUNNING else 0
    connection.execute(
        sa.update(parts)
        .where(parts.c.job_id == row.job_id, parts.c.head == row.head)
        .values(
            state=str(State.RUNNING),
            token=token,
            worker=worker,
            is_enqueued=1,
            started_s=sa.func.coalesce(parts.c.started_s, at_s),
        )
    )
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == row.job_id, jobs.c.started_s.is_(None))
        .values(state=str(State.RUNNING), started_s=at_s)
    )
    said: dict[str, Json] = {"worker": worker, "attempt": row.attempt}
    if cut_off:
        said["cut_off"] = cut_off
    add_events(connection, row.job_id, [NewEvent(kind=Kind.STARTED, at=at, head=row.head, data=said)])
    return Work(
        job_id=row.job_id,
        kind=row.kind,
        head=row.head,
        tasks=TASKS.validate_json(row.tasks),
        token=token,
        attempt=row.attempt,
        cut_off=cut_off,
        agents_lost=row.agents_lost,
        deadline_at=row.deadline_at,
        cancel=row.cancel,
    )


def _cut_off(connection: sa.Connection, job_id: str, head: str) -> int:
    number = sa.func.count()
    found = connection.execute(
        sa.select(number)
        .where(runs.c.job_id == job_id, runs.c.head == head, runs.c.ended_s.is_(None))
        .group_by(runs.c.task_id)
        .order_by(number.desc())
        .limit(1)
    ).scalar_one_or_none()
    return int(found or 0)


def revoke(connection: sa.Connection, id: str) -> None:
    """Let nobody write for this part until it is begun again."""
    connection.execute(sa.update(parts).where(parts.c.workflow_id == id).values(token=""))


def check_token(connection: sa.Connection, work: Work) -> int:
    """Lock the part's row, and return how many notes of its run are written.

    Raises StaleError if the part is not this token's any more.
    """
    notes = sa.select(kept.c.notes).where(
        kept.c.job_id == work.job_id, kept.c.head == work.head, kept.c.token == work.token
    )
    row = connection.execute(
        sa.select(parts.c.token, notes.scalar_subquery().label("notes"))
        .where(parts.c.job_id == work.job_id, parts.c.head == work.head, parts.c.state == State.RUNNING)
        .with_for_update(of=parts)
    ).first()
    if row is None or row.token != work.token:
        raise StaleError
    return row.notes or 0


def put_back(
    connection: sa.Connection,
    work: Work,
    *,
    at: float,
    why: str,
    fix: str,
    again_at: float,
    is_agent_lost: bool = False,
) -> None:
    """Let a part wait at the gate again, as new work for the engine, and not before `again_at`."""
    check_token(connection, work)
    if is_agent_lost:
        of_part = parts.c.job_id == work.job_id, parts.c.head == work.head
        connection.execute(sa.update(parts).where(*of_part).values(agents_lost=parts.c.agents_lost + 1))
    attempt = work.attempt + 1
    to_gate(connection, work.job_id, work.head, attempt=attempt, not_before_at=again_at)
    said = {"error": why, "fix": fix, "again_in_s": round(max(0.0, again_at - at), 1), "attempt": attempt}
    add_events(
        connection,
        work.job_id,
        [
            NewEvent(kind=Kind.WARNING, at=at, head=work.head, data=said),
            NewEvent(kind=Kind.QUEUED, at=at, head=work.head, data={"attempt": attempt}),
        ],
    )


def to_gate(connection: sa.Connection, job_id: str, head: str, *, attempt: int, not_before_at: float) -> None:
    """Let a part wait at the gate as this attempt, which is other work for the engine than those before."""
    of_part = parts.c.job_id == job_id, parts.c.head == head
    place = connection.execute(sa.select(parts.c.place).where(*of_part)).scalar_one()
    connection.execute(
        sa.update(parts)
        .where(*of_part)
        .values(
            state=str(State.QUEUED),
            admitted_s=None,
            not_before_at=not_before_at,
            is_enqueued=0,
            token="",
            worker="",
            attempt=attempt,
            workflow_id=workflow_id(place, job_id, head, attempt),
        )
    )


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """Work that was admitted and is not over."""

    workflow_id: str
    head: str
    label: str
    is_enqueued: bool


def unfinished(connection: sa.Connection) -> list[Unfinished]:
    """Return the work that was admitted and is not over, in the order of acceptance."""
    found = (
        sa.select(parts.c.workflow_id, parts.c.head, parts.c.label, parts.c.is_enqueued)
        .where(PART_IS_UNFINISHED, parts.c.admitted_s.is_not(None))
        .order_by(parts.c.place, parts.c.head)
    )
    return [
        Unfinished(workflow_id=row.workflow_id, head=row.head, label=row.label, is_enqueued=bool(row.is_enqueued))
        for row in connection.execute(found)
    ]


def enqueued(connection: sa.Connection, id: str) -> None:
    """Note that the engine has the work."""
    connection.execute(sa.update(parts).where(parts.c.workflow_id == id).values(is_enqueued=1))


def give_up(connection: sa.Connection, id: str, what: str, fix: str, *, at: float, at_s: float) -> None:
    """Let a part fail that nobody runs; nothing happens if it is over."""
    row = connection.execute(
        sa.select(parts.c.job_id, parts.c.head)
        .where(parts.c.workflow_id == id, parts.c.state.in_(UNFINISHED))
        .with_for_update()
    ).first()
    if row is not None:
        end_part(connection, row.job_id, row.head, State.FAILED, at=at, at_s=at_s, error=what, fix=fix)
