"""Say what of a store is not as it should be: each line is one thing that no transaction of ours leaves behind."""

from __future__ import annotations

import sqlalchemy as sa

_UNFINISHED = "('queued', 'running')"
_RULES = {
    "a job is over while a part of it is not": (
        f"SELECT id FROM jobs WHERE state NOT IN {_UNFINISHED} AND EXISTS"
        f" (SELECT 1 FROM parts WHERE job_id = id AND state IN {_UNFINISHED})"
    ),
    "all parts of a job are over and the job is not": (
        f"SELECT id FROM jobs WHERE state IN {_UNFINISHED} AND NOT EXISTS"
        f" (SELECT 1 FROM parts WHERE job_id = id AND state IN {_UNFINISHED})"
    ),
    "a job that is over has no end, or one that is not has one": (
        f"SELECT id FROM jobs WHERE (state IN {_UNFINISHED}) <> (ended_s IS NULL)"
    ),
    "a part that is over still claims a name": (
        "SELECT claims.job_id FROM claims JOIN parts ON parts.job_id = claims.job_id AND parts.head = claims.head"
        f" WHERE parts.state NOT IN {_UNFINISHED}"
    ),
    "a part waits, or is waited for, that is over": (
        "SELECT waits.job_id FROM waits JOIN parts ON parts.head = waits.head"
        " AND (parts.job_id = waits.job_id OR parts.job_id = waits.for_job)"
        f" WHERE parts.state NOT IN {_UNFINISHED}"
    ),
    "a part waits for what is not there": (
        "SELECT job_id FROM waits WHERE NOT EXISTS (SELECT 1 FROM parts WHERE job_id = for_job AND head = waits.head)"
    ),
    "a running part was never let through the gate": (
        "SELECT job_id FROM parts WHERE state = 'running' AND admitted_s IS NULL"
    ),
    "the events of a job are not numbered 1, 2, 3 …": (
        "SELECT jobs.id FROM jobs LEFT JOIN events ON events.job_id = jobs.id GROUP BY jobs.id, jobs.events"
        " HAVING count(events.number) <> jobs.events OR coalesce(max(events.number), 0) <> jobs.events"
    ),
    "a job has no parts, or no items": (
        "SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM parts WHERE job_id = id)"
        " OR NOT EXISTS (SELECT 1 FROM items WHERE job_id = id)"
    ),
}


def check(connection: sa.Connection) -> list[str]:
    """Return what is wrong, a line each; nothing if all is well."""
    wrong: list[str] = []
    if connection.dialect.name == "sqlite":
        said = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        wrong += [f"the file is damaged: {line}" for line in said if line != "ok"]
        wrong += [
            f"a row of {row[0]} belongs to nothing in {row[2]}"
            for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
        ]
    for what, query in _RULES.items():
        found = sorted({str(row[0]) for row in connection.execute(sa.text(query))})
        wrong += [f"{what}: job {job_id}" for job_id in found]
    return wrong
