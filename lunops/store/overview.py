"""What lists of jobs show beside the rows of the jobs themselves."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lunops.model import Status
from lunops.store.rows import ItemRow, OutcomeRow, State
from lunops.store.tables import items, jobs, outcomes
from lunops.store.writing import shares


def ids_beginning(connection: sa.Connection, starts: Sequence[str]) -> list[str]:
    """Return the ids of all jobs that begin with one of these texts, which are of one length."""
    found: list[str] = []
    for some in shares(sorted(set(starts))):
        is_one = sa.func.substr(jobs.c.id, 1, len(some[0])).in_(some)
        found += connection.execute(sa.select(jobs.c.id).where(is_one).order_by(jobs.c.id)).scalars()
    return found


def clients(connection: sa.Connection) -> list[str]:
    """Return all clients that the jobs name, each once."""
    return list(connection.execute(sa.select(jobs.c.client).distinct().order_by(jobs.c.client)).scalars())


def state_of(connection: sa.Connection, job_id: str) -> tuple[State, int] | None:
    """Return how far a job is and the number of its last event, or None if there is no such job."""
    row = connection.execute(sa.select(jobs.c.state, jobs.c.events).where(jobs.c.id == job_id)).first()
    return None if row is None else (State(row.state), row.events)


def outcomes_of(connection: sa.Connection, job_ids: Sequence[str]) -> dict[str, tuple[list[ItemRow], list[OutcomeRow]]]:
    """Return the items of each of these jobs, and how they ended in each task: not what was changed."""
    found: dict[str, tuple[list[ItemRow], list[OutcomeRow]]] = {job_id: ([], []) for job_id in job_ids}
    for some in shares(job_ids):
        for item in connection.execute(sa.select(items).where(items.c.job_id.in_(some)).order_by(items.c.place)):
            found[item.job_id][0].append(
                ItemRow(
                    place=item.place, head=item.head, key=item.key, wwn=item.wwn, keeps_clone=bool(item.keeps_clone)
                )
            )
        o = outcomes.c
        wanted = sa.select(o.job_id, o.head, o.task_id, o.module, o.key, o.status, o.error, o.fix)
        for row in connection.execute(wanted.where(o.job_id.in_(some))):
            outcome = OutcomeRow(
                head=row.head,
                task_id=row.task_id,
                module=row.module,
                key=row.key,
                status=Status(row.status),
                error=row.error,
                fix=row.fix,
            )
            found[row.job_id][1].append(outcome)
    return found
