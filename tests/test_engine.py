"""The engine: real DBOS on real files, stopped and killed in the middle."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lunops.engine import Engine
from lunops.job_engine import LeaveError, Progress, Step
from tests.service_support import wait_for


class Bench:
    """Engines on one file, one after the other, and what their work did."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "engine.db"
        self.did: list[tuple[str, str]] = []
        self.results: dict[str, object] = {}
        self.hold = threading.Event()
        self.hold.set()
        self.lives = 0
        self.leaves = False
        self.revoked: list[str] = []
        self.engine: Engine | None = None

    def start(self, *, poll_s: float = 0.02, at_once: int = 16, labels: tuple[str, ...] = ("",)) -> Engine:
        assert self.engine is None
        self.lives += 1
        self.engine = Engine(
            url=f"sqlite:///{self.file}",
            worker=f"life {self.lives}",
            work=self.work,
            poll_s=poll_s,
            at_once=at_once,
            labels=labels,
        )
        self.engine.start()
        return self.engine

    def take_over(self, owner: str = "life 1") -> tuple[str, ...]:
        assert self.engine is not None
        assert self.engine.owners() == {owner}
        return self.engine.take_over(owner, self.revoked.append)

    def stop(self) -> bool:
        assert self.engine is not None
        ended = self.engine.stop(20)
        self.engine = None
        return ended

    def work(self, workflow_id: str, step: Step) -> None:
        def do(name: str) -> dict[str, str]:
            self.did.append((workflow_id, f"{name} begins"))
            if self.leaves:
                raise LeaveError
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


def test_work_begins_when_it_is_queued_and_when_there_is_room_without_waiting_for_the_next_look(
    bench: Bench,
) -> None:
    engine = bench.start(poll_s=3600, at_once=1)

    engine.enqueue("1", label="")
    engine.enqueue("2", label="")

    wait_for(lambda: bench.is_done("1", "2"))


def test_no_more_runs_at_once_than_there_is_room_for_and_the_first_queued_is_first(bench: Bench) -> None:
    engine = bench.start(at_once=1)
    bench.hold.clear()
    # On SQLite DBOS tells apart only seconds, and goes by the ids within one.
    for name in ("a-1", "a-2", "a-3", "a-4"):
        engine.enqueue(name, label="")
    wait_for(lambda: bench.did)
    bench.hold.set()
    wait_for(lambda: bench.is_done("a-1", "a-2", "a-3", "a-4"))
    assert bench.did == [(name, what) for name in ("a-1", "a-2", "a-3", "a-4") for what in WHOLE]
    assert bench.results["a-1"] == [{"name": "1"}, {"name": "2"}]


def test_several_pieces_run_side_by_side(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", label="")
    engine.enqueue("b-1", label="")
    wait_for(lambda: set(bench.did) == {("a-1", "1 begins"), ("b-1", "1 begins")})
    assert engine.progress(["a-1", "b-1", "c"]) == {
        "a-1": Progress.RUNNING,
        "b-1": Progress.RUNNING,
        "c": Progress.UNKNOWN,
    }


def test_a_worker_does_only_what_has_its_label(bench: Bench) -> None:
    engine = bench.start(labels=("rack1",))
    engine.enqueue("everybody's", label="")
    engine.enqueue("rack 2's", label="rack2")
    engine.enqueue("rack 1's", label="rack1")
    wait_for(lambda: bench.is_done("rack 1's"))
    assert set(engine.progress(["everybody's", "rack 2's"]).values()) == {Progress.QUEUED}


def test_the_same_id_again_changes_nothing(bench: Bench) -> None:
    engine = bench.start()
    for _ in range(2):
        engine.enqueue("a-1", label="")
        wait_for(lambda: bench.is_done("a-1"))
    engine.enqueue("a-2", label="")
    wait_for(lambda: bench.is_done("a-2"))
    assert [name for name, what in bench.did if what == "1 begins"] == ["a-1", "a-2"]


def test_a_stop_ends_between_two_steps_and_the_next_start_goes_on_there(bench: Bench) -> None:
    engine = bench.start(at_once=1)
    bench.hold.clear()
    engine.enqueue("a-1", label="")
    wait_for(lambda: bench.did == [BEGUN])
    threading.Timer(0.3, bench.hold.set).start()
    assert bench.stop()
    assert bench.did == [BEGUN, ("a-1", "1 ends")]
    bench.start()
    assert bench.take_over() == ("a-1",)
    assert bench.revoked == ["a-1"]
    wait_for(lambda: bench.is_done("a-1"))
    assert bench.did == [("a-1", what) for what in WHOLE]  # the first step's result was kept
    assert bench.results["a-1"] == [{"name": "1"}, {"name": "2"}]


def test_a_stopped_process_whose_work_was_taken_over_does_no_further_step(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", label="")
    wait_for(lambda: bench.did == [BEGUN])
    # As another process would: its step is under way, and nobody else does this label's work here.
    assert engine.take_over("life 1", bench.revoked.append) == ("a-1",)
    bench.hold.set()
    wait_for(lambda: bench.is_done("a-1"))
    begun = [what for _, what in bench.did]
    assert begun.count("2 begins") == 1, bench.did  # by the second claim alone


def test_what_this_process_began_and_lost_is_taken_up_at_the_second_look(bench: Bench) -> None:
    engine = bench.start()
    bench.leaves = True
    engine.enqueue("a-1", label="")
    wait_for(lambda: bench.did == [BEGUN])
    wait_for(lambda: not engine.is_at("a-1"))
    bench.leaves = False
    assert engine.take_up() == ()
    assert engine.take_up() == ("a-1",)
    wait_for(lambda: bench.is_done("a-1"))
    assert engine.take_up() == ()


def test_what_ended_long_ago_is_forgotten(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("a-1", label="")
    wait_for(lambda: bench.is_done("a-1"))
    engine.forget(before_at=time.time() - 3600)
    assert bench.is_done("a-1")
    engine.forget(before_at=time.time() + 3600)
    assert engine.progress(["a-1"]) == {"a-1": Progress.UNKNOWN}


def test_a_step_that_does_not_end_does_not_hold_a_stop_for_ever(bench: Bench) -> None:
    engine = bench.start()
    bench.hold.clear()
    engine.enqueue("a-1", label="")
    wait_for(lambda: bench.did)
    assert not engine.stop(0.2)
    bench.engine = None


def test_work_that_raises_is_broken_and_makes_room(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("a-bad", label="")
    engine.enqueue("a-good", label="")
    wait_for(lambda: bench.is_done("a-good"))
    wait_for(lambda: engine.progress(["a-bad"]) == {"a-bad": Progress.BROKEN})


def test_the_file_is_private_fast_and_holds_no_pickles(bench: Bench) -> None:
    engine = bench.start()
    engine.enqueue("a-1", label="")
    wait_for(lambda: bench.is_done("a-1"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bench.file.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    with closing(sqlite3.connect(bench.file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        kept = connection.execute("SELECT output FROM operation_outputs ORDER BY function_id").fetchall()
    assert kept == [('{"name":"1"}',), ('{"name":"2"}',)]


_OTHER = """
    import sys, threading
    from lunops.engine import Engine

    def work(workflow_id, step):
        step("1", lambda: print("did 1", flush=True))
        step("2", lambda: (print("did 2", flush=True), threading.Event().wait(60)))

    engine = Engine(url=sys.argv[1], worker="other", work=work, poll_s=0.02)
    engine.start()
    engine.enqueue("a-1", label="")
    threading.Event().wait(60)
"""


def test_the_work_of_a_killed_process_goes_on_from_its_last_step(bench: Bench) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OTHER), f"sqlite:///{bench.file}"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert [other.stdout.readline(), other.stdout.readline()] == ["did 1\n", "did 2\n"]
        engine = bench.start()
        other.kill()
        other.wait(10)
        assert bench.take_over("other") == ("a-1",)
        wait_for(lambda: bench.is_done("a-1"))
        assert engine.owners() == set()
    finally:
        other.kill()
        other.wait(10)
        other.stdout.close()  # type: ignore[union-attr]
    # step 1 was kept by the dead; step 2 had not come to its end
    assert bench.did == [("a-1", "2 begins"), ("a-1", "2 ends")]
    assert bench.results["a-1"] == [None, {"name": "2"}]
