"""The tests' own PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Postgres, programs, running
from tests.support.sshd import descendants
from tests.support.started import ROOT, is_gone, soon

pytestmark = pytest.mark.usefixtures("postgres")  # skips where it is not installed


@pytest.fixture
def own() -> Iterator[Postgres]:
    with running() as server:
        yield server


def test_two_databases_keep_apart_what_is_in_them(postgres: Postgres) -> None:
    one, two = postgres.create_database("one"), postgres.create_database("two")
    with psycopg.connect(one) as connection:
        connection.execute("CREATE TABLE words (word text)")

    with psycopg.connect(one) as first, psycopg.connect(two) as second:
        assert _tables(first) == ["words"]
        assert _tables(second) == []


def test_a_database_is_empty_when_it_is_made_again_even_while_someone_uses_it(postgres: Postgres) -> None:
    url = postgres.create_database("again")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE words (word text)")
        connection.commit()
        assert postgres.create_database("again") == url
        with psycopg.connect(url) as other:
            assert _tables(other) == []
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


@pytest.mark.parametrize("fsync", ["off", "on"])
def test_fsync_is_as_it_was_asked_for(fsync: str) -> None:
    with running(fsync=fsync == "on") as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("SHOW fsync").fetchone() == (fsync,)


@pytest.mark.parametrize("end", ["kill", "restart", "stop"])
def test_what_was_committed_is_there_after_a_kill_and_after_a_stop(own: Postgres, end: str) -> None:
    url = own.create_database("lunops")
    first, said = own.pid, len(own.log)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE words AS SELECT 'kept' AS word")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO words VALUES ('lost')")
        getattr(own, end)()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("COMMIT")

    own.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT word FROM words").fetchall() == [("kept",)]
    assert own.pid != first
    assert ("was interrupted" in own.log[said:]) == (end == "kill"), own.log[said:]


def test_nobody_gets_in_without_the_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url().replace("@", "x@"))


@pytest.mark.parametrize("end", ["kill", "stop", "close"])
def test_nothing_runs_after_the_end(own: Postgres, end: str) -> None:
    with psycopg.connect(own.url()):
        pids = [own.pid, *descendants(own.pid)]
        assert len(pids) > 3
        getattr(own, end)()

    assert [pid for pid in pids if not is_gone(pid)] == []
    assert own.folder.exists() == (end != "close")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(own.url())


def test_one_that_cannot_start_says_why_and_leaves_nothing(own: Postgres) -> None:
    own.stop()
    (own.folder / "data" / "pg_hba.conf").write_text("nonsense\n")

    with pytest.raises(AssertionError, match=r"could not load .*pg_hba\.conf"):
        own.start()
    own.close()
    assert not own.folder.exists()


def test_nothing_is_left_of_a_process_of_tests_that_was_killed() -> None:
    code = (
        "from tests.support.postgres import Postgres; import sys\n"
        "server = Postgres(); print(server.pid, server.folder, flush=True); sys.stdin.read()"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert tests.stdout is not None
        pid, folder = tests.stdout.readline().split()
    finally:
        tests.send_signal(signal.SIGKILL)
        tests.communicate(timeout=60)

    assert soon(lambda: is_gone(int(pid)) and not Path(folder).exists())


def test_the_programs_are_those_of_the_newest_version() -> None:
    found = programs()
    assert found is not None
    assert {"initdb", "postgres"} <= {path.name for path in found.iterdir()}


def _tables(connection: psycopg.Connection[tuple[str, ...]]) -> list[str]:
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [row[0] for row in rows]
