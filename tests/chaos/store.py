"""What the store says of the jobs: read with SQL, from outside, so that no code of the service is asked."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a task of a job. Times are by the wall clock, as it was when the service started."""

    job_id: str
    head: str
    task_id: str
    run: int
    started_s: float
    last_s: float  # when it was last heard of
    ended_s: float | None  # None: it was cut off


def states(url: str) -> dict[str, str]:
    """Return the state of each job that was ever accepted."""
    return {str(row.id): str(row.state) for row in _rows(url, "SELECT id, state FROM jobs")}


def runs(url: str) -> list[Run]:
    """Return all runs of tasks, those of one task in order."""
    columns = "job_id, head, task_id, run, started_s, last_s, ended_s"
    rows = _rows(url, f"SELECT {columns} FROM runs ORDER BY job_id, head, task_id, run")
    return [Run(**row._asdict()) for row in rows]


def _rows(url: str, query: str) -> list[sqlalchemy.Row[tuple[object, ...]]]:
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(query)).all())
    finally:
        engine.dispose()
