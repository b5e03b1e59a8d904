"""A short run of the chaos harness for each store; `make chaos` is the long one."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.plan import Blow
from tests.chaos.run import Options, run
from tests.support.postgres import Postgres

# The same run each time for CI; whoever runs it at home tries another.
SEED = 1 if os.environ.get("CI") == "true" else random.randrange(10**6)
KILLS, STOPS, CUTS, DATABASES = 6, 1, 1, 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_jobs_are_neither_lost_nor_done_twice_nor_out_of_turn_while_processes_are_killed(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    options = Options(
        seed=SEED,
        workers=2,
        heads=4,
        jobs=60,
        kills=KILLS,
        stops=STOPS,
        cuts=CUTS,
        databases=DATABASES,
        limit_s=120.0,
    )
    server: Postgres | None = request.getfixturevalue("postgres") if store == "postgres" else None
    if server is not None:
        options = replace(options, store=server.create_database("chaos"))

    report = run(options, tmp_path, server)

    told = "\n".join(report.lines())
    assert report.wrong == (), told
    blows = [each.blow for each in report.struck]
    assert (sum(blow.is_kill for blow in blows), blows.count(Blow.STOP), blows.count(Blow.CUT)) == (6, 1, 1), told
    assert blows.count(Blow.DATABASE) == (0 if server is None else 1), told
    assert report.complete + report.failed == 60, told
    assert report.failed <= 6, told  # a cut fails what is at work on one head, and no more
    print(told)
