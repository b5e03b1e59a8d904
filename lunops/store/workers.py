"""The processes that do jobs, as they say of themselves; each says again and again that it lives (its *beat*)."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from lunops.store.tables import workers


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker. Only that `beat` changes means anything to others: their clocks may differ."""

    id: str
    host: str
    pid: int
    labels: tuple[str, ...]
    started_at: float
    beat: int = 0
    beat_at: float = 0.0

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.host}:{self.pid}"


def beat(connection: sa.Connection, row: WorkerRow) -> None:
    """Note that a worker lives; the first time, that there is one."""
    connection.execute(
        sa.text(
            "INSERT INTO workers (id, host, pid, labels, started_at, beat, beat_at)"
            " VALUES (:id, :host, :pid, :labels, :started_at, :beat, :beat_at)"
            " ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, beat_at = excluded.beat_at"
        ),
        {
            "id": row.id,
            "host": row.host,
            "pid": row.pid,
            "labels": json.dumps(row.labels),
            "started_at": row.started_at,
            "beat": row.beat,
            "beat_at": row.beat_at,
        },
    )


def all_workers(connection: sa.Connection) -> list[WorkerRow]:
    """Return all of them, the oldest first."""
    found = sa.select(workers).order_by(workers.c.started_at, workers.c.id)
    return [
        WorkerRow(**{**row, "labels": tuple(json.loads(row["labels"]))}) for row in connection.execute(found).mappings()
    ]


def remove(connection: sa.Connection, worker: str) -> None:
    """Forget a worker."""
    connection.execute(sa.delete(workers).where(workers.c.id == worker))
