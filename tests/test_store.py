"""The store keeps its promises on SQLite and on PostgreSQL: one suite for both."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from lunops.errors import JobError, QueueFullError, SettingsError
from lunops.model import Status
from lunops.store import Filter, StaleError, Store, accepting
from lunops.store.database import checked_url
from lunops.store.heads import BACK_OFF_S
from lunops.store.rows import Cancel, Kind, NewPart, State
from lunops.store.workers import WorkerRow
from tests.store_support import (
    TASK,
    accept,
    admit,
    begin,
    begun,
    end,
    ended,
    item,
    job_of,
    new_job,
    state,
    workflow_of,
)
from tests.support.postgres import Postgres


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = Store(store_url)
    yield made
    made.close()


# ---- accepted, and read again


def test_what_was_accepted_is_there_for_another_process(store: Store, store_url: str) -> None:
    accept(store, new_job("a", "p/n1", "p/n2"))
    other = Store(store_url)
    record = other.record("a")
    other.close()
    assert record is not None
    assert (record.job.state, record.job.num_requested, record.job.client) == (State.QUEUED, 2, "CN=alice")
    assert [(each.place, each.key, each.wwn) for each in record.items] == [
        (0, "p/n1", "iqn:p/n1"),
        (1, "p/n2", "iqn:p/n2"),
    ]
    assert [(each.head, each.state, each.admitted_s) for each in record.parts] == [("h1", State.QUEUED, None)]
    assert store.request("a") == ("create", {"clones": ["p/n1", "p/n2"]})


def test_what_is_not_there_is_none(store: Store) -> None:
    assert (store.record("x"), store.request("x"), store.events("x")) == (None, None, [])
    assert store.begin("x", "token", worker="w", at=1.0, at_s=1.0) is None


def test_a_list_is_the_latest_first_and_filtered(store: Store) -> None:
    accept(store, new_job("a", "p/1"), new_job("b", "p/2", client="CN=bob"), at=100.0)
    accept(store, new_job("c", "p/3", head="h2", kind="delete"), at=500.0)
    admit(store)
    end(store, begin(store, "a"))

    def ids(wanted: Filter) -> list[str]:
        return [job.id for job in store.jobs(wanted)]

    assert ids(Filter()) == ["c", "b", "a"]
    assert ids(Filter(most=2)) == ["c", "b"]
    assert ids(Filter(states=(State.COMPLETE, State.FAILED))) == ["a"]
    assert ids(Filter(client="CN=bob")) == ["b"]
    assert ids(Filter(head="h2")) == ["c"]
    assert ids(Filter(kind="delete")) == ["c"]
    assert ids(Filter(since_at=400.0)) == ["c"]
    assert ids(Filter(before=store.jobs(Filter())[1].place)) == ["a"]


def test_a_list_of_several_states_is_as_one_and_a_late_one_does_not_trust_one_clock(store: Store) -> None:
    for number, at in enumerate((90.0, 99000.0, 8000.0, 8500.0)):  # the second by a clock that was ahead
        accept(store, new_job(f"j{number}", f"p/{number}"), at=at)
    admit(store)
    end(store, begin(store, "j1"))
    end(store, begin(store, "j2"), State.FAILED)
    accept(store, new_job("j4", "p/4"), at=10.0)  # by one that was far behind

    def ids(wanted: Filter) -> list[str]:
        return [job.id for job in store.jobs(wanted)]

    assert ids(Filter(states=tuple(State))) == ["j4", "j3", "j2", "j1", "j0"]
    assert ids(Filter(states=(State.COMPLETE, State.FAILED))) == ["j2", "j1"]
    assert ids(Filter(states=(State.COMPLETE, State.QUEUED), most=2)) == ["j4", "j3"]
    assert ids(Filter(since_at=8500.0)) == ["j3", "j1"]
    assert ids(Filter(since_at=8500.0, states=(State.COMPLETE, State.CANCELLED))) == ["j1"]


def test_jobs_are_found_by_the_beginning_of_their_ids(store: Store) -> None:
    accept(store, *[new_job(name, f"p/{name}") for name in ("ab1", "ab2", "ac", "b", "a")])
    assert store.ids_like("a") == ["a", "ab1", "ab2", "ac"]
    assert store.ids_like("ab") == ["ab1", "ab2"]
    assert store.ids_like("a%") == []


def test_names_are_in_the_order_of_their_bytes_whatever_the_locale_of_the_database(postgres: Postgres) -> None:
    url = postgres.create_database("locale")
    with psycopg.connect(url.replace("/locale", "/postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE locale WITH (FORCE)")
        connection.execute(
            "CREATE DATABASE locale TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"
        )
    task = new_job("x").parts[0].tasks
    parts = tuple(NewPart(head=head, tasks=task) for head in ("a_1", "a1", "B-1", "a-1"))
    with closing(Store(url)) as store:
        accept(store, replace(new_job("job", "p/1"), parts=parts))
        record = store.record("job")
        assert record is not None
        assert [part.head for part in record.parts] == ["B-1", "a-1", "a1", "a_1"]
        assert store.ids_like("jo") == ["job"]


def test_when_to_come_again_follows_from_how_quick_jobs_are(store: Store) -> None:
    accept(store, *[new_job(f"j{number}", f"p/{number}") for number in range(30)])
    admit(store, limit=10)
    for number in range(10):  # all at 400: ten in the second until 401
        end(store, begin(store, f"j{number}"))
    with pytest.raises(QueueFullError) as caught:
        store.accept(new_job("more", "p/more"), accepted_at=402.0, accepted_s=402.0, most=20)
    assert caught.value.retry_after_s == 1
    with pytest.raises(QueueFullError) as caught:
        store.accept(new_job("more", "p/more"), accepted_at=1400.0, accepted_s=1400.0, most=20)
    assert caught.value.retry_after_s == 100  # one in twenty of those that wait, at ten in 1000 s


def test_too_many_jobs_are_refused_with_when_to_come_again_and_leave_nothing(store: Store) -> None:
    accept(store, new_job("a", "p/1"), new_job("b", "p/2", client="CN=bob"))
    with pytest.raises(QueueFullError) as caught:
        store.accept(new_job("c", "p/3"), accepted_at=1.0, accepted_s=1.0, most=2)
    assert caught.value.retry_after_s == 60  # nothing tells how quick jobs are
    with pytest.raises(QueueFullError, match="of this client"):
        store.accept(new_job("c", "p/3"), accepted_at=1.0, accepted_s=1.0, most=9, most_of_client=1)
    store.accept(new_job("c", "p/3", client="CN=eve"), accepted_at=1.0, accepted_s=1.0, most=9, most_of_client=1)
    admit(store)
    assert [job.id for job in store.jobs(Filter())] == ["c", "b", "a"]


def test_the_same_target_on_two_heads_is_refused_while_it_is_at_work(store: Store) -> None:
    accept(store, new_job("a", "p/1"))
    with pytest.raises(JobError, match=r"'iqn:p/1' is at work on another head, h1 \(job a\)"):
        accept(store, new_job("b", "p/1", head="h2"))
    admit(store)
    end(store, begin(store, "a"))
    accept(store, new_job("b", "p/1", head="h2"))
    assert store.record("b") is not None


# ---- the gate


def test_equal_names_go_in_the_order_of_acceptance_and_others_side_by_side(store: Store) -> None:
    accept(store, new_job("a", "p/1", "p/2"), new_job("b", "p/2"), new_job("c", "p/1"), new_job("d", "p/9"))
    assert admit(store) == ["a", "d"]
    assert admit(store) == []
    end(store, begin(store, "a"))
    assert admit(store) == ["b", "c"]


def test_an_image_is_looked_at_by_several_and_deleted_alone(store: Store) -> None:
    accept(store, new_job("a", "p/1", shared=["p/img"]), new_job("b", "p/2", shared=["p/img"]))
    accept(store, new_job("gone", "p/img", kind="delete"), new_job("c", "p/3", shared=["p/img"]))
    assert admit(store) == ["a", "b"]
    end(store, begin(store, "a"))
    assert admit(store) == []
    end(store, begin(store, "b"))
    assert admit(store) == ["gone"]
    end(store, begin(store, "gone"))
    assert admit(store) == ["c"]


def test_the_same_names_on_another_head_are_other_names(store: Store) -> None:
    accept(store, new_job("a", "p/1"), new_job("b", "q/1", head="h2"))
    assert admit(store, limit=1) == ["a", "b"]


def test_a_head_takes_no_more_at_once_than_there_is_room_for(store: Store) -> None:
    accept(store, *[new_job(name, f"p/{name}") for name in "abcd"])
    assert admit(store, limit=2) == ["a", "b"]
    assert admit(store, limit=2) == []
    end(store, begin(store, "b"))
    assert admit(store, limit=2) == ["c"]


def test_clients_take_turns_and_priorities_go_first_but_never_before_equal_names(store: Store) -> None:
    accept(store, *[new_job(name, f"p/{name}") for name in ("a1", "a2", "a3")])
    accept(store, *[new_job(name, f"p/{name}", client="CN=bob") for name in ("b1", "b2")])
    accept(store, new_job("top", "p/top", priority=5), new_job("late", "p/a1", priority=9))
    order = []
    for _ in range(7):
        (job,) = admit(store, limit=1)
        order.append(job)
        end(store, begin(store, job))
    assert order == ["top", "b1", "a1", "late", "b2", "a2", "a3"]


def test_clients_take_turns_on_each_head_for_itself(store: Store) -> None:
    accept(store, *[new_job(f"{head}a{n}", f"{head}/a{n}", head=head) for head in ("h1", "h2") for n in range(2)])
    accept(store, new_job("h1b", "h1/b", client="CN=bob"), new_job("h2b", "h2/b", head="h2", client="CN=bob"))
    order = []
    for turn in range(3):
        order += admit(store, limit=1)
        if turn == 0:
            store.drain("h2", at=1.0, by="x")  # its turns stay as they are
        for each in store.unfinished():
            end(store, begin(store, job_of(each.workflow_id)))
    store.resume("h2")
    order += admit(store, limit=1)
    assert order == ["h1a0", "h2a0", "h1b", "h1a1", "h2b"]


def test_however_many_wait_for_a_head_that_takes_none_those_for_others_go(store: Store) -> None:
    store.drain("h1", at=1.0, by="bob")
    with store.database.write(is_alone=True) as connection:  # in one transaction, since they are so many
        for number in range(2100):
            accepting.accept(connection, new_job(f"j{number}", f"p/{number}"), accepted_at=1.0, accepted_s=1.0)
    accept(store, *[new_job(f"e{number}", f"q/{number}", head="h2") for number in range(3)])
    accept(store, new_job("top", "q/9", head="h2", priority=1))
    assert admit(store, limit=3) == ["top", "e0", "e1"]
    store.resume("h1")
    assert admit(store, limit=3) == ["j0", "j1", "j2"]


def test_a_drained_head_and_one_that_was_not_reached_begin_nothing_for_their_time(store: Store) -> None:
    accept(store, *[new_job(name, f"p/{name}") for name in "abc"])
    store.drain("h1", at=1.0, by="bob", why="disks")
    assert admit(store) == []
    assert (store.heads()["h1"].drained_by, store.heads()["h1"].why) == ("bob", "disks")
    store.resume("h1")
    assert store.not_reached("h1", "no route", at=200.0) == 200.0 + BACK_OFF_S[0]
    assert store.not_reached("h1", "no route", at=200.5) == 200.0 + BACK_OFF_S[0]  # the same failure once more
    assert admit(store, at=200.5) == []
    assert admit(store, at=202.0) == ["a"]  # one goes ahead
    assert admit(store, at=203.0) == []
    store.reached("h1")
    assert admit(store, at=203.0) == ["b", "c"]
    for turn in range(10):
        retry_at = store.not_reached("h1", "no route", at=1000.0 * (turn + 1))
        assert retry_at - 1000.0 * (turn + 1) == BACK_OFF_S[min(turn, len(BACK_OFF_S) - 1)]


def test_two_processes_at_the_gate_let_nothing_through_twice(store: Store, store_url: str) -> None:
    accept(store, *[new_job(f"j{number}", f"p/{number}") for number in range(40)])
    other = Store(store_url)
    through: list[str] = []

    def go(mine: Store) -> None:
        for _ in range(30):
            through.extend(admit(mine, limit=3))
            for each in mine.unfinished():
                work = mine.begin(each.workflow_id, f"{id(mine)}", worker="w", at=1.0, at_s=1.0)
                if work is not None:
                    try:
                        end(mine, work)
                    except StaleError:
                        continue

    threads = [threading.Thread(target=go, args=(mine,)) for mine in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    while left := admit(store, limit=50):
        through += left
    other.close()
    assert sorted(through) == sorted(f"j{number}" for number in range(40))


_GATE = """
import sys
from lunops.store import Room, Store
from lunops.store.rows import State
store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
empty = 0
while empty < 20:  # the other one may have all that there is room for
    admitted = store.admit(lambda head: Room(limit=3), at=200.0, at_s=200.0)
    empty = 0 if admitted else empty + 1
    for each in admitted:
        work = store.begin(each.workflow_id, sys.argv[2], worker="w", at=1.0, at_s=1.0)
        store.end(work, State.COMPLETE, at=2.0, at_s=2.0)
        print(each.workflow_id, flush=True)
store.close()
"""


def test_two_processes_share_the_work_and_do_none_of_it_twice(store: Store, store_url: str) -> None:
    accept(store, *[new_job(f"j{number}", f"p/{number // 2}") for number in range(40)])
    url = store_url
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _GATE, url, token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for token in ("one", "two")
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        done = [job_of(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(done) == sorted(f"j{number}" for number in range(40))
    assert store.check() == []
    for number in range(20):  # of one name: the first was over before the second began
        first, second = (store.record(f"j{2 * number + n}") for n in range(2))
        assert first is not None
        assert second is not None
        assert first.job.state == second.job.state == State.COMPLETE


# ---- parts and their tokens


def test_a_run_is_written_down_with_where_its_time_went(store: Store) -> None:
    accept(store, new_job("a", "p/1"))
    admit(store)
    work = begin(store, "a")
    store.keep(work, "w:1", [begun(), item("p/1"), ended("p/1")])
    end(store, work)
    record = store.record("a")
    assert record is not None
    (run,) = record.runs
    assert (run.task_id, run.run, run.status, run.worker) == (TASK, 1, "changed", "w:1")
    assert (run.wait_s, run.connect_s, run.run_s, run.transfer_s) == (0.25, 0.5, 0.75, 0.125)
    assert run.unaccounted_s == pytest.approx(2.0 - 1.625)
    (outcome,) = record.outcomes
    assert (outcome.key, outcome.status) == ("p/1", Status.CHANGED)
    assert (record.job.state, record.job.started_s, record.job.ended_s, record.job.ended_at) == (
        State.COMPLETE,
        300.0,
        400.0,
        400.0,
    )


def test_what_a_stale_worker_writes_is_refused_and_changes_nothing(store: Store) -> None:
    accept(store, new_job("a", "p/1"))
    admit(store)
    stale = begin(store, "a", "old", "w:1")
    store.keep(stale, "w:1", [begun()])
    mine = begin(store, "a", "new", "w:2")
    assert mine.cut_off == 1
    before = store.record("a"), store.events("a")
    writes: tuple[Callable[[], None], ...] = (
        lambda: store.keep(stale, "w:1", [item("p/1")]),
        lambda: store.end(stale, State.FAILED, at=1.0, at_s=1.0),
        lambda: store.put_back(stale, at=1.0, why="x", fix="", again_at=1.0),
    )
    for write in writes:
        with pytest.raises(StaleError):
            write()
    assert (store.record("a"), store.events("a")) == before
    end(store, mine)
    with pytest.raises(StaleError):
        end(store, mine)
    assert store.begin(workflow_of(store, "a"), "third", worker="w", at=1.0, at_s=1.0) is None


def test_a_revoked_run_writes_nothing_even_before_another_has_begun(store: Store) -> None:
    accept(store, new_job("a", "p/1"))
    admit(store)
    stale = begin(store, "a")
    store.revoke(workflow_of(store, "a"))
    with pytest.raises(StaleError):
        end(store, stale)
    assert state(store, "a") == "running"


def test_a_part_that_was_put_back_waits_and_keeps_its_names(store: Store) -> None:
    accept(store, new_job("a", "p/1"), new_job("b", "p/1"))
    admit(store)
    work = begin(store, "a")
    store.put_back(work, at=310.0, why="no route", fix="switch it on", again_at=320.0, is_agent_lost=True)
    assert admit(store, at=319.0) == []
    assert admit(store, at=321.0) == ["a"]
    again = begin(store, "a", "second")
    assert (again.attempt, again.agents_lost) == (2, 1)
    assert workflow_of(store, "a").endswith(".2")
    end(store, again)
    assert admit(store, at=330.0) == ["b"]


def test_work_that_nobody_runs_can_be_given_up_once(store: Store) -> None:
    accept(store, new_job("a", "p/1"))
    admit(store)
    (left,) = store.unfinished()
    assert (job_of(left.workflow_id), left.is_enqueued) == ("a", False)
    store.enqueued(left.workflow_id)
    assert store.unfinished()[0].is_enqueued
    for _ in range(2):
        store.give_up(left.workflow_id, "nobody runs it", "repeat it", at=1.0, at_s=1.0)
    record = store.record("a")
    assert record is not None
    assert (record.job.state, record.parts[0].error) == (State.FAILED, "nobody runs it")
    assert store.unfinished() == []


# ---- cancelling


def test_a_cancel_ends_what_waits_and_tells_what_runs(store: Store) -> None:
    accept(store, new_job("a", "p/1"), new_job("b", "p/1"), new_job("c", "p/1"))
    admit(store)
    work = begin(store, "a")
    store.cancel("a", Cancel.UNDO, by="bob", at=1.0, at_s=1.0)
    store.cancel("b", Cancel.KEEP, by="bob", at=1.0, at_s=1.0)
    assert (state(store, "a"), state(store, "b")) == ("running", "cancelled")
    assert store.cancels(["a", "c"]) == {"a": Cancel.UNDO}
    assert admit(store) == []  # not before the running one is over
    store.end(work, State.CANCELLED, at=2.0, at_s=2.0)
    assert admit(store) == ["c"]
    for job, why in (("b", "over: cancelled"), ("x", "no job")):
        with pytest.raises(JobError, match=why):
            store.cancel(job, Cancel.KEEP, by="bob", at=1.0, at_s=1.0)


def test_a_cancel_ends_what_was_let_through_and_not_begun(store: Store) -> None:
    accept(store, new_job("a", "p/1"), new_job("b", "p/1"))
    assert admit(store) == ["a"]
    store.cancel("a", Cancel.KEEP, by="bob", at=1.0, at_s=1.0)
    assert state(store, "a") == "cancelled"
    assert store.begin(workflow_of(store, "a"), "late", worker="w", at=2.0, at_s=2.0) is None
    assert admit(store) == ["b"]
    assert store.check() == []


# ---- events


def test_events_are_numbered_without_a_gap_whoever_writes_them(store: Store, store_url: str) -> None:
    accept(store, new_job("a", "p/1"))
    admit(store)
    work = begin(store, "a")
    store.keep(work, "w", [begun()])
    other = Store(store_url)

    def write(mine: Store, name: str) -> None:
        for number in range(20):
            mine.keep(work, "w", [item(f"p/{name}{number}"), item(f"p/{name}{number}.2")])

    threads = [threading.Thread(target=write, args=((store, other)[n % 2], f"t{n}-")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.close()
    events = store.events("a", most=10_000)
    assert [event.number for event in events] == list(range(1, 3 + 8 * 40 + 1))
    assert store.events("a", after=100, most=2) == events[100:102]
    keys = [event.key for event in events if event.kind is Kind.ITEM]
    for name in range(8):  # of each writer in its order
        mine = [key for key in keys if key.startswith(f"p/t{name}-")]
        assert mine == [f"p/t{name}-{n // 2}" + (".2" if n % 2 else "") for n in range(40)]


# ---- workers, and the file


def test_workers_say_that_they_live(store: Store) -> None:
    row = WorkerRow(id="x", host="box", pid=12, labels=("rack1",), started_at=1.0)
    for beat in (1, 2):
        store.beat(WorkerRow(**{**vars(row), "beat": beat, "beat_at": float(beat)}))
    (found,) = store.workers()
    assert (found.name, found.labels, found.beat) == ("box:12", ("rack1",), 2)
    store.worker_gone("x")
    assert store.workers() == []


def test_a_file_is_private_and_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "lunops.db")
    accept(store, new_job("a", "p/1"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    store.close()
    with pytest.raises(SettingsError, match="the store cannot be used"):
        Store(tmp_path / "nothing" / "lunops.db")


def test_what_is_no_store_of_ours_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is no database, and is longer than the header of one" * 20)
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(SettingsError, match="not a database"):
        Store(tmp_path / "x.db")
    assert (tmp_path / "x.db").read_bytes() == before


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql://u:secret@h", "sqlite://", "x", "sqlite:///"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer_is_said_without_its_password(postgres: Postgres) -> None:
    url = postgres.create_database("away")
    with pytest.raises(SettingsError) as caught:
        Store(url.replace("/away", "/nothing"))
    password = url.split(":")[2].split("@")[0]
    assert password not in str(caught.value)
    assert os.environ.get("PGPASSWORD", "") != password
