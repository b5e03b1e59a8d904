"""Decide which parts may go to the engine: whose names are free, whose head takes work, and whose turn it is.

A head takes so many parts at once (`Room.limit`). Among those that could go, the highest priority is first, then
the client that was served least lately on that head, then the order of acceptance. Parts that touch the same names
go in the order of acceptance, whatever their priority. All of it happens in one transaction that is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from lunops.store.heads import HeadRow, all_heads
from lunops.store.rows import State
from lunops.store.tables import jobs, parts, turns, waits
from lunops.store.writing import PART_IS_UNFINISHED

_TURN = sa.text(
    "INSERT INTO turns (head, client, turn) VALUES (:head, :client, :turn)"
    " ON CONFLICT (head, client) DO UPDATE SET turn = excluded.turn"
)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a head takes, as the inventory says."""

    limit: int
    label: str = ""  # of the workers that reach it


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    job_id: str
    head: str
    workflow_id: str
    priority: int
    client: str


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A part that may go."""

    workflow_id: str
    label: str


def admit(connection: sa.Connection, room: Callable[[str], Room], *, at: float, at_s: float) -> list[Admitted]:
    """Choose the parts that may go now, and note that they do.

    `at` is the wall clock's time, by which heads that could not be reached are left alone for a while.
    """
    names = set(connection.execute(sa.select(parts.c.head).distinct().where(*_waits_for_room(at))).scalars())
    if not names:
        return []
    counted = (
        sa.select(parts.c.head, sa.func.count().label("number"))
        .where(PART_IS_UNFINISHED, parts.c.admitted_s.is_not(None), parts.c.head.in_(names))
        .group_by(parts.c.head)
    )
    busy = {row.head: row.number for row in connection.execute(counted)}
    states = all_heads(connection)
    free = {head: _free(room(head).limit, busy.get(head, 0), states.get(head), at) for head in names}
    free = {head: number for head, number in free.items() if number > 0}
    if not free:
        return []
    waiting = _first_of_each(connection, at, free)
    served: dict[tuple[str, str], int] = {
        (row.head, row.client): row.turn for row in connection.execute(sa.select(turns).where(turns.c.head.in_(free)))
    }
    admitted = []
    for head in sorted(free):
        label = room(head).label
        for row in _in_turn([each for each in waiting if each.head == head], free[head], served):
            connection.execute(
                sa.update(parts)
                .where(parts.c.job_id == row.job_id, parts.c.head == head)
                .values(admitted_s=at_s, label=label, is_enqueued=0)
            )
            connection.execute(_TURN, {"head": head, "client": row.client, "turn": served[head, row.client]})
            admitted.append(Admitted(workflow_id=row.workflow_id, label=label))
    return admitted


def _waits_for_room(at: float) -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    """Return what holds of a part that waits for nothing but room."""
    blocked = sa.exists().where(waits.c.job_id == parts.c.job_id, waits.c.head == parts.c.head)
    return (
        PART_IS_UNFINISHED,
        parts.c.state == State.QUEUED,
        parts.c.admitted_s.is_(None),
        parts.c.not_before_at <= at,
        ~blocked,
    )


def _first_of_each(connection: sa.Connection, at: float, free: Mapping[str, int]) -> list[_Waiting]:
    """Return the parts for these heads that may be chosen, in the order of acceptance.

    Those are the first of each client on each head, as many as the head could take: however many wait for a head that
    takes none, or however many one client has sent, all others are seen.
    """
    place = sa.func.row_number().over(
        partition_by=(parts.c.head, jobs.c.client), order_by=(jobs.c.priority.desc(), parts.c.place)
    )
    ranked = (
        sa.select(
            parts.c.job_id,
            parts.c.head,
            parts.c.workflow_id,
            jobs.c.priority,
            jobs.c.client,
            parts.c.place,
            place.label("rank"),
        )
        .join(jobs, jobs.c.id == parts.c.job_id)
        .where(*_waits_for_room(at), parts.c.head.in_(free))
        .subquery()
    )
    wanted = [ranked.c[name] for name in _Waiting.__dataclass_fields__]
    found = sa.select(*wanted).where(ranked.c.rank <= max(free.values())).order_by(ranked.c.place)
    return [_Waiting(**row) for row in connection.execute(found).mappings()]


def _free(limit: int, busy: int, state: HeadRow | None, at: float) -> int:
    """Return how many more parts a head takes now."""
    if state is None:
        return limit - busy
    if state.drained_at is not None or state.retry_at > at:
        return 0
    # One goes ahead to a head that could not be reached: it tells whether the others may follow.
    return (1 if state.failures else limit) - busy


def _in_turn(left: list[_Waiting], free: int, served: dict[tuple[str, str], int]) -> Iterator[_Waiting]:
    """Give up to `free` of these parts of one head in the order in which they may go; each is noted in `served`."""
    for _ in range(min(free, len(left))):
        # The list is in the order of acceptance, and `min` takes the first of equals.
        first = min(left, key=lambda each: (-each.priority, served.get((each.head, each.client), 0)))
        left.remove(first)
        served[first.head, first.client] = max(served.values(), default=0) + 1
        yield first


def has_waiting(connection: sa.Connection, *, at: float) -> bool:
    """Return whether any part waits at the gate for nothing but room."""
    return connection.execute(sa.select(parts.c.head).where(*_waits_for_room(at)).limit(1)).first() is not None
