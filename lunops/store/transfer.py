"""Write a store out as lines of JSON, and read it into an empty one: a backup, or the way to another database.

The first line is {"lunops_store": VERSION}, the last {"end": NUMBER OF ROWS}: a file that was cut off is not taken for
a whole one. Each line between them is {"table": NAME, "row": {COLUMN: VALUE, …}}, with all columns of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from lunops.errors import InputError
from lunops.model import Json
from lunops.store.parts import to_gate
from lunops.store.rows import Kind, NewEvent, State
from lunops.store.tables import VERSION, jobs, metadata, parts, schema, workers
from lunops.store.writing import UNFINISHED, add_events, end_part

_TABLES = {table.name: table for table in metadata.sorted_tables if table not in (schema, workers)}
_COLUMNS = {name: {column.name: column for column in table.columns} for name, table in _TABLES.items()}
_AT_ONCE = 500
_WHOLE = "give a whole, unchanged file that `lunops store export` wrote"


def lines(connection: sa.Connection) -> Iterator[str]:
    """Give the lines of all that is in the store, as of one moment; few of them are in memory at a time."""
    yield json.dumps({"lunops_store": VERSION})
    number = 0
    for name, table in _TABLES.items():
        found = sa.select(table).order_by(*table.primary_key.columns)
        for row in connection.execution_options(yield_per=_AT_ONCE).execute(found).mappings():
            number += 1
            yield json.dumps({"table": name, "row": dict(row)}, ensure_ascii=False)
    yield json.dumps({"end": number})


def read(connection: sa.Connection, given: Iterable[str], *, unfinished: str, at: float, at_s: float) -> dict[str, int]:
    """Read lines into an empty store; return how many rows each table got.

    `unfinished`: what becomes of jobs that are not over: `run`, `fail`, or an error if it is empty. Raises InputError.
    """
    for name, table in _TABLES.items():
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise InputError(
                f"the store is not empty: there are {name} in it", fix="import into one that does not exist yet"
            )
    counts = dict.fromkeys(_TABLES, 0)
    for number, name, rows in _batches(given):
        try:
            connection.execute(sa.insert(_TABLES[name]), rows)
        except (sa.exc.IntegrityError, sa.exc.DataError, OverflowError) as error:
            said = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            where = f"lines {number - len(rows) + 1} to {number}"
            raise InputError(f"a row does not fit: {str(said).strip()}", where=where, fix=_WHOLE) from error
        counts[name] += len(rows)
    _settle(connection, unfinished, at=at, at_s=at_s)
    if connection.dialect.name == "postgresql":
        last = sa.select(sa.func.coalesce(sa.func.max(jobs.c.place), 0) + 1).scalar_subquery()
        place = sa.func.pg_get_serial_sequence("jobs", "place")
        connection.execute(sa.select(sa.func.setval(place, last, sa.false())))
    return counts


def _batches(given: Iterable[str]) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Give rows of one table, with the number of the last one's line. Raises InputError."""
    name, rows, total, is_whole, number = "", list[dict[str, Any]](), 0, False, 0
    try:
        for number, line in enumerate(given, 1):
            said = _object(line, number)
            if is_whole or (number == 1) != ("lunops_store" in said):
                raise _not_ours(number)
            if number == 1:
                _check_version(said["lunops_store"])
                continue
            is_whole = said == {"end": total}
            table = "" if is_whole else _table(said, number)
            if rows and (table != name or len(rows) >= _AT_ONCE):
                yield number - 1, name, rows
                rows = []
            name = table
            if not is_whole:
                rows.append(said["row"])
                total += 1
    except UnicodeDecodeError as error:
        raise InputError(f"this is no text: {error}", where=f"after line {number}", fix=_WHOLE) from None
    if not is_whole:
        raise InputError("the end is missing", where=f"after line {number}", fix=_WHOLE)


def _object(line: str, number: int) -> dict[str, Json]:
    try:
        said = json.loads(line)
    except ValueError:
        raise _not_ours(number) from None
    if not isinstance(said, dict):
        raise _not_ours(number)
    return said


def _check_version(version: Json) -> None:
    if version != VERSION:
        raise InputError(
            f"it is of version {version}, not {VERSION}",
            where="line 1",
            fix=f"export it with a lunops whose stores are of version {VERSION}",
        )


def _table(said: dict[str, Json], number: int) -> str:
    """Return the table of a line, whose row has all of its columns, each of its type."""
    name, row = said.get("table"), said.get("row")
    if not isinstance(name, str) or not isinstance(row, dict) or set(row) != set(_COLUMNS.get(name, ())):
        raise _not_ours(number)
    for column, value in row.items():
        if not _fits(_COLUMNS[name][column], value):
            raise InputError(f"{value!r} is no {column} of {name}", where=f"line {number}", fix=_WHOLE)
    return name


def _fits(column: sa.Column[Any], value: Json) -> bool:
    if value is None:
        return bool(column.nullable)
    kind = column.type.python_type
    return type(value) is kind or (kind is float and type(value) is int)


def _not_ours(number: int) -> InputError:
    return InputError("this is not what `lunops store export` writes", where=f"line {number}", fix=_WHOLE)


def _settle(connection: sa.Connection, unfinished: str, *, at: float, at_s: float) -> None:
    """See to the jobs that are not over."""
    is_left = parts.c.state.in_([str(state) for state in UNFINISHED])
    left = connection.execute(sa.select(parts).where(is_left).order_by(parts.c.place, parts.c.head)).all()
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
            f"{number} job{' is' if number == 1 else 's are'} not over",
            fix="let them end before the export; or --unfinished run, if nobody else runs them; or --unfinished fail",
        )
    for part in left:
        _begin_anew(connection, part, at)


def _begin_anew(connection: sa.Connection, part: sa.Row[Any], at: float) -> None:
    """Let a part wait at the gate, for another engine, which has never heard of it."""
    # A further attempt has perhaps made something, as a cancel must know.
    attempt = part.attempt if part.started_s is None else part.attempt + 1
    to_gate(connection, part.job_id, part.head, attempt=attempt, not_before_at=0.0)
    said = {"what": "the store was moved", "attempt": attempt}
    add_events(connection, part.job_id, [NewEvent(kind=Kind.WARNING, at=at, head=part.head, data=said)])
