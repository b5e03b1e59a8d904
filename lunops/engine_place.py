"""Where the engine keeps what is its own: a file beside the store's, or a schema in the store's PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from lunops.store.database import Database

SCHEMA = "lunops_engine"


def engine_file(store: Path) -> Path:
    """Return the engine's file beside a store in SQLite."""
    return store.with_name(f"{store.stem}-engine{store.suffix}")


def engine_url(database: Database) -> URL:
    """Return the URL of the engine's database."""
    if not database.is_sqlite:
        return database.url
    return make_url(f"sqlite:///{engine_file(Path(str(database.url.database))).resolve()}")


def remains(database: Database) -> tuple[str, str] | None:
    """Return what there is of an engine's at this store, and the words that take it away, or None. Raises StoreError.

    It knows work by ids that an imported store may have once more, and would not do it again.
    """
    if database.is_sqlite:
        file = engine_file(Path(str(database.url.database)))
        return (f"the file {file}", f"rm {file}*") if file.exists() else None
    with database.read() as connection:
        there = sa.inspect(connection).has_schema(SCHEMA)
    return (f"the schema {SCHEMA}", f"DROP SCHEMA {SCHEMA} CASCADE") if there else None
