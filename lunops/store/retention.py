"""Remove jobs that are over and older, or more, than are to be kept."""

from __future__ import annotations

import sqlalchemy as sa

from lunops.store.tables import jobs
from lunops.store.writing import UNFINISHED

_AT_ONCE = 500  # jobs in one transaction: others wait for it


def remove_some(connection: sa.Connection, *, before_at: float | None, keep_jobs: int) -> int:
    """Remove some of what is to go, with all that is known of it; return how many jobs that were.

    `before_at`: jobs that ended before this time, in seconds since 1970. `keep_jobs`: all but the latest so many of
    those that are over; 0: all stay. Call it until it returns 0.
    """
    over = jobs.c.state.not_in([str(state) for state in UNFINISHED])
    ids: list[str] = []
    if before_at is not None:
        # One rule after the other: of both at once a database reads all jobs that are kept.
        old = sa.select(jobs.c.id).where(over, jobs.c.ended_at < before_at).order_by(jobs.c.ended_at)
        ids = list(connection.execute(old.limit(_AT_ONCE)).scalars())
    if keep_jobs and not ids:
        kept = sa.select(jobs.c.place).where(over).order_by(jobs.c.place.desc()).offset(keep_jobs).limit(1)
        last = connection.execute(kept).scalar_one_or_none()
        if last is not None:
            more = sa.select(jobs.c.id).where(over, jobs.c.place <= last).order_by(jobs.c.place)
            ids = list(connection.execute(more.limit(_AT_ONCE)).scalars())
    if ids:
        connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))  # the rest goes with them
    return len(ids)
