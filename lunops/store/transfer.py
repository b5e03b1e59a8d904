"""Write a store out as lines of JSON, and read it into an empty one: a backup, or the way to another database.

The first line is {"lunops_store": VERSION}; each other line is {"table": NAME, "row": {COLUMN: VALUE, …}}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from lunops.errors import InputError
from lunops.store.rows import State
from lunops.store.tables import VERSION, jobs, metadata, parts, schema, workers
from lunops.store.writing import UNFINISHED, end_part

_TABLES = [table for table in metadata.sorted_tables if table not in (schema, workers)]
_AT_ONCE = 500


def lines(connection: sa.Connection) -> Iterator[str]:
    """Give the lines of all that is in the store, as of one moment."""
    yield json.dumps({"lunops_store": VERSION})
    for table in _TABLES:
        order = list(table.primary_key.columns)
        found = connection.execution_options(yield_per=_AT_ONCE).execute(sa.select(table).order_by(*order))
        for row in found.mappings():
            yield json.dumps({"table": table.name, "row": dict(row)}, ensure_ascii=False)


def read(connection: sa.Connection, given: Iterable[str], *, unfinished: str, at: float, at_s: float) -> dict[str, int]:
    """Read lines into an empty store; return how many rows each table got.

    `unfinished`: what becomes of jobs that are not over: `run`, `fail`, or an error if it is empty. Raises InputError.
    """
    if connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one():
        raise InputError("the store is not empty", fix="import into one that does not exist yet")
    counts = dict.fromkeys((table.name for table in _TABLES), 0)
    waiting: list[dict[str, Any]] = []
    name = ""

    def write() -> None:
        if waiting:
            connection.execute(sa.insert(metadata.tables[name]), waiting)
            counts[name] += len(waiting)
            waiting.clear()

    for number, line in enumerate(given, 1):
        table, row = _line(number, line)
        if table != name or len(waiting) >= _AT_ONCE:
            write()
            name = table
        if row is not None:
            waiting.append(row)
    write()
    _settle(connection, unfinished, at=at, at_s=at_s)
    if connection.dialect.name == "postgresql":
        last = sa.select(sa.func.coalesce(sa.func.max(jobs.c.place), 0) + 1).scalar_subquery()
        place = sa.func.pg_get_serial_sequence("jobs", "place")
        connection.execute(sa.select(sa.func.setval(place, last, sa.false())))
    return counts


def _line(number: int, text: str) -> tuple[str, dict[str, Any] | None]:
    where = f"line {number}"
    try:
        said = json.loads(text)
        if number == 1:
            if said["lunops_store"] != VERSION:
                fix = f"export it with a lunops whose stores are of version {VERSION}"
                raise InputError(f"it is of version {said['lunops_store']}, not {VERSION}", where=where, fix=fix)
            return "", None
        table, row = said["table"], said["row"]
        if table in {each.name for each in _TABLES} and set(row) <= {c.name for c in metadata.tables[table].columns}:
            return table, row
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError("this is not what `lunops store export` writes", where=where, fix="give a whole, unchanged file")


def _settle(connection: sa.Connection, unfinished: str, *, at: float, at_s: float) -> None:
    left = connection.execute(
        sa.select(parts.c.job_id, parts.c.head).where(parts.c.state.in_([str(state) for state in UNFINISHED]))
    ).all()
    if not left:
        return
    if unfinished == "fail":
        for part in left:
            what = "it was not over when the store was moved"
            end_part(connection, part.job_id, part.head, State.FAILED, at=at, at_s=at_s, error=what, fix="repeat it")
        return
    if unfinished != "run":
        number = len({part.job_id for part in left})
        raise InputError(
            f"{number} jobs are not over",
            fix="let them end before the export; or --unfinished run, if nobody else runs them; or --unfinished fail",
        )
    # To the gate again, and to another engine, which has never heard of them.
    connection.execute(
        sa.update(parts)
        .where(parts.c.state.in_([str(state) for state in UNFINISHED]))
        .values(state=str(State.QUEUED), admitted_s=None, is_enqueued=0, token="", not_before_at=0.0)
    )
