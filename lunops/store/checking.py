"""Say what of a store is not as it should be: each finding is one thing that no transaction of ours leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from lunops.store.database import SQLITE

_UNFINISHED = "('queued', 'running')"
_BACKUP = "go back to a backup (lunops store import), and report this with: lunops jobs show {job} --json"
_LEFT_OVER = "it holds up later jobs on these names. Stop the service; DELETE FROM {table} WHERE job_id = '{job}'"
_DISK = "look at the disk, then import a backup into a new file (lunops store import)"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    what: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What is wrong with the jobs whose ids the query gives."""

    what: str
    query: str
    fix: str = _BACKUP


_RULES = (
    _Rule(
        what="a job is over while a part of it is not",
        query=f"SELECT id FROM jobs WHERE state NOT IN {_UNFINISHED} AND EXISTS"
        f" (SELECT 1 FROM parts WHERE job_id = id AND state IN {_UNFINISHED})",
    ),
    _Rule(
        what="all parts of a job are over and the job is not",
        query=f"SELECT id FROM jobs WHERE state IN {_UNFINISHED} AND NOT EXISTS"
        f" (SELECT 1 FROM parts WHERE job_id = id AND state IN {_UNFINISHED})",
    ),
    _Rule(
        what="a job did not end as its parts did",
        query="SELECT id FROM (SELECT jobs.id, jobs.state,"
        " sum(CASE WHEN parts.state = 'failed' THEN 1 ELSE 0 END) AS failed,"
        " sum(CASE WHEN parts.state = 'cancelled' THEN 1 ELSE 0 END) AS cancelled"
        f" FROM jobs JOIN parts ON parts.job_id = jobs.id WHERE jobs.state NOT IN {_UNFINISHED}"
        " GROUP BY jobs.id, jobs.state) AS ends WHERE state <>"
        " CASE WHEN failed > 0 THEN 'failed' WHEN cancelled > 0 THEN 'cancelled' ELSE 'complete' END",
    ),
    _Rule(
        what="a job that is over has no end, or one that is not has one",
        query=f"SELECT id FROM jobs WHERE (state IN {_UNFINISHED}) <> (ended_s IS NULL)",
    ),
    _Rule(
        what="a part that is over still claims a name",
        query="SELECT claims.job_id FROM claims JOIN parts ON parts.job_id = claims.job_id"
        f" AND parts.head = claims.head WHERE parts.state NOT IN {_UNFINISHED}",
        fix=_LEFT_OVER.replace("{table}", "claims"),
    ),
    _Rule(
        what="a part waits, or is waited for, that is over",
        query="SELECT waits.job_id FROM waits JOIN parts ON parts.head = waits.head"
        " AND (parts.job_id = waits.job_id OR parts.job_id = waits.for_job)"
        f" WHERE parts.state NOT IN {_UNFINISHED}",
        fix=_LEFT_OVER.replace("{table}", "waits"),
    ),
    _Rule(
        what="a part waits for what is not there",
        query="SELECT job_id FROM waits WHERE NOT EXISTS"
        " (SELECT 1 FROM parts WHERE parts.job_id = for_job AND parts.head = waits.head)",
        fix=_LEFT_OVER.replace("{table}", "waits"),
    ),
    _Rule(
        what="a part that is over still counts its notes",
        query="SELECT kept.job_id FROM kept JOIN parts ON parts.job_id = kept.job_id"
        f" AND parts.head = kept.head WHERE parts.state NOT IN {_UNFINISHED}",
        fix="it harms nothing. Stop the service; DELETE FROM kept WHERE job_id = '{job}'",
    ),
    _Rule(
        what="a running part was never let through the gate",
        query="SELECT job_id FROM parts WHERE state = 'running' AND admitted_s IS NULL",
    ),
    _Rule(
        what="a part is complete, and the last run of one of its tasks has no end",
        query="SELECT runs.job_id FROM runs JOIN parts ON parts.job_id = runs.job_id AND parts.head = runs.head"
        " WHERE parts.state = 'complete' AND runs.ended_s IS NULL AND NOT EXISTS (SELECT 1 FROM runs AS later"
        " WHERE later.job_id = runs.job_id AND later.head = runs.head AND later.task_id = runs.task_id"
        " AND later.run > runs.run)",
        fix="some of its results may be missing here; lunops drift tells whether the LUNs themselves are well",
    ),
    _Rule(
        what="the events of a job are not numbered 1, 2, 3 …",
        query="SELECT jobs.id FROM jobs LEFT JOIN events ON events.job_id = jobs.id GROUP BY jobs.id, jobs.events"
        " HAVING count(events.number) <> jobs.events OR coalesce(max(events.number), 0) <> jobs.events"
        " OR coalesce(min(events.number), 1) <> 1",
    ),
    _Rule(
        what="a job has no parts, or no items",
        query="SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM parts WHERE job_id = id)"
        " OR NOT EXISTS (SELECT 1 FROM items WHERE job_id = id)",
    ),
)


def check(connection: sa.Connection) -> list[Finding]:
    """Return what is wrong; nothing if all is well. In a damaged file nothing more than the damage is looked for."""
    if connection.dialect.name == SQLITE:
        damage = list(_damage(connection))
        if damage:
            return damage
    wrong = []
    for rule in _RULES:
        for job_id in sorted({str(row[0]) for row in connection.execute(sa.text(rule.query))}):
            wrong.append(Finding(what=f"{rule.what}: job {job_id}", fix=rule.fix.format(job=job_id)))
    return wrong


def _damage(connection: sa.Connection) -> Iterator[Finding]:
    try:
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check").all():
            if line != "ok":
                yield Finding(what=f"the file is damaged: {line}", fix=_DISK)
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check").all():
            fix = _BACKUP.partition(" with:")[0]
            yield Finding(what=f"a row of {row[0]} belongs to nothing in {row[2]}", fix=fix)
    except sa.exc.DatabaseError as error:
        connection.rollback()  # a commit would meet the damage again
        yield Finding(what=f"the file is damaged: {error.orig}", fix=_DISK)
