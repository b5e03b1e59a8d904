"""Read jobs: one with all that is known of it, lists of them, and the events of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from lunops.model import Json, Status
from lunops.store.rows import (
    Event,
    ItemRow,
    JobRecord,
    JobRow,
    Kind,
    OutcomeRow,
    PartRow,
    RunRow,
    State,
    TaskRow,
)
from lunops.store.tables import events, items, jobs, outcomes, parts, runs, tasks, waits
from lunops.store.writing import JOB_IS_UNFINISHED, PART_IS_UNFINISHED, UNFINISHED, shares

_FEW = 500  # jobs
_JOB = [jobs.c[name] for name in JobRow.__dataclass_fields__]
_PART = [parts.c[name] for name in PartRow.__dataclass_fields__]
_RUN = [runs.c[name] for name in RunRow.__dataclass_fields__]
_TASK = [tasks.c[name] for name in TaskRow.__dataclass_fields__]
_ITEM = [items.c[name] for name in ItemRow.__dataclass_fields__]
_OUTCOME = [outcomes.c[name] for name in OutcomeRow.__dataclass_fields__]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which jobs a list shows; an empty value leaves all."""

    states: Sequence[State] = ()
    kind: str = ""
    client: str = ""  # exactly, as the job has it
    clients: Sequence[str] = ()  # any of these
    head: str = ""
    before: int = 0  # only jobs accepted before the one of this place
    since_at: float = 0.0  # accepted then or later
    most: int = 50


def request(connection: sa.Connection, job_id: str) -> tuple[str, Json] | None:
    """Return the kind of the job and what its client sent, or None if there is no such job."""
    row = connection.execute(sa.select(jobs.c.kind, jobs.c.request).where(jobs.c.id == job_id)).first()
    return None if row is None else (row.kind, json.loads(row.request))


def record(connection: sa.Connection, job_id: str) -> JobRecord | None:
    """Return all that is known of the job, as of one moment, or None if there is no such job."""
    job = connection.execute(sa.select(*_JOB).where(jobs.c.id == job_id)).mappings().first()
    if job is None:
        return None

    def of(columns: Sequence[sa.Column[Any]], *order: sa.Column[Any]) -> Sequence[sa.RowMapping]:
        table = columns[0].table
        found = sa.select(*columns).where(table.c.job_id == job_id).order_by(*order)
        return connection.execute(found).mappings().all()

    return JobRecord(
        job=job_row(job),
        parts=tuple(PartRow(**{**row, "state": State(row["state"])}) for row in of(_PART, parts.c.head)),
        items=tuple(ItemRow(**{**row, "keeps_clone": bool(row["keeps_clone"])}) for row in of(_ITEM, items.c.place)),
        tasks=tuple(TaskRow(**row) for row in of(_TASK, tasks.c.head, tasks.c.place)),
        runs=tuple(RunRow(**row) for row in of(_RUN, runs.c.started_s, runs.c.head)),
        outcomes=tuple(
            OutcomeRow(
                **{
                    **row,
                    "status": Status(row["status"]),
                    "changes": tuple(json.loads(row["changes"])),
                    "left_behind": tuple(json.loads(row["left_behind"])),
                }
            )
            for row in of(_OUTCOME, outcomes.c.head, outcomes.c.task_id, outcomes.c.key)
        ),
    )


def listing(connection: sa.Connection, wanted: Filter) -> list[JobRow]:
    """Return jobs, the latest first."""
    if len(wanted.states) > 1:
        # Each for itself along the index: of several at once a database would sort all that there are.
        each = [listing(connection, replace(wanted, states=(state,))) for state in sorted(set(wanted.states))]
        return sorted((job for some in each for job in some), key=lambda job: -job.place)[: wanted.most]
    found = sa.select(*_JOB).order_by(jobs.c.place.desc()).limit(wanted.most)
    if wanted.states:
        found = found.where(jobs.c.state == str(wanted.states[0]))
    if wanted.kind:
        found = found.where(jobs.c.kind == wanted.kind)
    if wanted.client:
        found = found.where(jobs.c.client == wanted.client)
    if wanted.clients:
        found = found.where(jobs.c.client.in_(wanted.clients))
    if wanted.head:
        found = found.join(parts, parts.c.job_id == jobs.c.id).where(parts.c.head == wanted.head)
        found = found.order_by(None).order_by(parts.c.place.desc())
    if wanted.before:
        found = found.where(jobs.c.place < wanted.before)
    if wanted.since_at:
        # They are the latest, but for clocks that differ or were set. If they are few, the look goes back no further
        # than they do; if they are many, it soon has enough of them.
        late = sa.select(jobs.c.place).where(jobs.c.accepted_at >= wanted.since_at).limit(_FEW).subquery()
        number, first = connection.execute(
            sa.select(sa.func.count(), sa.func.min(late.c.place)).select_from(late)
        ).one()
        found = found.where(jobs.c.accepted_at >= wanted.since_at)
        if number < _FEW:
            found = found.where(jobs.c.place >= (first or 0))
    return [job_row(row) for row in connection.execute(found).mappings()]


def unfinished_number(connection: sa.Connection, client: str = "") -> int:
    """Return how many jobs are not over, of one client or of all."""
    found = sa.select(sa.func.count()).select_from(jobs)
    if client:
        found = found.where(jobs.c.client == client, jobs.c.state.in_([str(state) for state in UNFINISHED]))
    else:
        found = found.where(JOB_IS_UNFINISHED)
    return int(connection.execute(found).scalar_one())


def jobs_per_s(connection: sa.Connection, *, at: float, most: int = 50) -> float:
    """Return how many jobs came to their end a second, of late; 0 if none did in the last hour."""
    recent = sa.select(jobs.c.ended_at).where(jobs.c.ended_at >= at - 3600).order_by(jobs.c.ended_at.desc())
    ends = list(connection.execute(recent.limit(most)).scalars())
    return len(ends) / max(1.0, at - ends[-1]) if ends else 0.0


def events_after(connection: sa.Connection, job_id: str, after: int, most: int) -> list[Event]:
    """Return the events of a job with a higher number than `after`, in their order."""
    found = (
        sa.select(events)
        .where(events.c.job_id == job_id, events.c.number > after)
        .order_by(events.c.number)
        .limit(most)
    )
    return [
        Event(
            job_id=row.job_id,
            number=row.number,
            at=row.at,
            kind=Kind(row.kind),
            head=row.head,
            task_id=row.task_id,
            key=row.key,
            data=json.loads(row.data),
        )
        for row in connection.execute(found)
    ]


def job_row(row: sa.RowMapping) -> JobRow:
    """Return the job of a row."""
    return JobRow(**{**row, "state": State(row["state"])})


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A part that is not over."""

    job_id: str
    head: str
    state: State
    is_admitted: bool
    not_before_at: float
    label: str
    waits_for: tuple[str, ...]  # jobs that touch the same names


def queue(connection: sa.Connection) -> list[Waiting]:
    """Return the parts that are not over, in the order of acceptance."""
    blockers: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(sa.select(waits).order_by(waits.c.for_job)):
        blockers.setdefault((row.job_id, row.head), []).append(row.for_job)
    found = sa.select(parts).where(PART_IS_UNFINISHED)
    return [
        Waiting(
            job_id=row.job_id,
            head=row.head,
            state=State(row.state),
            is_admitted=row.admitted_s is not None,
            not_before_at=row.not_before_at,
            label=row.label,
            waits_for=tuple(blockers.get((row.job_id, row.head), ())),
        )
        for row in connection.execute(found.order_by(parts.c.place, parts.c.head))
    ]


def ids_like(connection: sa.Connection, start: str, most: int = 10) -> list[str]:
    """Return the ids of jobs that begin so."""
    # A range, and no LIKE, which no index of SQLite's answers. Ids are ASCII.
    found = sa.select(jobs.c.id).where(jobs.c.id >= start, jobs.c.id < start + "\x7f").order_by(jobs.c.id)
    return list(connection.execute(found.limit(most)).scalars())


def heads_of(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the heads of each of these jobs."""
    found: dict[str, list[str]] = {}
    for some in shares(job_ids):
        wanted = sa.select(parts.c.job_id, parts.c.head).where(parts.c.job_id.in_(some))
        for row in connection.execute(wanted.order_by(parts.c.head)):
            found.setdefault(row.job_id, []).append(row.head)
    return found
