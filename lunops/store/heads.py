"""What the store knows of each head: whether it takes jobs, and since when it could not be reached."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from lunops.store.tables import heads

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""How long a head that could not be reached is left alone, by how often that was so in a row."""


@dataclass(frozen=True, kw_only=True)
class HeadRow:
    """One head."""

    name: str
    drained_at: float | None = None
    drained_by: str = ""
    why: str = ""
    failures: int = 0
    retry_at: float = 0.0
    error: str = ""
    wedged_at: float | None = None


def all_heads(connection: sa.Connection) -> dict[str, HeadRow]:
    """Return the heads of which anything is known."""
    return {row.name: HeadRow(**row._mapping) for row in connection.execute(sa.select(heads))}


def drain(connection: sa.Connection, head: str, *, at: float, by: str, why: str) -> None:
    """Let no more parts begin on a head; those that run go on."""
    _set(connection, head, drained_at=at, drained_by=by, why=why)


def resume(connection: sa.Connection, head: str) -> None:
    """Let parts begin on a head again, at once, also if it was not reached before."""
    _set(connection, head, drained_at=None, drained_by="", why="", failures=0, retry_at=0.0, error="")


def not_reached(connection: sa.Connection, head: str, error: str, *, at: float) -> float:
    """Note that a head could not be reached; return when it may be tried again, in seconds since 1970."""
    _set(connection, head)  # the row is there, and locked
    row = connection.execute(sa.select(heads).where(heads.c.name == head)).one()
    if row.retry_at > at:
        return float(row.retry_at)  # another part of it said so a moment ago: that counts as once
    retry_at = at + BACK_OFF_S[min(row.failures, len(BACK_OFF_S) - 1)]
    _set(connection, head, failures=row.failures + 1, retry_at=retry_at, error=error)
    return retry_at


def reached(connection: sa.Connection, head: str, *, wedged_at: float | None) -> None:
    """Note that a head answers, and since when its kernel hangs."""
    _set(connection, head, failures=0, retry_at=0.0, error="", wedged_at=wedged_at)


def _set(connection: sa.Connection, head: str, **values: object) -> None:
    connection.execute(
        sa.text("INSERT INTO heads (name) VALUES (:name) ON CONFLICT (name) DO UPDATE SET name = excluded.name"),
        {"name": head},
    )
    if values:
        connection.execute(sa.update(heads).where(heads.c.name == head).values(**values))
