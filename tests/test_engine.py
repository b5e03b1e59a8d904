"""The engine: real DBOS on real files, stopped and killed in the middle."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lunops.engine import Engine
from lunops.job_engine import Progress, Step
from tests.service_support import wait_for


class Bench:
    """Engines on one file, one after the other, and what their work did."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "engine.db"
        self.did: list[tuple[str, str]] = []
        self.results: dict[str, object] = {}
        self.hold = threading.Event()
        self.hold.set()
        self.engine: Engine | None = None

    def start(self, *, poll_s: float = 0.02) -> Engine:
        assert self.engine is None
        self.engine = Engine(file=self.file, work=self.work, poll_s=poll_s)
        self.engine.start()
        return self.engine

    def stop(self) -> bool:
        assert self.engine is not None
        ended = self.engine.stop(20)
        self.engine = None
        return ended

    def work(self, workflow_id: str, step: Step) -> None:
        def do(name: str) -> dict[str, str]:
            self.did.append((workflow_id, f"{name} begins"))
            assert self.hold.wait(30)
            if "bad" in workflow_id:
                raise ZeroDivisionError
            self.did.append((workflow_id, f"{name} ends"))
            return {"name": name}

        self.results[workflow_id] = [step(name, lambda name=name: do(name)) for name in ("1", "2")]  # type: ignore[misc]

    def is_done(self, *ids: str) -> bool:
        assert self.engine is not None
        return set(self.engine.progress(ids).values()) == {Progress.DONE}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.hold.set()
    if made.engine is not None:
        made.stop()


BEGUN = ("a-1", "1 begins")
WHOLE = ["1 begins", "1 ends", "2 begins", "2 ends"]


def test_work_begins_when_it_is_queued_and_when_its_line_is_free_without_waiting_for_the_next_look(
    bench: Bench,
) -> None:
    engine = bench.start(poll_s=3600)

    engine.enqueue("1", head="a")
    engine.enqueue("2", head="a")

    wait_for(lambda: bench.is_done("1", "2"))


def test_work_of_one_head_runs_in_the_order_of_its_ids_and_never_at_once(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    # All within one second, the first first, so that the rest waits; on SQLite DBOS tells apart only seconds.
    for name in ("a-1", "a-4", "a-3", "a-2"):
        engine.enqueue(name, head="a")
    wait_for(lambda: bench.did)
    bench.hold.set()
    wait_for(lambda: bench.is_done("a-1", "a-2", "a-3", "a-4"))
    assert bench.did == [(name, what) for name in ("a-1", "a-2", "a-3", "a-4") for what in WHOLE]
    assert bench.results["a-1"] == [{"name": "1"}, {"name": "2"}]


def test_two_heads_work_side_by_side(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", head="a")
    engine.enqueue("b-1", head="b")
    wait_for(lambda: set(bench.did) == {("a-1", "1 begins"), ("b-1", "1 begins")})
    assert engine.progress(["a-1", "b-1", "c"]) == {
        "a-1": Progress.RUNNING,
        "b-1": Progress.RUNNING,
        "c": Progress.UNKNOWN,
    }


def test_the_same_id_again_changes_nothing(bench: Bench) -> None:
    engine = bench.start()
    for _ in range(2):
        engine.enqueue("a-1", head="a")
        wait_for(lambda: bench.is_done("a-1"))
    engine.enqueue("a-2", head="a")
    wait_for(lambda: bench.is_done("a-2"))
    assert [name for name, what in bench.did if what == "1 begins"] == ["a-1", "a-2"]


def test_a_stop_ends_between_two_steps_and_the_next_start_goes_on_there(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", head="a")
    engine.enqueue("a-2", head="a")
    wait_for(lambda: bench.did == [BEGUN])
    threading.Timer(0.3, bench.hold.set).start()
    assert bench.stop()
    assert bench.did == [BEGUN, ("a-1", "1 ends")]
    engine = bench.start()
    assert engine.take_over(lambda _: True) == ("a-1",)
    wait_for(lambda: bench.is_done("a-1", "a-2"))
    # the first step's result was kept, and the next in line did not overtake
    assert bench.did == [(name, what) for name in ("a-1", "a-2") for what in WHOLE]
    assert bench.results["a-1"] == [{"name": "1"}, {"name": "2"}]


def test_a_step_that_does_not_end_does_not_hold_a_stop_for_ever(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", head="a")
    wait_for(lambda: bench.did)
    assert not engine.stop(0.2)
    bench.engine = None


def test_work_that_is_not_allowed_to_go_on_is_given_up_and_frees_its_head(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", head="a")
    engine.enqueue("a-2", head="a")
    wait_for(lambda: bench.did)
    threading.Timer(0.3, bench.hold.set).start()
    bench.stop()
    engine = bench.start()
    assert engine.take_over(lambda _: False) == ()
    assert engine.progress(["a-1"]) == {"a-1": Progress.BROKEN}
    wait_for(lambda: bench.is_done("a-2"))


def test_work_that_raises_is_broken_and_frees_its_head(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("a-bad", head="a")
    engine.enqueue("a-good", head="a")
    wait_for(lambda: bench.is_done("a-good"))
    assert engine.progress(["a-bad"]) == {"a-bad": Progress.BROKEN}


def test_the_file_is_private_fast_and_holds_no_pickles(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("a-1", head="a")
    wait_for(lambda: bench.is_done("a-1"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bench.file.parent.iterdir()}
    assert {mode for name, mode in modes.items() if not name.endswith(".lives")} == {0o600}
    assert modes["engine.db.lives"] == 0o700
    with closing(sqlite3.connect(bench.file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        kept = connection.execute("SELECT output FROM operation_outputs ORDER BY function_id").fetchall()
    assert kept == [('{"name":"1"}',), ('{"name":"2"}',)]


_OTHER = """
    import sys, threading
    from pathlib import Path
    from lunops.engine import Engine

    def work(workflow_id, step):
        step("1", lambda: print("did 1", flush=True))
        step("2", lambda: (print("did 2", flush=True), threading.Event().wait(60)))

    engine = Engine(file=Path(sys.argv[1]), work=work, poll_s=0.02)
    engine.start()
    engine.enqueue("a-1", head="a")
    threading.Event().wait(60)
"""


def test_the_work_of_a_killed_process_is_taken_over_and_that_of_a_living_one_is_not(bench: Bench) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OTHER), str(bench.file)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert [other.stdout.readline(), other.stdout.readline()] == ["did 1\n", "did 2\n"]
        engine = bench.start()
        engine.enqueue("a-2", head="a")
        assert engine.take_over(lambda _: True) == ()
        assert bench.did == []
        other.kill()
        other.wait(10)
        assert engine.take_over(lambda _: True) == ("a-1",)
        assert engine.take_over(lambda _: True) == ()
        wait_for(lambda: bench.is_done("a-1", "a-2"))
    finally:
        other.kill()
        other.wait(10)
        other.stdout.close()  # type: ignore[union-attr]
    # step 1 was kept by the dead; step 2 had not come to its end
    assert [each for each in bench.did if each[0] == "a-1"] == [("a-1", "2 begins"), ("a-1", "2 ends")]
    assert bench.did[2:] == [("a-2", what) for what in WHOLE]
    assert bench.results["a-1"] == [None, {"name": "2"}]
