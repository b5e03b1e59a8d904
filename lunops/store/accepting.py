"""Take a job into the store, in one transaction: after it, the job will run, whatever happens to this process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from pydantic import TypeAdapter

from lunops.errors import JobError
from lunops.model import Task
from lunops.store.rows import Claim, Kind, NewEvent, NewJob, State
from lunops.store.tables import claims, items, jobs, parts, tasks, waits
from lunops.store.writing import add_events, shares

TASKS = TypeAdapter(tuple[Task, ...])
TARGET = "target "  # begins the name of a claim that is a target's, by IQN, and not a dataset's


def workflow_id(place: int, job_id: str, head: str, attempt: int) -> str:
    """Return the id of a part's work for the engine; ids sort as their jobs were accepted."""
    return f"{place:012d}-{job_id}-{head}" + (f".{attempt}" if attempt > 1 else "")


def accept(connection: sa.Connection, new: NewJob, *, accepted_at: float, accepted_s: float) -> None:
    """Take the job. It waits for all unfinished work on its heads that touches the same names.

    Raises JobError if an unfinished job serves one of its targets on another head.
    """
    _refuse_moving_targets(connection, new)
    place = connection.execute(
        sa.insert(jobs)
        .values(
            id=new.id,
            kind=new.kind,
            request=json.dumps(new.request),
            client=new.client,
            state=str(State.QUEUED),
            num_requested=len(new.items),
            accepted_at=accepted_at,
            accepted_s=accepted_s,
            priority=new.priority,
            deadline_at=new.deadline_at,
            again=new.again,
            of_job=new.of_job,
        )
        .returning(jobs.c.place)
    ).scalar_one()
    connection.execute(
        sa.insert(parts),
        [
            {
                "job_id": new.id,
                "head": part.head,
                "place": place,
                "workflow_id": workflow_id(place, new.id, part.head, 1),
                "tasks": TASKS.dump_json(part.tasks).decode(),
                "state": str(State.QUEUED),
            }
            for part in new.parts
        ],
    )
    rows = [
        {
            "job_id": new.id,
            "head": part.head,
            "task_id": task.id,
            "place": number,
            "module": task.module,
            "items": len(task.items),
        }
        for part in new.parts
        for number, task in enumerate(part.tasks)
    ]
    if rows:
        connection.execute(sa.insert(tasks), rows)
    connection.execute(
        sa.insert(items),
        [
            {
                "job_id": new.id,
                "place": number,
                "head": item.head,
                "key": item.key,
                "wwn": item.wwn,
                "keeps_clone": int(item.keeps_clone),
            }
            for number, item in enumerate(new.items)
        ],
    )
    _claim(connection, new)
    said = {"kind": new.kind, "client": new.client, "items": len(new.items), "heads": [part.head for part in new.parts]}
    if new.again:
        said |= {new.again: new.of_job}
    add_events(connection, new.id, [NewEvent(kind=Kind.QUEUED, at=accepted_at, data=said)])


def _claim(connection: sa.Connection, new: NewJob) -> None:
    """Note what the job touches, and for which earlier parts its own must wait."""
    blockers: set[tuple[str, str]] = set()
    for head, shared, names in _by_head(new.claims):
        found = sa.select(claims.c.job_id).distinct().where(claims.c.head == head, claims.c.name.in_(names))
        if shared:
            found = found.where(sa.not_(claims.c.is_shared))
        blockers |= {(head, job_id) for job_id in connection.execute(found).scalars()}
    if new.claims:
        connection.execute(
            sa.insert(claims),
            [
                {"head": each.head, "name": each.name, "job_id": new.id, "is_shared": each.is_shared}
                for each in new.claims
            ],
        )
    if blockers:
        connection.execute(
            sa.insert(waits), [{"job_id": new.id, "head": head, "for_job": job_id} for head, job_id in blockers]
        )


def _by_head(found: Iterable[Claim]) -> Iterator[tuple[str, bool, Sequence[str]]]:
    sets: dict[tuple[str, bool], list[str]] = {}
    for claim in found:
        sets.setdefault((claim.head, claim.is_shared), []).append(claim.name)
    for (head, shared), names in sets.items():
        for some in shares(names):
            yield head, shared, some


def _refuse_moving_targets(connection: sa.Connection, new: NewJob) -> None:
    # On one head jobs wait for each other. On two they would run side by side, and for a while, or for good,
    # two disks would have one name.
    for head, _, names in _by_head(claim for claim in new.claims if claim.name.startswith(TARGET)):
        elsewhere = sa.select(claims).where(claims.c.name.in_(names), claims.c.head != head).limit(1)
        row = connection.execute(elsewhere).first()
        if row is not None:
            raise JobError(
                f"the target {row.name.removeprefix(TARGET)!r} is at work on another head, {row.head}",
                where=f"job {row.job_id}",
                fix="wait until that job is over, or use another wwn",
            )
