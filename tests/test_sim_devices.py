"""Devices, links, ordinary files and locks of the simulated head."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.agent.system import Locked
from lunops.sim.faults import Faults, LostLinks
from lunops.sim.head import SimulatedSystem

GOLDEN = "p1/images/golden@1"


@contextlib.contextmanager
def refused(number: int) -> Iterator[None]:
    """Expect an OSError with this errno."""
    with pytest.raises(OSError, match="Errno") as caught:
        yield
    assert caught.value.errno == number


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    head = SimulatedSystem(tmp_path / "head", pools=["p1"])
    yield head
    head.close()


def clone(head: SimulatedSystem, *names: str) -> None:
    for name in names:
        assert head.run(["zfs", "clone", GOLDEN, name]).code == 0


def test_a_volume_is_a_device_with_a_link_and_both_go_with_it(head: SimulatedSystem) -> None:
    clone(head, "p1/x", "p1/y")
    assert head.resolve("/dev/zvol/p1/y") == "/dev/zd32"
    assert head.listdir("/sys/block") == ["zd0", "zd16", "zd32"]
    assert head.listdir("/dev/zvol/p1") == ["images", "x", "y"]
    assert head.read("/sys/block/zd16/size") == f"{(64 << 20) // 512}\n"
    head.run(["zfs", "destroy", "p1/x"])
    assert not head.exists("/dev/zvol/p1/x")
    assert not head.is_block_device("/dev/zd16")
    clone(head, "p1/z")
    assert head.resolve("/dev/zvol/p1/z") == "/dev/zd16"  # the lowest free number is used again


def test_a_lost_link_comes_with_a_change_event_and_not_by_settling(head: SimulatedSystem) -> None:
    head.set_faults(Faults(lost_links=LostLinks(names=("p1/x",))))
    clone(head, "p1/x")
    assert head.run(["udevadm", "settle"]).code == 0
    assert not head.exists("/dev/zvol/p1/x")
    assert head.zvol_name("/dev/zd16") == "p1/x"
    head.write("/sys/block/zd16/uevent", "change")
    assert head.is_block_device("/dev/zvol/p1/x")


def test_a_link_that_someone_removed_comes_back_with_a_change_event(head: SimulatedSystem) -> None:
    head.unlink("/dev/zvol/p1/images/golden")
    assert not head.exists("/dev/zvol/p1/images/golden")
    assert head.is_block_device("/dev/zd0")
    head.write("/sys/block/zd0/uevent", "change")
    assert head.is_block_device("/dev/zvol/p1/images/golden")


def test_every_third_link_can_be_lost_and_more_than_one_event_be_needed(head: SimulatedSystem) -> None:
    head.set_faults(Faults(lost_links=LostLinks(every=3, changes_lost=1)))
    clone(head, *(f"p1/c{number}" for number in range(6)))
    missing = [f"c{number}" for number in range(6) if not head.exists(f"/dev/zvol/p1/c{number}")]
    assert len(missing) == 2
    head.run(["udevadm", "trigger"])
    assert len(head.listdir("/dev/zvol/p1")) == 1 + 4
    head.run(["udevadm", "trigger"])
    assert len(head.listdir("/dev/zvol/p1")) == 1 + 6


def test_links_are_lost_by_a_seeded_chance_the_same_ones_each_time(tmp_path: Path) -> None:
    def lost(name: str) -> list[str]:
        head = SimulatedSystem(tmp_path / name, pools=["p1"])
        head.set_faults(Faults(lost_links=LostLinks(probability=0.5, seed=7)))
        clone(head, *(f"p1/c{number:02}" for number in range(20)))
        links = head.listdir("/dev/zvol/p1")
        head.close()
        return links

    assert lost("one") == lost("two")
    assert 1 < len(lost("three")) < 21


def test_a_late_link_comes_in_the_end(head: SimulatedSystem) -> None:
    head.set_faults(Faults(link_delay_s=0.15))
    clone(head, "p1/x")
    assert head.is_block_device("/dev/zd16")
    assert not head.exists("/dev/zvol/p1/x")
    deadline = head.monotonic() + 5
    while not head.exists("/dev/zvol/p1/x"):
        assert head.monotonic() < deadline
        head.sleep(0.02)


def test_a_word_that_is_no_event_is_refused(head: SimulatedSystem) -> None:
    with refused(errno.EINVAL):
        head.write("/sys/block/zd0/uevent", "jump")


def test_ordinary_files_are_replaced_whole_in_a_folder_that_must_be_there(head: SimulatedSystem) -> None:
    head.replace("/etc/rtslib-fb-target/saveconfig.json", "{}")
    head.replace("/etc/rtslib-fb-target/saveconfig.json", '{"targets": []}')
    assert head.read("/etc/rtslib-fb-target/saveconfig.json") == '{"targets": []}'
    with pytest.raises(FileNotFoundError):
        head.replace("/etc/target/saveconfig.json", "{}")
    head.make_dirs("/etc/target/backup")
    head.replace("/etc/target/saveconfig.json", "{}")
    assert head.listdir("/etc/target") == ["backup", "saveconfig.json"]
    with refused(errno.ENOTEMPTY):
        head.rmdir("/etc/target")


def test_a_path_through_a_link_leads_to_the_same_file(head: SimulatedSystem) -> None:
    head.replace("/run/x", "text")
    assert head.read("/var/run/x") == "text"
    assert head.resolve("/var/run/x") == "/run/x"
    assert head.is_link("/var/run")
    assert not head.is_dir("/var/run")


def test_links_that_go_round_are_refused(head: SimulatedSystem) -> None:
    head.symlink("/tmp/b", "/tmp/a")
    head.symlink("/tmp/a", "/tmp/b")
    with refused(errno.ELOOP):
        head.read("/tmp/a")


def test_a_lock_is_one_lock_by_whatever_path_and_says_who_has_it(head: SimulatedSystem) -> None:
    with (
        head.held_by("/var/run/targetcli.lock", "pid 99 (targetcli)"),
        pytest.raises(Locked) as caught,
        head.lock("/run/targetcli.lock", 0.05),
    ):
        raise AssertionError("the lock was free")
    assert caught.value.holder == "pid 99 (targetcli)"
    with head.lock("/run/targetcli.lock", 0.0):
        pass


def test_threads_wait_for_a_lock_in_turn(head: SimulatedSystem) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with head.lock("/run/lock/a.lock", 10.0):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] * 15
