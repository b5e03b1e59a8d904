"""Decide which parts may go to the engine: whose names are free, whose head takes work, and whose turn it is.

A head takes so many parts at once (`Room.limit`). Among those that could go, the highest priority is first, then
the client that was served least lately on that head, then the order of acceptance. Parts that touch the same names
go in the order of acceptance, whatever their priority. All of it happens in one transaction that is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from lunops.store.heads import HeadRow, all_heads
from lunops.store.rows import State
from lunops.store.tables import jobs, parts, turns, waits
from lunops.store.writing import PART_IS_UNFINISHED

_LOOKED_AT = 2000  # waiting parts in one look, the oldest first: what is behind them has a later turn anyway


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
    waiting = _waiting(connection, at)
    if not waiting:
        return []
    names = {row.head for row in waiting}
    counted = (
        sa.select(parts.c.head, sa.func.count().label("number"))
        .where(PART_IS_UNFINISHED, parts.c.admitted_s.is_not(None), parts.c.head.in_(names))
        .group_by(parts.c.head)
    )
    busy = {row.head: row.number for row in connection.execute(counted)}
    states = all_heads(connection)
    served: dict[tuple[str, str], int] = {
        (row.head, row.client): row.turn for row in connection.execute(sa.select(turns).where(turns.c.head.in_(names)))
    }
    admitted = []
    for head in sorted(names):
        free = _free(room(head).limit, busy.get(head, 0), states.get(head), at)
        candidates = [row for row in waiting if row.head == head]
        for row in _in_turn(candidates, free, served):
            label = room(head).label
            connection.execute(
                sa.update(parts)
                .where(parts.c.job_id == row.job_id, parts.c.head == head)
                .values(admitted_s=at_s, label=label, is_enqueued=0)
            )
            _serve(connection, head, row.client, served)
            admitted.append(Admitted(workflow_id=row.workflow_id, label=label))
    return admitted


def _waiting(connection: sa.Connection, at: float, most: int = _LOOKED_AT) -> list[_Waiting]:
    """Return the parts that wait for nothing but room, in the order of acceptance."""
    blocked = sa.exists().where(waits.c.job_id == parts.c.job_id, waits.c.head == parts.c.head)
    found = (
        sa.select(parts.c.job_id, parts.c.head, parts.c.workflow_id, jobs.c.priority, jobs.c.client)
        .join(jobs, jobs.c.id == parts.c.job_id)
        .where(
            PART_IS_UNFINISHED,
            parts.c.state == State.QUEUED,
            parts.c.admitted_s.is_(None),
            parts.c.not_before_at <= at,
            ~blocked,
        )
        .order_by(parts.c.place, parts.c.head)
        .limit(most)
    )
    return [_Waiting(**row) for row in connection.execute(found).mappings()]


def _free(limit: int, busy: int, state: HeadRow | None, at: float) -> int:
    """Return how many more parts a head takes now."""
    if state is None:
        return limit - busy
    if state.drained_at is not None or state.retry_at > at:
        return 0
    # One goes ahead to a head that could not be reached: it tells whether the others may follow.
    return (1 if state.failures else limit) - busy


def _in_turn(candidates: Sequence[_Waiting], free: int, served: Mapping[tuple[str, str], int]) -> list[_Waiting]:
    """Return up to `free` of these parts of one head, in the order in which they may go."""
    left = list(candidates)
    turn = dict(served)
    chosen: list[_Waiting] = []
    while left and len(chosen) < free:
        # The list is in the order of acceptance, and `min` takes the first of equals.
        first = min(left, key=lambda each: (-each.priority, turn.get((each.head, each.client), 0)))
        left.remove(first)
        turn[first.head, first.client] = max(turn.values(), default=0) + 1
        chosen.append(first)
    return chosen


def _serve(connection: sa.Connection, head: str, client: str, served: dict[tuple[str, str], int]) -> None:
    turn = max((each for (name, _), each in served.items() if name == head), default=0) + 1
    key = (head, client)
    if key in served:
        connection.execute(sa.update(turns).where(turns.c.head == head, turns.c.client == client).values(turn=turn))
    else:
        connection.execute(sa.insert(turns).values(head=head, client=client, turn=turn))
    served[key] = turn


def has_waiting(connection: sa.Connection, *, at: float) -> bool:
    """Return whether any part waits at the gate for nothing but room."""
    return bool(_waiting(connection, at, 1))
