"""Jobs in words: what a part waits for, how an id is shortened, and nothing that steers a terminal."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lunops import settings
from lunops.cli.job_text import Around, job_lines, reasons
from lunops.cli.job_watch import watch_job
from lunops.cli.jobs_read import listed
from lunops.cli.jobs_text import event_line, job_table, span
from lunops.cli.service import Access
from lunops.errors import JobError
from lunops.store import Filter, HeadRow, Room, Store, WorkerRow
from lunops.store.reading import Waiting
from lunops.store.rows import Event, Kind, State
from tests.service_support import wait_for
from tests.store_support import accept, admit, begin, begun, end, ended, item, new_job
from tests.support.postgres import programs, running

NOW = 1_000_000.0
WORKER = WorkerRow(id="w", host="here", pid=7, labels=("",), started_at=0, beat_at=NOW - 1)
IDLE = Around(
    queue=(),
    heads={},
    rooms={"h1": Room(limit=2)},
    workers=(WORKER,),
    short={"b" * 36: "bbbbbbbb"},
    lease_s=20,
    now_at=NOW,
)


def part(**more: Any) -> Waiting:
    usual: dict[str, Any] = {"job_id": "a", "head": "h1", "state": State.QUEUED, "is_admitted": False}
    return Waiting(**{**usual, "not_before_at": 0.0, "label": "", "waits_for": (), **more})


BUSY = tuple(part(job_id=name, is_admitted=True, state=State.RUNNING) for name in ("b" * 36, "c"))


@pytest.mark.parametrize(
    ("waiting", "around", "told"),
    [
        (part(), {}, ["for its turn, which comes at a worker's next look"]),
        (part(is_admitted=True), {}, ["for a worker with room"]),
        (part(waits_for=("b" * 36, "c")), {}, ["for jobs on the same names: bbbbbbbb, c"]),
        (part(), {"queue": BUSY}, ["for room on its head, which takes 2 at once: bbbbbbbb, c"]),
        (part(), {"queue": BUSY[:1]}, ["for its turn, which comes at a worker's next look"]),
        (
            part(waits_for=("c",)),
            {"heads": {"h1": HeadRow(name="h1", drained_at=1, why="disks\x1b[2J")}},
            [
                "for jobs on the same names: c",
                "since the head is drained: disks\\x1b[2J (lunops heads resume h1)",
            ],
        ),
        (part(is_admitted=True), {"heads": {"h1": HeadRow(name="h1", drained_at=1)}}, ["for a worker with room"]),
        (
            part(not_before_at=NOW + 9),
            {"heads": {"h1": HeadRow(name="h1", failures=2, retry_at=NOW + 5, error="no route")}},
            [f"until {span}, when the head is tried again: no route"],
        ),
        (part(not_before_at=NOW + 5), {}, [f"until {span}, to be begun anew"]),
        (
            part(),
            {"heads": {"h1": HeadRow(name="h1", failures=2, retry_at=NOW - 5, error="no route")}, "queue": BUSY[1:]},
            ["for job c, which goes ahead to see whether the head answers: no route"],
        ),
        (part(), {"workers": ()}, ["for a worker: none is alive"]),
        (
            part(),
            {"workers": (replace(WORKER, beat_at=NOW - 5),), "rooms": {"h1": Room(limit=2, label="rack1")}},
            ["for a worker with the label rack1: none is alive"],
        ),
        (part(is_admitted=True, label="rack2"), {}, ["for a worker with the label rack2: none is alive"]),
        (
            part(),
            {"workers": (replace(WORKER, beat_at=NOW - 30),)},
            [f"for a worker without a label: none is alive; here:7 was last heard of {span}"],
        ),
        (
            part(head="gone"),
            {"workers": (replace(WORKER, labels=("x",)),)},
            ["for its turn, which comes at a worker's next look"],
        ),
    ],
)
def test_all_that_a_part_waits_for_is_said(waiting: Waiting, around: dict[str, Any], told: list[str]) -> None:
    found = reasons(waiting, replace(IDLE, **around))
    moments = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", str(span), line) for line in found]
    assert moments == told


@pytest.fixture
def access(tmp_path: Path) -> Access:
    text = 'certificate = "c"\nkey = "k"\nclient_ca = "a"\ninventory = "i"\n'
    return Access(settings=settings.parse(text, tmp_path / "lunops.toml"), store=Store(tmp_path / "lunops.db"))


def test_an_id_is_as_long_as_it_must_be_to_be_one_jobs(access: Access) -> None:
    ids = ["0a1b2c3d-4e5f-1", "0a1b2c3d-4e5f-2", "0a1b2c3d-9", "ffffffff-1"]
    accept(access.store, *(new_job(each, f"p/{each}") for each in ids))
    short = access.short([ids[0], ids[2], ids[3]])
    assert short == {ids[0]: ids[0], ids[2]: "0a1b2c3d-9", ids[3]: "ffffffff"}
    for each, start in short.items():
        assert access.job_id(start) == each
    with pytest.raises(JobError, match="'0a1b' is the start of several jobs: " + ", ".join(ids[:3])):
        access.job_id("0a1b")
    for wrong in ("", "%", "_a1b", "0A1B2C3D-4E5F-3"):
        with pytest.raises(JobError, match="there is no job"):
            access.job_id(wrong)
    assert access.job_id("FFFF") == ids[3]


def test_a_list_tells_what_is_done_of_each_job_and_how_long_it_waits(access: Access) -> None:
    store = access.store
    accept(store, new_job("waits", "p/w"), new_job("runs", "p/1", "p/2"), new_job("fails", "p/3", "p/4"), at=100.0)
    admit(store)
    store.keep(begin(store, "runs"), "w", [begun(), item("p/1")])
    work = begin(store, "fails")
    store.keep(work, "w", [begun(), item("p/3"), item("p/4"), ended("p/3", "p/4")])
    with store.database.write() as connection:
        for module in ("wait_for_device", "lio_target"):
            connection.exec_driver_sql(
                "INSERT INTO outcomes SELECT job_id, head, ?, key, ?, status, changes, error, fix, left_behind, seconds"
                " FROM outcomes WHERE key = 'p/3' AND module = 'zfs_clone'",
                (module, module),
            )
    end(store, work, State.FAILED)
    found = listed(access, Filter(), "")
    assert [(each.job.id, each.done) for each in found] == [("fails", 1), ("runs", 0), ("waits", 0)]
    rows = [line.split() for line in job_table(found, 460.0)]
    assert [(row[0], row[3], row[-2], row[-1]) for row in rows[1:]] == [
        ("fails", "1/2", "3m20s", "1m40s"),
        ("runs", "0/2", "3m20s", "2m40s"),  # up to now
        ("waits", "0/1", "6m00s", "-"),
    ]


def test_a_job_that_was_removed_while_one_follows_it_ends_the_following(access: Access) -> None:
    accept(access.store, new_job("a", "p/1"))
    with access.store.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")
    with pytest.raises(JobError, match="job a was removed"):
        watch_job(access, "a")


def test_more_events_than_one_look_takes_are_all_told(access: Access, capsys: pytest.CaptureFixture[str]) -> None:
    accept(access.store, new_job("a", "p/1"))
    admit(access.store)
    work = begin(access.store, "a")
    for _ in range(30):
        access.store.keep(work, "w", [item("p/1")] * 100)
    end(access.store, work)
    assert watch_job(access, "a") == 0
    told = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in told] == list(range(1, 3005))


def test_a_database_that_restarts_does_not_end_the_following(
    access: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    if programs() is None:
        assert os.environ.get("CI") != "true", "CI needs PostgreSQL: run tests/tools/packages base"
        pytest.skip("PostgreSQL is not installed: run tests/tools/packages base")
    with running() as server:
        store = Store(server.create_database("watched"))
        accept(store, new_job("a", "p/1"))
        admit(store)
        work = begin(store, "a")
        codes: list[int] = []
        followed = replace(access, store=store)
        following = threading.Thread(target=lambda: codes.append(watch_job(followed, "a")))
        following.start()
        said: list[str] = []

        def told(text: str) -> bool:
            out = capsys.readouterr()
            said.extend((out.out, out.err))
            return text in "".join(said)

        wait_for(lambda: told("started"))
        server.stop()
        wait_for(lambda: told("waiting for the store: "))
        server.start()
        end(store, work)
        following.join(60)
        assert codes == [0]
        assert told("state complete")
        assert "".join(said).count("waiting for the store") == 1
        store.close()


def test_a_run_that_was_cut_off_and_a_task_that_was_not_begun_are_told(access: Access) -> None:
    store = access.store
    accept(store, new_job("a", "p/1"))
    admit(store)
    store.keep(begin(store, "a", "first"), "w:1", [begun()])
    store.keep(begin(store, "a", "second", worker="w:2"), "w:2", [begun()])
    with store.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO tasks VALUES ('a', 'h1', '02:later', 1, 'lio_target', 3)")
    record = store.record("a")
    assert record is not None
    lines = list(job_lines(record, IDLE))
    rows = [line.split() for line in lines if line.startswith("  0")]
    assert [(row[0], row[2], row[3], row[-1]) for row in rows] == [
        ("01:zfs_clone", "1", "cut", "w:1"),
        ("01:zfs_clone", "2", "runs", "w:2"),
        ("02:later", "-", "-", "-"),
    ]
    assert "  its worker w:2 was not heard of: another will go on with it" in lines


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0ms"),
        (0.0404, "40ms"),
        (0.9996, "1.0s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (3599.4, "59m59s"),
        (3600, "1h00m"),
        (90061, "25h01m"),
    ],
)
def test_a_duration_is_short(seconds: float | None, shown: str) -> None:
    assert span(seconds) == shown


def test_an_event_is_one_line_that_steers_nothing() -> None:
    event = Event(job_id="a", number=7, at=0.0, kind=Kind.WARNING, head="h1", data={"error": "a\nb\x1b[2J", "left": []})
    line = event_line(event)
    assert line.isprintable()
    assert line.endswith("h1: error a\\x0ab\\x1b[2J")
