"""The whole service: a real process, real TLS, simulated heads."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lunops.sim.faults import Fault, Faults
from tests.service_process import Service, World
from tests.service_support import clone, gone, wait_for


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[Service]:
    """One service for all tests here: each uses names of its own."""
    started = world.serve()
    yield started
    started.kill()


def test_luns_are_made_on_two_heads_and_removed_again(world: World, service: Service) -> None:
    job = service.create(clone("both1", createParent=1), clone("both2", "p2", createParent=1))
    done = service.wait(job)
    assert (done["status"], done["num_clones"], done["num_targets"], done["num_completed"]) == ("complete", 2, 2, 2)
    parts = [done[name] for name in ("clone_time", "udevd_time", "target_time", "other_time")]
    assert sum(parts) == pytest.approx(done["job_time"], abs=1e-6)
    assert done["clone_time"] > 0
    assert (world.made("both", 1), world.made("both", 2)) == (
        ["clone both1", "target both1"],
        ["clone both2", "target both2"],
    )
    job = service.delete(gone("both1", deleteClones=1), gone("both2", "p2", deleteClone=True))
    done = service.wait(job)
    assert (done["status"], done["num_clones"], done["num_targets"], done["percent_completed"]) == ("complete", 2, 2, 1)
    assert world.left("both", 1) + world.left("both", 2) == []


def test_a_delete_leaves_the_clone_unless_it_is_asked_to_go(world: World, service: Service) -> None:
    service.wait(service.create(clone("kept", createParent=1)))
    done = service.wait(service.delete(gone("kept")))
    assert (done["status"], done["num_clones"], done["num_targets"]) == ("complete", 1, 1)
    assert world.left("kept") == ["p1/nodes/kept"]


def test_the_same_again_changes_nothing(world: World, service: Service) -> None:
    first = service.create(clone("same1", createParent=1), clone("same2", createParent=1))
    assert service.wait(first)["status"] == "complete"
    code, answer = service.request("POST", "/clone_repeat", {"id": first})
    assert code == 200
    done = service.wait(answer["job_id"])
    assert (done["status"], done["num_completed"]) == ("complete", 2)
    assert sorted(world.made("same")) == ["clone same1", "clone same2", "target same1", "target same2"]


def test_an_impossible_item_fails_alone_and_leaves_nothing(world: World, service: Service) -> None:
    bad = clone("odd2", src="p1/images/nothing@1", createParent=True)
    done = service.wait(service.create(clone("odd1", createParent=True), bad, clone("odd3", createParent=True)))
    assert (done["status"], done["num_completed"], len(done["errors"])) == ("failed", 2, 1)
    assert (done["errors"][0]["index"], done["errors"][0]["dst"]) == (1, "p1/nodes/odd2")
    assert "p1/images/nothing" in done["errors"][0]["error"]
    assert world.left("odd2") == []


def test_a_job_whose_agent_dies_is_begun_anew_and_comes_to_its_end(world: World, service: Service) -> None:
    head = world.head(2)
    head.set_faults(Faults(faults=(Fault(on="zfs clone", match="dying", effect="die_before"),)))
    head.close()
    job = service.create(clone("dying1", "p2", createParent=1), clone("dying2", "p2", createParent=1))
    assert service.wait(job)["status"] == "complete"
    assert world.runs(job, "zfs_clone") == 2
    assert sorted(world.made("dying", 2)) == ["clone dying1", "clone dying2", "target dying1", "target dying2"]
    world.slow_down(2)


def test_a_job_whose_agent_dies_each_time_fails_with_the_reason_and_the_next_job_works(
    world: World, service: Service
) -> None:
    head = world.head(2)
    head.set_faults(Faults(faults=(Fault(on="zfs clone", match="dying3", effect="die_before", times=0),)))
    head.close()
    done = service.wait(service.create(clone("dying3", "p2", createParent=1)))
    assert done["status"] == "failed"
    assert all(each["error"] and each["dst"].startswith("p2/") for each in done["errors"])
    world.slow_down(2)
    assert service.wait(service.create(clone("alive", "p2", createParent=1)))["status"] == "complete"


def test_a_second_batch_on_the_same_names_waits_for_the_first(world: World, service: Service) -> None:
    world.slow_down(zfs_clone=0.3)
    names = ("next1", "next2", "next3")
    first = service.create(*[clone(name, createParent=1) for name in names])
    second = service.delete(*[gone(name, deleteClones=1) for name in names])
    service.wait(first, "start_creating_clones")
    assert service.status(second)["status"] == "pending"
    assert service.wait(first)["status"] == "complete"
    assert service.wait(second)["status"] == "complete"
    assert len(world.made("next")) == 6
    assert world.left("next") == []
    world.slow_down()


def test_two_heads_work_side_by_side(world: World, service: Service) -> None:
    world.slow_down(1, zfs_clone=1.0)
    slow = service.create(*[clone(f"slow{number}", createParent=1) for number in range(4)])
    quick = service.create(clone("quick", "p2", createParent=1))
    assert service.wait(quick)["status"] == "complete"
    assert service.status(slow)["status"] not in ("complete", "failed")
    world.slow_down(1)
    service.wait(slow)


def test_a_head_that_joins_the_inventory_is_used_without_a_restart(world: World, service: Service) -> None:
    item = clone("new1", "p3", createParent=True)
    code, answer = service.request("POST", "/clone", {"clones": [item]})
    assert (code, answer["errors"][0]["item"], answer["errors"][0]["field"]) == (400, 0, "dst")
    world.set_heads(3)
    assert service.wait(service.create(item))["status"] == "complete"
    (world.folder / "inventory").write_text("what is this = [\n")  # and while it is wrong, the last good one holds
    assert service.wait(service.create(clone("new2", "p3")))["status"] == "complete"
    world.set_heads(3)


def test_who_asked_is_in_the_log(world: World, service: Service) -> None:
    job = service.create(clone("who", createParent=1))
    log = (world.folder / "log").read_text()
    assert f"accepted job {job}: create 1 on jbod-01, for CN=alice sha256:" in log
    service.wait(job)


def test_without_a_certificate_nobody_gets_in(world: World, service: Service) -> None:
    bare = ssl.create_default_context(cafile=world.folder / "tls" / "ca.crt")
    stranger = Service(process=service.process, port=service.port, context=bare)
    with pytest.raises(OSError, match=r"(?i)certificate required|reset|eof"):
        stranger.request("GET", "/clone_test")
    assert service.request("GET", "/clone_test") == (200, {"status": "ok", "message": "test"})


def test_the_service_says_little_and_keeps_its_files_private(world: World, service: Service) -> None:
    wait_for(lambda: (world.folder / "lunops.db").exists())
    assert service.process.poll() is None
    log = (world.folder / "log").read_text()
    assert "dbos" not in log
    assert "Traceback" not in log
    files = [path for path in world.folder.iterdir() if path.name.startswith("lunops") and path.suffix != ".toml"]
    assert len(files) >= 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_wrong_settings_end_it_at_once_with_what_to_mend(world: World) -> None:
    config = world.folder / "wrong.toml"
    config.write_text(world.config.read_text() + 'sotre = "sqlite:///x.db"\n')
    done = subprocess.run(
        [sys.executable, "-c", "from lunops.cli import main; main()", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (8, "")
    assert "did you mean 'store'?" in done.stderr
    assert "Traceback" not in done.stderr
