"""Keep what a part's run has to say: tasks begun and ended, items ended, and the events of all of it.

Notes are written many at once, so that an item costs the job next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from lunops.model import ItemResult, Json, TaskResult, Times
from lunops.store.parts import Work, check_token
from lunops.store.rows import Kind, NewEvent
from lunops.store.tables import runs
from lunops.store.writing import add_events


@dataclass(frozen=True, kw_only=True)
class TaskBegun:
    """A task begins to run, the first time or once more."""

    task_id: str
    module: str
    items: int
    at: float
    at_s: float


@dataclass(frozen=True, kw_only=True)
class ItemEnded:
    """An item has ended in the task that runs."""

    task_id: str
    module: str
    item: ItemResult
    at: float
    at_s: float


@dataclass(frozen=True, kw_only=True)
class TaskEnded:
    """A task has ended; its result holds also the items that nobody told of, since they were skipped."""

    task_id: str
    result: TaskResult | None
    at: float
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an item is, in bytes."""

    task_id: str
    key: str
    done_bytes: int
    total_bytes: int
    at: float


@dataclass(frozen=True, kw_only=True)
class TakenBack:
    """What a run made for items was taken back, or not; part of the task `task_id`, which goes on."""

    result: TaskResult
    at: float


Note = TaskBegun | TakenBack | ItemEnded | TaskEnded | Progress

_OUTCOMES = sa.text(
    "INSERT INTO outcomes (job_id, head, task_id, key, module, status, changes, error, fix, left_behind, seconds)"
    " VALUES (:job_id, :head, :task_id, :key, :module, :status, :changes, :error, :fix, :left_behind, :seconds)"
    " ON CONFLICT (job_id, head, task_id, key) DO UPDATE SET module = excluded.module, status = excluded.status,"
    " changes = excluded.changes, error = excluded.error, fix = excluded.fix, left_behind = excluded.left_behind,"
    " seconds = excluded.seconds"
)


_KEPT = sa.text(
    "INSERT INTO kept (job_id, head, token, notes) VALUES (:job_id, :head, :token, :notes)"
    " ON CONFLICT (job_id, head) DO UPDATE SET token = excluded.token, notes = excluded.notes"
)


def keep(connection: sa.Connection, work: Work, worker: str, notes: Sequence[Note], *, after: int | None) -> None:
    """Write the notes, in their order. Raises StaleError if the part is another worker's now.

    `after`: how many notes of this run are written, as far as the caller knows. A database that vanishes in the
    moment of a commit leaves it open whether that was done: what was written nevertheless is left out.
    """
    written = check_token(connection, work)
    if after is not None:
        total = after + len(notes)
        notes = notes[max(0, written - after) :]
        if not notes:
            return
        of = {"job_id": work.job_id, "head": work.head, "token": work.token, "notes": total}
        connection.execute(_KEPT, of)
    rows: dict[tuple[str, str], dict[str, Json]] = {}
    events: list[NewEvent] = []
    for note in notes:
        match note:
            case TaskBegun():
                _begin_run(connection, work, worker, note)
                said = {"module": note.module, "items": note.items}
                events.append(NewEvent(kind=Kind.TASK, at=note.at, head=work.head, task_id=note.task_id, data=said))
            case ItemEnded():
                rows[note.task_id, note.item.key] = _row(work, note.task_id, note.module, note.item)
                events.append(_item_event(work, note.task_id, note.item, note.at))
            case TaskEnded():
                if note.result is not None:
                    for item in note.result.items:
                        rows[note.task_id, item.key] = _row(work, note.task_id, note.result.module, item)
                _end_run(connection, work, note)
                events.append(_task_event(work, note))
            case TakenBack():
                for item in note.result.items:
                    rows[note.result.task_id, item.key] = _row(work, note.result.task_id, note.result.module, item)
                    events.append(_item_event(work, note.result.task_id, item, note.at))
            case Progress():
                done = {"done_bytes": note.done_bytes, "total_bytes": note.total_bytes}
                events.append(
                    NewEvent(
                        kind=Kind.PROGRESS, at=note.at, head=work.head, task_id=note.task_id, key=note.key, data=done
                    )
                )
    if rows:
        connection.execute(_OUTCOMES, list(rows.values()))
    last = {note.task_id: note.at_s for note in notes if isinstance(note, ItemEnded)}
    for task_id, at_s in last.items():
        connection.execute(_last_run(work, task_id).where(runs.c.ended_s.is_(None)).values(last_s=at_s))
    add_events(connection, work.job_id, events)


def _begin_run(connection: sa.Connection, work: Work, worker: str, note: TaskBegun) -> None:
    before = sa.select(sa.func.count()).where(*_of_task(work, note.task_id))
    number = connection.execute(before).scalar_one()
    connection.execute(
        sa.insert(runs).values(
            job_id=work.job_id,
            head=work.head,
            task_id=note.task_id,
            run=number + 1,
            module=note.module,
            started_s=note.at_s,
            last_s=note.at_s,
            worker=worker,
        )
    )


def _end_run(connection: sa.Connection, work: Work, note: TaskEnded) -> None:
    times = note.result.times if note.result is not None else Times()
    connection.execute(
        _last_run(work, note.task_id).values(
            ended_s=note.at_s,
            last_s=note.at_s,
            status="" if note.result is None else str(note.result.status),
            error="" if note.result is None else note.result.error,
            wait_s=times.wait_s,
            connect_s=times.connect_s,
            run_s=times.run_s,
            transfer_s=times.transfer_s,
        )
    )


def _last_run(work: Work, task_id: str) -> sa.Update:
    last = sa.select(sa.func.max(runs.c.run)).where(*_of_task(work, task_id)).scalar_subquery()
    return sa.update(runs).where(*_of_task(work, task_id), runs.c.run == last)


def _of_task(work: Work, task_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return runs.c.job_id == work.job_id, runs.c.head == work.head, runs.c.task_id == task_id


def _row(work: Work, task_id: str, module: str, item: ItemResult) -> dict[str, Json]:
    return {
        "job_id": work.job_id,
        "head": work.head,
        "task_id": task_id,
        "key": item.key,
        "module": module,
        "status": str(item.status),
        "changes": json.dumps(item.changes),
        "error": item.error,
        "fix": item.fix,
        "left_behind": json.dumps(item.left_behind),
        "seconds": item.seconds,
    }


def _item_event(work: Work, task_id: str, item: ItemResult, at: float) -> NewEvent:
    said: dict[str, Json] = {"status": str(item.status), "seconds": round(item.seconds, 6)}
    if item.error:
        said |= {"error": item.error, "fix": item.fix}
    if item.left_behind:
        said["left_behind"] = list(item.left_behind)
    return NewEvent(kind=Kind.ITEM, at=at, head=work.head, task_id=task_id, key=item.key, data=said)


def _task_event(work: Work, note: TaskEnded) -> NewEvent:
    said: dict[str, Json] = {"status": "skipped"}
    if note.result is not None:
        times = note.result.times
        said = {
            "status": str(note.result.status),
            "wait_s": round(times.wait_s, 6),
            "connect_s": round(times.connect_s, 6),
            "run_s": round(times.run_s, 6),
            "transfer_s": round(times.transfer_s, 6),
        }
        if note.result.error:
            said |= {"error": note.result.error, "fix": note.result.fix}
    return NewEvent(kind=Kind.TASK, at=note.at, head=work.head, task_id=note.task_id, data=said)
