"""The tables of the store, the same on SQLite and PostgreSQL.

Times ending in `_s` are seconds on the steady clock of the machine that wrote them; those ending in `_at` are
seconds since 1970 by its wall clock, to show and to sort by age.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT

VERSION = 2
"""Of the schema. A change of the tables is a new number, and a step in `migrate.py`."""

metadata = MetaData()

# By bytes, as SQLite does, whatever the locale of the database: only then an index finds how an id begins.
_TEXT = Text().with_variant(TEXT(collation="C"), "postgresql")
_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by themselves only in an INTEGER
_UNFINISHED = text("state IN ('queued', 'running')")
_ADMITTED = text("state IN ('queued', 'running') AND admitted_s IS NOT NULL")

schema = Table("schema_version", metadata, Column("version", Integer, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("place", _ID, primary_key=True, autoincrement=True),  # the order of acceptance
    Column("id", _TEXT, nullable=False, unique=True),
    Column("kind", _TEXT, nullable=False),
    Column("client", _TEXT, nullable=False),
    Column("state", _TEXT, nullable=False),
    Column("num_requested", Integer, nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("accepted_s", Float, nullable=False),
    Column("started_s", Float),
    Column("ended_s", Float),
    Column("ended_at", Float),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("deadline_at", Float),  # until when an unreachable head is tried again
    Column("again", _TEXT, nullable=False, server_default=""),  # repeat | retry, of the job `of_job`
    Column("of_job", _TEXT, nullable=False, server_default=""),
    Column("cancel", _TEXT, nullable=False, server_default=""),  # keep | undo: that it is to be cancelled
    Column("cancelled_by", _TEXT, nullable=False, server_default=""),
    Column("events", Integer, nullable=False, server_default="0"),  # the number of the last one
    Column("request", _TEXT, nullable=False),  # last: it is long, and SQLite reads a row from its beginning
    Index("jobs_state", "state", "place"),
    Index("jobs_client", "client", "place"),
    Index("jobs_client_state", "client", "state", "place"),
    Index("jobs_accepted", "accepted_at", "place"),
    Index("jobs_ended", "ended_at"),
    Index("jobs_unfinished", "place", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
    sqlite_autoincrement=True,  # a number is never given twice, also after the last job was removed
)

parts = Table(
    "parts",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("head", _TEXT, primary_key=True),
    Column("place", _ID, nullable=False, server_default="0"),  # of its job
    Column("workflow_id", _TEXT, nullable=False, unique=True),
    Column("state", _TEXT, nullable=False),
    Column("is_enqueued", Integer, nullable=False, server_default="0"),  # the engine has it
    Column("error", _TEXT, nullable=False, server_default=""),
    Column("fix", _TEXT, nullable=False, server_default=""),
    Column("admitted_s", Float),  # NULL: it waits at the gate
    Column("label", _TEXT, nullable=False, server_default=""),  # of the workers that may do it, once admitted
    Column("attempt", Integer, nullable=False, server_default="1"),  # a head that was unreachable is tried again
    Column("not_before_at", Float, nullable=False, server_default="0"),
    Column("agents_lost", Integer, nullable=False, server_default="0"),
    Column("token", _TEXT, nullable=False, server_default=""),  # of the run that may write; another's is refused
    Column("worker", _TEXT, nullable=False, server_default=""),
    Column("started_s", Float),
    Column("ended_s", Float),
    Column("tasks", _TEXT, nullable=False),  # last, as the request is
    Index(
        "parts_unfinished",
        # What the gate asks of all that waits, so that it need not look at the rows.
        *("head", "state", "admitted_s", "not_before_at", "place"),
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    ),
    Index("parts_admitted", "place", "head", sqlite_where=_ADMITTED, postgresql_where=_ADMITTED),
    Index("parts_head", "head", "place"),
    sqlite_with_rowid=False,
)

claims = Table(
    "claims",
    metadata,
    Column("head", _TEXT, primary_key=True),
    Column("name", _TEXT, primary_key=True),
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("is_shared", Boolean, nullable=False),  # it only looks at it, as a create does at its image
    Index("claims_job", "job_id", "head"),
    Index("claims_name", "name"),
    sqlite_with_rowid=False,
)
"""What unfinished parts touch. A row goes when its part is over."""

waits = Table(
    "waits",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("head", _TEXT, primary_key=True),
    Column("for_job", _TEXT, primary_key=True),
    Index("waits_for", "for_job", "head"),
    sqlite_with_rowid=False,
)
"""Which parts wait for which earlier ones on their head, since they touch the same names."""

items = Table(
    "items",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("head", _TEXT, nullable=False),
    Column("key", _TEXT, nullable=False),
    Column("wwn", _TEXT, nullable=False),
    Column("keeps_clone", Integer, nullable=False),
    Index("items_wwn", "wwn"),
    sqlite_with_rowid=False,
)

tasks = Table(
    "tasks",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("head", _TEXT, primary_key=True),
    Column("task_id", _TEXT, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("module", _TEXT, nullable=False),
    Column("items", Integer, nullable=False),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("head", _TEXT, primary_key=True),
    Column("task_id", _TEXT, primary_key=True),
    Column("run", Integer, primary_key=True),
    Column("module", _TEXT, nullable=False),
    Column("started_s", Float, nullable=False),
    Column("last_s", Float, nullable=False),
    Column("ended_s", Float),
    Column("status", _TEXT, nullable=False, server_default=""),
    Column("error", _TEXT, nullable=False, server_default=""),
    Column("worker", _TEXT, nullable=False, server_default=""),
    # Durations, by the clock of whoever measured them; NULL for a run that did not come to its end.
    Column("wait_s", Float),
    Column("connect_s", Float),
    Column("run_s", Float),
    Column("transfer_s", Float),
    sqlite_with_rowid=False,
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("head", _TEXT, primary_key=True),
    Column("task_id", _TEXT, primary_key=True),
    Column("key", _TEXT, primary_key=True),
    Column("module", _TEXT, nullable=False),
    Column("status", _TEXT, nullable=False),
    Column("changes", _TEXT, nullable=False),
    Column("error", _TEXT, nullable=False),
    Column("fix", _TEXT, nullable=False),
    Column("left_behind", _TEXT, nullable=False),
    Column("seconds", Float, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("job_id", _TEXT, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("head", _TEXT, nullable=False),
    Column("task_id", _TEXT, nullable=False),
    Column("key", _TEXT, nullable=False),
    Column("data", _TEXT, nullable=False),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

kept = Table(
    "kept",
    metadata,
    Column("job_id", _TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("head", _TEXT, primary_key=True),
    Column("token", _TEXT, nullable=False),
    Column("notes", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""How many notes of a part's present run are written: a table of its own, since it changes with each writing."""

heads = Table(
    "heads",
    metadata,
    Column("name", _TEXT, primary_key=True),
    Column("drained_at", Float),  # NULL: it takes jobs
    Column("drained_by", _TEXT, nullable=False, server_default=""),
    Column("why", _TEXT, nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row: it could not be reached
    Column("retry_at", Float, nullable=False, server_default="0"),  # not before
    Column("error", _TEXT, nullable=False, server_default=""),
    Column("wedged_at", Float),  # when a job last found its kernel hanging; NULL: it did not
)

turns = Table(
    "turns",
    metadata,
    Column("head", _TEXT, primary_key=True),
    Column("client", _TEXT, primary_key=True),
    Column("turn", _ID, nullable=False),
    sqlite_with_rowid=False,
)
"""Whose turn it was on a head: the client with the smallest number is next."""

workers = Table(
    "workers",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("host", _TEXT, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("labels", _TEXT, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat", _ID, nullable=False),
    Column("beat_at", Float, nullable=False),
)
