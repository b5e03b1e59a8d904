"""Who is alive: locks that end with their process, in files and in PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lunops.lives import DatabaseLives, FileLives
from lunops.store.database import checked_url
from tests.service_support import wait_for
from tests.support.postgres import Postgres

Make = Callable[[], FileLives | DatabaseLives]
_OTHER = """
import sys, time
from pathlib import Path
from lunops.lives import DatabaseLives, FileLives
from lunops.store.database import checked_url
where = sys.argv[1]
lives = DatabaseLives(checked_url(where)) if "://" in where else FileLives(Path(where))
lives.begin()
print(lives.own, flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["files", "database"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "files":
        return str(tmp_path / "lives")
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database("lives")


def lives(where: str) -> FileLives | DatabaseLives:
    return DatabaseLives(checked_url(where)) if "://" in where else FileLives(Path(where))


def is_dead(mine: FileLives | DatabaseLives, name: str) -> bool:
    with mine.if_dead(name) as dead:
        return dead


def test_a_process_is_alive_until_it_is_killed(where: str) -> None:
    mine = lives(where)
    mine.begin()
    other = subprocess.Popen([sys.executable, "-c", _OTHER, where], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert not is_dead(mine, name)
        other.kill()
        other.wait(10)
        wait_for(lambda: is_dead(mine, name))
    finally:
        other.kill()
        other.wait(10)
        other.stdout.close()  # type: ignore[union-attr]
        mine.end()


def test_only_one_is_told_that_a_process_is_dead(where: str) -> None:
    one, two = lives(where), lives(where)
    one.begin()
    two.begin()
    with one.if_dead("nobody") as first:
        assert first
        assert not is_dead(two, "nobody")
    assert is_dead(two, "nobody")
    one.end()
    two.end()


def test_who_ends_is_dead_for_others(where: str) -> None:
    one, two = lives(where), lives(where)
    one.begin()
    two.begin()
    assert not is_dead(two, one.own)
    one.end()
    assert is_dead(two, one.own)
    two.end()


def test_a_lock_that_was_lost_with_its_database_is_taken_again(postgres: Postgres) -> None:
    where = postgres.create_database("lives_again")
    one, two = lives(where), lives(where)
    one.begin()
    postgres.kill()
    one.hold()  # it does not answer: no error
    postgres.start()
    assert is_dead(two, one.own)
    one.hold()
    assert not is_dead(two, one.own)
    one.end()
    two.end()
