"""Keep jobs, what they ask for and what came of it, in one SQLite file.

A job is accepted by one transaction: after it, the job will run, whatever happens to this process. Times are given
by the caller: seconds on its steady clock. Every method may be called from any thread, and several processes may
have the file open.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from lunops.errors import JobError
from lunops.model import ItemResult, Json, Status, Task
from lunops.store_file import StoreFile
from lunops.store_rows import (
    ItemRow,
    JobRecord,
    JobRow,
    NewJob,
    OutcomeRow,
    PartRow,
    RunRow,
    State,
    TaskRow,
)

_TASKS = TypeAdapter(tuple[Task, ...])


@dataclass(frozen=True, kw_only=True)
class Work:
    """What to do for one part."""

    job_id: str
    head: str
    tasks: tuple[Task, ...]


class Store:
    """The file. Close it once."""

    def __init__(self, file: Path) -> None:
        """Open the file, make it if need be. Raises SettingsError if it cannot be used."""
        self._file = StoreFile(file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def accept(self, new: NewJob, *, accepted_at: float, accepted_s: float) -> dict[str, str]:
        """Take the job: return the id of the work for each of its heads, which sort as the jobs were accepted.

        Raises JobError if an unfinished job serves one of its targets on another head.
        """
        with self._file.transaction() as connection:
            self._refuse_moving_targets(connection, new)
            place = connection.execute(
                "INSERT INTO jobs (id, kind, request, client, state, num_requested, accepted_at, accepted_s)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    new.id,
                    new.kind,
                    json.dumps(new.request),
                    new.client,
                    State.QUEUED,
                    len(new.items),
                    accepted_at,
                    accepted_s,
                ),
            ).lastrowid
            work = {part.head: f"{place:012d}-{new.id}-{part.head}" for part in new.parts}
            connection.executemany(
                "INSERT INTO parts (job_id, head, workflow_id, tasks, state) VALUES (?, ?, ?, ?, ?)",
                [
                    (new.id, part.head, work[part.head], _TASKS.dump_json(part.tasks).decode(), State.QUEUED)
                    for part in new.parts
                ],
            )
            connection.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (new.id, part.head, task.id, place, task.module, len(task.items))
                    for part in new.parts
                    for place, task in enumerate(part.tasks)
                ],
            )
            connection.executemany(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (new.id, place, item.head, item.key, item.wwn, int(item.keeps_clone))
                    for place, item in enumerate(new.items)
                ],
            )
        return work

    def enqueued(self, workflow_id: str) -> None:
        """Note that the engine has the work."""
        self._file.execute("UPDATE parts SET is_enqueued = 1 WHERE workflow_id = ?", workflow_id)

    def unfinished(self) -> list[tuple[str, str, bool]]:
        """Return id, head and whether the engine has it, of all work that is not over, in the order of acceptance."""
        rows = self._file.rows(
            "SELECT workflow_id, head, is_enqueued FROM parts WHERE state IN ('queued', 'running') ORDER BY workflow_id"
        )
        return [(row["workflow_id"], row["head"], bool(row["is_enqueued"])) for row in rows]

    def work(self, workflow_id: str) -> Work | None:
        """Return what to do, or None if there is no such work, or it is over."""
        rows = self._file.rows(
            "SELECT job_id, head, tasks FROM parts WHERE workflow_id = ? AND state IN ('queued', 'running')",
            workflow_id,
        )
        if not rows:
            return None
        return Work(job_id=rows[0]["job_id"], head=rows[0]["head"], tasks=_TASKS.validate_json(rows[0]["tasks"]))

    def part_started(self, job_id: str, head: str, at_s: float) -> None:
        """Note that the part runs. Again after a crash: the first start counts."""
        with self._file.transaction(is_durable=False) as connection:
            connection.execute(
                "UPDATE parts SET state = 'running' WHERE job_id = ? AND head = ? AND state = 'queued'", (job_id, head)
            )
            connection.execute(
                "UPDATE jobs SET state = 'running', started_s = ? WHERE id = ? AND started_s IS NULL", (at_s, job_id)
            )

    def part_ended(self, job_id: str, head: str, state: State, at_s: float, *, error: str = "", fix: str = "") -> None:
        """Note how the part ended. What ends first counts; with its last part the job is over."""
        with self._file.transaction() as connection:
            connection.execute(
                "UPDATE parts SET state = ?, error = ?, fix = ?"
                " WHERE job_id = ? AND head = ? AND state IN ('queued', 'running')",
                (state, error, fix, job_id, head),
            )
            connection.execute(
                "UPDATE jobs SET ended_s = ?, started_s = coalesce(started_s, ?), state = CASE WHEN EXISTS"
                " (SELECT 1 FROM parts WHERE job_id = jobs.id AND state = 'failed') THEN 'failed' ELSE 'complete' END"
                " WHERE id = ? AND ended_s IS NULL AND NOT EXISTS"
                " (SELECT 1 FROM parts WHERE job_id = jobs.id AND state IN ('queued', 'running'))",
                (at_s, at_s, job_id),
            )

    def task_started(self, job_id: str, head: str, task_id: str, module: str, at_s: float) -> None:
        """Note that a task begins to run, the first time or once more."""
        self._file.execute(
            "INSERT INTO runs SELECT ?1, ?2, ?3, ?4, count(*) + 1, ?5, ?5, NULL FROM runs"
            " WHERE job_id = ?1 AND head = ?2 AND task_id = ?3",
            job_id,
            head,
            task_id,
            module,
            at_s,
        )

    def task_ended(self, job_id: str, head: str, task_id: str, at_s: float) -> None:
        """Note that the task's last run has ended."""
        self._file.execute(
            "UPDATE runs SET ended_s = ?4, last_s = ?4 WHERE job_id = ?1 AND head = ?2 AND task_id = ?3 AND run ="
            " (SELECT max(run) FROM runs WHERE job_id = ?1 AND head = ?2 AND task_id = ?3)",
            job_id,
            head,
            task_id,
            at_s,
        )

    def runs_cut_off(self, workflow_id: str) -> int:
        """Return how often the task that was at work was begun and never ended."""
        rows = self._file.rows(
            "SELECT count(*) AS number FROM runs JOIN parts USING (job_id, head)"
            " WHERE workflow_id = ? AND ended_s IS NULL GROUP BY task_id ORDER BY number DESC LIMIT 1",
            workflow_id,
        )
        return int(rows[0]["number"]) if rows else 0

    def items_ended(
        self, job_id: str, head: str, task_id: str, module: str, items: Sequence[ItemResult], at_s: float
    ) -> None:
        """Keep how items ended in the task that runs."""
        with self._file.transaction(is_durable=False) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        job_id,
                        head,
                        task_id,
                        module,
                        item.key,
                        item.status,
                        json.dumps(item.changes),
                        item.error,
                        item.fix,
                        json.dumps(item.left_behind),
                        item.seconds,
                    )
                    for item in items
                ],
            )
            connection.execute(
                "UPDATE runs SET last_s = ?4 WHERE job_id = ?1 AND head = ?2 AND task_id = ?3 AND ended_s IS NULL"
                " AND run = (SELECT max(run) FROM runs WHERE job_id = ?1 AND head = ?2 AND task_id = ?3)",
                (job_id, head, task_id, at_s),
            )

    def request(self, job_id: str) -> tuple[str, Json] | None:
        """Return the kind of the job and what its client sent, or None if there is no such job."""
        rows = self._file.rows("SELECT kind, request FROM jobs WHERE id = ?", job_id)
        return (rows[0]["kind"], json.loads(rows[0]["request"])) if rows else None

    def record(self, job_id: str) -> JobRecord | None:
        """Return all that is known of the job, as of one moment, or None if there is no such job."""
        with self._file.transaction("DEFERRED"):
            jobs = self._file.rows("SELECT * FROM jobs WHERE id = ?", job_id)
            if not jobs:
                return None
            return JobRecord(
                job=_job(jobs[0]),
                parts=tuple(
                    PartRow(
                        head=row["head"],
                        workflow_id=row["workflow_id"],
                        state=State(row["state"]),
                        error=row["error"],
                        fix=row["fix"],
                    )
                    for row in self._file.rows("SELECT * FROM parts WHERE job_id = ? ORDER BY head", job_id)
                ),
                items=tuple(
                    ItemRow(
                        place=row["place"],
                        head=row["head"],
                        key=row["key"],
                        wwn=row["wwn"],
                        keeps_clone=bool(row["keeps_clone"]),
                    )
                    for row in self._file.rows("SELECT * FROM items WHERE job_id = ? ORDER BY place", job_id)
                ),
                tasks=tuple(
                    TaskRow(**row)
                    for row in self._file.rows(
                        "SELECT head, task_id, place, module, items FROM tasks WHERE job_id = ? ORDER BY head, place",
                        job_id,
                    )
                ),
                runs=tuple(
                    RunRow(**row)
                    for row in self._file.rows(
                        "SELECT head, task_id, module, run, started_s, last_s, ended_s FROM runs"
                        " WHERE job_id = ? ORDER BY started_s, head",
                        job_id,
                    )
                ),
                outcomes=tuple(
                    OutcomeRow(**{**row, "status": Status(row["status"])})
                    for row in self._file.rows(
                        "SELECT head, task_id, module, key, status, error, fix FROM outcomes"
                        " WHERE job_id = ? ORDER BY head, task_id, key",
                        job_id,
                    )
                ),
            )

    def _refuse_moving_targets(self, connection: sqlite3.Connection, new: NewJob) -> None:
        # On one head jobs wait for each other. On two they would run side by side, and for a while, or for good,
        # two disks would have one name.
        wanted = json.dumps([[item.wwn, item.head] for item in new.items])
        row = connection.execute(
            "SELECT items.wwn, items.head, items.job_id FROM json_each(?) AS wanted"
            " JOIN items ON items.wwn = wanted.value ->> 0 AND items.head != wanted.value ->> 1"
            " JOIN parts ON parts.job_id = items.job_id AND parts.head = items.head"
            " WHERE parts.state IN ('queued', 'running') LIMIT 1",
            (wanted,),
        ).fetchone()
        if row is not None:
            raise JobError(
                f"the target {row['wwn']!r} is at work on another head, {row['head']}",
                where=f"job {row['job_id']}",
                fix="wait until that job is over, or use another wwn",
            )


def _job(row: dict[str, Any]) -> JobRow:
    return JobRow(
        id=row["id"],
        kind=row["kind"],
        client=row["client"],
        state=State(row["state"]),
        num_requested=row["num_requested"],
        accepted_at=row["accepted_at"],
        accepted_s=row["accepted_s"],
        started_s=row["started_s"],
        ended_s=row["ended_s"],
    )
