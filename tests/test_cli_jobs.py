"""The operator's commands over a service's store: real commands, real stores, simulated heads."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lunops.store import Store
from lunops.store.rows import State
from tests.service_process import Process, Service, World
from tests.service_support import clone, gone, wait_for
from tests.store_support import accept, admit, begin, end, new_job
from tests.support.postgres import Postgres


@pytest.fixture
def world(store_url: str, tmp_path: Path) -> World:
    made = World(tmp_path)
    if not store_url.startswith("sqlite:"):
        made.use(store_url)
    return made


@pytest.fixture
def service(world: World) -> Iterator[Service]:
    started = world.serve()
    yield started
    started.kill()


def lunops(world: World, *words: str, code: int = 0) -> str:
    """Run a command as an operator does; return what it says, on both outputs."""
    config = ["--config", str(world.config)]
    done = subprocess.run(
        [sys.executable, "-m", "lunops", *words[:2], *config, *words[2:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def batch(name: str, count: int = 3) -> list[Any]:
    return [clone(f"{name}{number}", createParent=True) for number in range(count)]


def test_jobs_are_listed_shown_and_watched(world: World, service: Service) -> None:
    job = service.create(*batch("n"))
    bad = clone("odd", src="p1/images/nothing@1", createParent=True)
    service.wait(job)
    odd = service.create(bad, clone("even", createParent=True))
    service.wait(odd)

    table = lunops(world, "jobs", "list").splitlines()
    assert table[0].split() == ["ID", "STATE", "KIND", "DONE", "HEADS", "CLIENT", "ACCEPTED", "WAITED", "RAN"]
    assert [line.split()[:6] for line in table[1:]] == [
        [odd[:8], "failed", "create", "1/2", "jbod-01", "alice"],
        [job[:8], "complete", "create", "3/3", "jbod-01", "alice"],
    ]
    assert [each["id"] for each in json.loads(lunops(world, "jobs", "list", "--state", "complete", "--json"))] == [job]
    assert json.loads(lunops(world, "jobs", "list", "--head", "jbod-02", "--json")) == []
    assert len(json.loads(lunops(world, "jobs", "list", "--since", "1h", "-n", "1", "--json"))) == 1
    assert json.loads(lunops(world, "jobs", "list", "--since", "2999-01-01", "--json")) == []
    assert "is no time" in lunops(world, "jobs", "list", "--since", "yesterday", code=5)
    (first, _) = json.loads(lunops(world, "jobs", "list", "--client", "alice", "--kind", "create", "--json"))
    assert (first["id"], first["heads"], first["done"]) == (odd, ["jbod-01"], 1)
    assert len(json.loads(lunops(world, "jobs", "list", "--client", first["client"], "--json"))) == 2
    assert json.loads(lunops(world, "jobs", "list", "--client", "bob", "--json")) == []

    shown = lunops(world, "jobs", "show", odd[:10])
    assert f"job {odd}: failed" in shown
    assert "item 0, p1/nodes/odd: the snapshot p1/images/nothing@1 does not exist" in shown
    assert "to mend it: see: zfs list -t snapshot" in shown
    assert "item 1, p1/nodes/even: done" in shown
    (row,) = [line.split() for line in shown.splitlines() if "01:zfs_clone" in line]
    assert row[:4] == ["01:zfs_clone", "2", "1", "failed"]
    assert len(row) == 11  # with all that its time went to, and the worker
    whole = json.loads(lunops(world, "jobs", "show", job, "--json"))
    assert (whole["job"]["state"], len(whole["outcomes"])) == ("complete", 9)
    assert whole["request"]["clones"][0]["dst"] == "p1/nodes/n0"
    for run in whole["runs"]:
        known = sum(run[name] for name in ("wait_s", "connect_s", "run_s", "transfer_s", "unaccounted_s"))
        assert known == pytest.approx(run["ended_s"] - run["started_s"])

    told = lunops(world, "jobs", "watch", job).splitlines()
    assert [line.split()[2] for line in told[:2]] == ["queued", "started"]
    assert told[-1].split()[2:] == ["ended", "state", "complete"]
    late = lunops(world, "jobs", "watch", odd, "--after", "3", "--json", code=2).splitlines()
    assert [json.loads(line)["id"] for line in late][:2] == [4, 5]
    assert json.loads(late[-1])["data"] == {"state": "failed"}
    assert lunops(world, "jobs", "watch", odd, "--after", "999", code=2) == ""


def test_a_job_that_is_not_there_or_not_clear_is_said(world: World, service: Service) -> None:
    assert "there is no job 'abc'" in lunops(world, "jobs", "show", "abc", code=1)
    for number in range(18):  # with sixteen digits, two begin alike
        service.create(clone(f"c{number}", createParent=True))
    jobs = [each["id"] for each in json.loads(lunops(world, "jobs", "list", "--json"))]
    twice = next(digit for digit in "0123456789abcdef" if sum(job.startswith(digit) for job in jobs) > 1)
    said = lunops(world, "jobs", "show", twice, code=1)
    assert "is the start of several jobs" in said
    assert all(job in said for job in jobs if job.startswith(twice))


def test_a_retry_does_what_failed_and_a_repeat_all_of_it(world: World, service: Service) -> None:
    first = service.create(*batch("n", 2), clone("odd", "p1", src="p1/images/late@1", createParent=True))
    service.wait(first)
    head = world.head()
    assert head.run(["zfs", "snapshot", "p1/images/golden@2"]).code == 0
    assert head.run(["zfs", "rename", "p1/images/golden@2", "p1/images/golden@late"]).code in (0, 1)
    head.close()
    again = lunops(world, "jobs", "retry", first[:12], "--watch", code=2)  # the image is still not there
    second = again.splitlines()[0]
    record = world.record(second)
    assert (record.job.again, record.job.of_job, record.job.num_requested) == ("retry", first, 1)
    assert world.record(first).job.state is State.FAILED
    third = lunops(world, "jobs", "repeat", first, "--priority", "7").split()[0]
    service.wait(third)
    record = world.record(third)
    assert (record.job.again, record.job.num_requested, record.job.priority) == ("repeat", 3, 7)
    assert "lunops on" in record.job.client
    ok = service.create(clone("fine", createParent=True))
    service.wait(ok)
    assert "nothing of job" in lunops(world, "jobs", "retry", ok, code=1)


def test_ctrl_c_ends_the_watching_and_not_the_job(world: World, service: Service) -> None:
    world.slow_down(symlink=0.3)
    job = service.create(*batch("n", 12))
    watching = subprocess.Popen(
        [sys.executable, "-m", "lunops", "jobs", "watch", "--config", str(world.config), job],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert watching.stdout is not None
    try:
        first = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        said = watching.communicate(timeout=60)[0]
    finally:
        watching.kill()
        watching.communicate(timeout=60)
    assert first.split()[2] == "queued"
    assert watching.returncode == 99
    found = re.search(rf"the job goes on: lunops jobs watch {job} --after (\d+)", said)
    assert found is not None
    world.slow_down()
    rest = lunops(world, "jobs", "watch", job, "--after", found[1]).splitlines()
    assert int(rest[0].split()[0]) == int(found[1]) + 1
    assert rest[-1].split()[2:] == ["ended", "state", "complete"]


@pytest.mark.parametrize(("how", "left"), [("--keep", True), ("--undo", False)])
def test_a_running_job_is_cancelled_between_two_items(world: World, service: Service, how: str, left: bool) -> None:
    world.slow_down(symlink=0.5)  # targets come one after the other
    job = service.create(*batch("n", 24))
    service.wait(job, "start_creating_targets")
    said = lunops(world, "jobs", "cancel", job, how, "--wait", code=3)
    assert said.splitlines()[-1].split()[2:] == ["ended", "state", "cancelled"]
    answer = service.status(job)
    assert answer["status"] == "failed"
    assert (1 <= answer["num_completed"] < 24) is left
    world.slow_down()
    there = [name for name in world.left("n") if name.startswith("iqn")]
    assert (len(set(there)) == answer["num_completed"]) if left else there == []
    assert "over: cancelled" in lunops(world, "jobs", "cancel", job, code=1)
    assert service.wait(service.delete(*[gone(f"n{n}", deleteClones=True) for n in range(24)]))["status"] == "complete"
    assert world.left("n") == []


def test_a_head_is_drained_and_resumed(world: World, service: Service) -> None:
    lunops(world, "heads", "drain", "jbod-01", "--why", "new disks", "--wait")
    job = service.create(clone("a", createParent=True), clone("b", "p2", createParent=True))
    wait_for(lambda: service.status(job)["num_completed"] == 1)
    assert "waits since the head is drained: new disks" in lunops(world, "jobs", "show", job)
    told = json.loads(lunops(world, "jobs", "show", job, "--json"))["parts"][0]["waits"]
    assert told == ["since the head is drained: new disks (lunops heads resume jbod-01)"]
    table = [line.split() for line in lunops(world, "heads", "list").splitlines()]
    assert table[1][:4] == ["jbod-01", "0", "1", "drained"]
    assert table[2][3:] == ["takes", "jobs"]
    lunops(world, "heads", "resume", "jbod-01")
    assert service.wait(job)["status"] == "complete"
    assert "did you mean 'jbod-01'" in lunops(world, "heads", "drain", "jbod-1", code=8)
    assert json.loads(lunops(world, "heads", "list", "--json"))[0]["drained_at"] is None


def test_what_is_known_of_heads_is_told_and_resume_forgets_it(world: World) -> None:
    store = Store(world.store)
    now = time.time()
    store.not_reached("jbod-01", "no route\x1b[2J", at=now - 100)
    store.not_reached("jbod-01", "no route\x1b[2J", at=now + 100)
    store.reached("jbod-02", wedged_at=now)
    store.drain("old", at=now, by="CN=bob", why="scrapped")
    store.drain("jbod-03", at=now, by="CN=bob")
    store.resume("jbod-03")  # nothing is left to tell of it
    store.close()
    lines = lunops(world, "heads", "list").splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["jbod-01", "0", "0"], ["jbod-02", "0", "0"], ["old", "0", "0"]]
    assert re.search(r"not reached 2 times in a row, next try \d{4}-[-0-9: +]+: no route\\x1b\[2J$", lines[1])
    assert re.search(r"wedged since \d{4}-.*: its kernel hangs in LIO work$", lines[2])
    assert re.search(r"drained since \d{4}-.* by bob: scrapped; not in the inventory$", lines[3])
    for head in ("jbod-01", "old"):
        assert "takes jobs" in lunops(world, "heads", "resume", head)
    found = json.loads(lunops(world, "heads", "list", "--json"))
    assert [(each["name"], each["failures"], each["in_inventory"]) for each in found] == [
        ("jbod-01", 0, True),
        ("jbod-02", 0, True),
    ]
    assert "did you mean 'jbod-01'" in lunops(world, "heads", "resume", "jbod-1", code=8)


def test_a_drain_waits_for_what_runs(world: World) -> None:
    store = Store(world.store)
    accept(store, new_job("a", "p1/nodes/a", head="jbod-01"), new_job("b", "p1/nodes/a", head="jbod-01"))
    admit(store)
    work = begin(store, "a")
    draining = subprocess.Popen(
        [sys.executable, "-m", "lunops", "heads", "drain", "--config", str(world.config), "jbod-01", "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert draining.stdout is not None
    try:
        told = sorted(draining.stdout.readline() for _ in range(2))  # of two streams
        assert draining.poll() is None
        end(store, work)
        rest = draining.communicate(timeout=60)[0]
    finally:
        draining.kill()
        draining.communicate(timeout=60)
    assert told[0] == "1 job is still at work on jbod-01\n"
    assert rest.endswith("nothing of a job runs on jbod-01\n")
    assert draining.returncode == 0
    assert admit(store) == []  # and `b` waits
    store.close()


def test_what_waits_says_for_what(world: World) -> None:
    front = world.serve("--no-worker")
    try:
        job = front.create(clone("a", createParent=True))
        assert "waits for a worker: none is alive" in lunops(world, "jobs", "show", job)
        behind = front.delete(gone("a"))
        assert f"waits for jobs on the same names: {job[:8]}" in lunops(world, "jobs", "show", behind)
        rack: Process = world.work("--label", "rack1")
        try:
            wait_for(lambda: "for a worker without a label: none is alive" in lunops(world, "jobs", "show", job))
        finally:
            rack.stop()
        lunops(world, "jobs", "cancel", job)
        assert front.status(job)["status"] == "failed"
    finally:
        front.kill()


def test_a_store_is_checked_exported_while_it_works_and_imported_elsewhere(
    world: World, service: Service, tmp_path: Path, postgres: Postgres
) -> None:
    jobs = [service.create(*batch(f"n{number}-", 2)) for number in range(3)]
    busy = service.create(*batch("busy", 4))
    lunops(world, "store", "export", str(tmp_path / "during.jsonl"))
    for job in (*jobs, busy):
        service.wait(job)
    assert "is well" in lunops(world, "store", "check")
    lunops(world, "store", "export", str(tmp_path / "all.jsonl"))
    first = (tmp_path / "all.jsonl").read_text().splitlines()
    assert json.loads(first[0]) == {"lunops_store": 2}

    # To the other kind of database, and back: the same lines.
    other = World(tmp_path / "other")
    other.use(f"sqlite:///{tmp_path}/other.db" if isinstance(world.store, str) else postgres.create_database("other"))
    said = lunops(other, "store", "import", str(tmp_path / "all.jsonl"))
    assert "read 4 jobs" in said
    assert lunops(other, "store", "export", "-").splitlines() == first
    assert "the store is not empty" in lunops(other, "store", "import", str(tmp_path / "all.jsonl"), code=8)
    assert "is well" in lunops(other, "store", "check")
    taken = other.serve()
    try:
        assert taken.wait(taken.create(clone("new", createParent=True)))["status"] == "complete"
    finally:
        taken.kill()


def test_an_import_says_what_becomes_of_unfinished_jobs_and_is_all_or_nothing(world: World, tmp_path: Path) -> None:
    front = world.serve("--no-worker")
    try:
        job = front.create(clone("a", createParent=True))
    finally:
        front.kill()
    lunops(world, "store", "export", str(tmp_path / "jobs.jsonl"))
    text = (tmp_path / "jobs.jsonl").read_text()
    other = World(tmp_path / "other")
    (tmp_path / "torn.jsonl").write_text(text[: len(text) // 2])
    said = lunops(other, "store", "import", str(tmp_path / "torn.jsonl"), code=8)
    assert "this is not what `lunops store export` writes" in said
    assert "1 job is not over" in lunops(other, "store", "import", str(tmp_path / "jobs.jsonl"), code=8)
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    said = lunops(other, "store", "import", str(tmp_path / "binary.jsonl"), code=8)
    assert f"where: {tmp_path / 'binary.jsonl'}: after line 0" in said
    lunops(other, "store", "import", str(tmp_path / "jobs.jsonl"), "--unfinished", "run")
    service = other.serve()
    try:
        assert service.wait(job)["status"] == "complete"
    finally:
        service.kill()
    # The file once more, beside an engine that has done its job: it would not do it again.
    (tmp_path / "other" / "lunops.db").unlink()
    said = lunops(other, "store", "import", str(tmp_path / "jobs.jsonl"), "--unfinished", "run", code=8)
    assert f"take it away: rm {tmp_path}/other/lunops-engine.db*" in said
    third = World(tmp_path / "third")
    lunops(third, "store", "import", str(tmp_path / "jobs.jsonl"), "--unfinished", "fail")
    assert third.record(job).job.state is State.FAILED
    assert "is well" in lunops(third, "store", "check")


def test_old_jobs_are_removed_as_the_settings_say(world: World, service: Service) -> None:
    jobs = [service.create(clone(f"n{number}", createParent=True)) for number in range(4)]
    for job in jobs:
        service.wait(job)
    assert "removed 0 jobs" in lunops(world, "store", "vacuum")
    world.set_up(keep_jobs=1)
    assert "removed 3 jobs" in lunops(world, "store", "vacuum")
    assert [each["id"] for each in json.loads(lunops(world, "jobs", "list", "--json"))] == jobs[3:]
    assert "is well" in lunops(world, "store", "check")
    store = Store(world.store)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET ended_at = ended_at - 2 * 86400")
    store.close()
    world.set_up(keep_days=3)
    assert "removed 0 jobs" in lunops(world, "store", "vacuum")
    world.set_up(keep_days=1)
    assert "removed 1 job\n" in lunops(world, "store", "vacuum")


def test_a_damaged_store_is_told_with_the_job(world: World, service: Service) -> None:
    job = service.create(clone("a", createParent=True))
    service.wait(job)
    service.kill()  # or it would see to the part
    store = Store(world.store)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE parts SET state = 'running'")
        connection.exec_driver_sql("DELETE FROM events WHERE number = 2")
    store.close()
    said = lunops(world, "store", "check", code=2)
    assert f"a job is over while a part of it is not: job {job}" in said
    assert f"the events of a job are not numbered 1, 2, 3 …: job {job}" in said


def test_a_store_that_is_not_there_is_said_and_not_made(world: World) -> None:
    for words in (("jobs", "list"), ("heads", "list"), ("store", "check"), ("store", "export"), ("store", "vacuum")):
        assert "there is no store at" in lunops(world, *words, code=8)
    assert not (world.folder / "lunops.db").exists()


def test_a_backup_is_for_its_owner_only_and_one_that_fails_leaves_the_former(world: World, tmp_path: Path) -> None:
    Store(world.store).close()
    file = tmp_path / "backup.jsonl"
    file.write_text("the former")
    spoiled = tmp_path / "backup.jsonl.part"
    spoiled.mkdir()
    assert "the export cannot be written" in lunops(world, "store", "export", str(file), code=1)
    assert file.read_text() == "the former"
    spoiled.rmdir()
    assert "wrote 2 lines" in lunops(world, "store", "export", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.jsonl"]


def test_an_export_to_standard_output_says_that_there_is_no_room(world: World) -> None:
    Store(world.store).close()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lunops", "store", "export", "--config", str(world.config)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("lunops: the export cannot be written: ")
    assert "where: standard output" in done.stderr
    assert len(done.stderr.splitlines()) == 3


def test_an_export_replaces_no_device_and_no_pipe_and_a_link_stays_one(world: World, tmp_path: Path) -> None:
    Store(world.store).close()
    pipe, link, file = (tmp_path / name for name in ("pipe", "link.jsonl", "file.jsonl"))
    os.mkfifo(pipe)
    said = lunops(world, "store", "export", str(pipe), code=8)
    assert f"where: {pipe}" in said
    assert "lunops store export - >" in said
    assert pipe.is_fifo()
    file.write_text("the former")
    link.symlink_to(file)
    lunops(world, "store", "export", str(link))
    assert link.is_symlink()
    assert json.loads(file.read_text().splitlines()[0]) == {"lunops_store": 2}
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


def test_a_store_is_looked_after_also_while_its_inventory_is_wrong(world: World, service: Service) -> None:
    service.wait(service.create(clone("a", createParent=True)))
    (world.folder / "inventory").write_text("[")
    assert "is well" in lunops(world, "store", "check")
    assert len(json.loads(lunops(world, "jobs", "list", "--json"))) == 1
    assert "inventory" in lunops(world, "heads", "list", code=8)
