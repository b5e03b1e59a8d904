"""ZFS on the simulated head: what the recording of a real one does not show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.sim.head import SimulatedSystem

GOLDEN = "p1/images/golden@1"


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    head = SimulatedSystem(tmp_path / "head", pools=["p1", "p2"])
    yield head
    head.close()


def zfs(head: SimulatedSystem, line: str) -> str:
    """Run a zfs command that must succeed, and return what it prints."""
    output = head.run(["zfs", *line.split()])
    assert (output.code, output.err) == (0, ""), line
    return output.out


def test_a_new_head_has_a_golden_image_in_each_pool(head: SimulatedSystem) -> None:
    names = zfs(head, "list -H -o name -t all").split()
    assert names == [
        name
        for pool in ("p1", "p2")
        for name in (pool, f"{pool}/images", f"{pool}/images/golden", f"{pool}/images/golden@1")
    ]
    assert zfs(head, "get -Hp -o value volsize p1/images/golden") == f"{64 << 20}\n"


def test_opening_a_head_again_keeps_what_is_in_it_and_adds_the_pools_that_are_missing(tmp_path: Path) -> None:
    first = SimulatedSystem(tmp_path / "head", pools=["p1"])
    zfs(first, f"clone {GOLDEN} p1/x")
    first.close()
    again = SimulatedSystem(tmp_path / "head", pools=["p1", "p3"])
    assert zfs(again, "get -H -o value origin p1/x") == f"{GOLDEN}\n"
    assert again.run(["zpool", "list", "-H", "-o", "name"]).out == "p1\np3\n"
    again.close()


def test_a_clone_must_be_in_the_pool_of_its_snapshot(head: SimulatedSystem) -> None:
    output = head.run(["zfs", "clone", GOLDEN, "p2/x"])
    assert (output.code, output.err) == (1, "cannot create 'p2/x': source and target pools differ\n")


def test_marks_are_local_on_the_clone_and_inherited_below_a_file_system(head: SimulatedSystem) -> None:
    zfs(head, "create -o lunops:made=r1 p1/n")
    zfs(head, f"clone -o lunops:managed=1 {GOLDEN} p1/n/x")
    assert zfs(head, "get -Hp -o property,value,source lunops:made,lunops:managed p1/n/x") == (
        "lunops:made\tr1\tinherited from p1/n\nlunops:managed\t1\tlocal\n"
    )


def test_a_snapshot_with_clones_is_not_destroyed_by_destroying_its_volume_recursively(head: SimulatedSystem) -> None:
    zfs(head, f"clone {GOLDEN} p1/x")
    output = head.run(["zfs", "destroy", "-r", "p1/images/golden"])
    assert output.code == 1
    assert "dependent clones" in output.err
    assert zfs(head, "list -H -o name p1/images/golden@1") == f"{GOLDEN}\n"


def test_a_renamed_volume_keeps_its_device_and_its_link_follows(head: SimulatedSystem) -> None:
    zfs(head, f"clone {GOLDEN} p1/x")
    device = head.resolve("/dev/zvol/p1/x")
    zfs(head, "rename p1/x p1/y")
    assert not head.exists("/dev/zvol/p1/x")
    assert head.resolve("/dev/zvol/p1/y") == device
    assert head.zvol_name(device) == "p1/y"


def test_promoting_a_clone_turns_the_tree_round(head: SimulatedSystem) -> None:
    zfs(head, f"clone {GOLDEN} p1/x")
    zfs(head, "promote p1/x")
    assert zfs(head, "get -H -o name,value origin p1/x p1/images/golden") == ("p1/images/golden\tp1/x@1\np1/x\t-\n")


def test_a_clone_without_a_volume_mode_has_no_device_until_it_gets_one(head: SimulatedSystem) -> None:
    zfs(head, f"clone -o volmode=none {GOLDEN} p1/x")
    assert not head.exists("/dev/zvol/p1/x")
    zfs(head, "set volmode=default p1/x")
    assert head.is_block_device("/dev/zvol/p1/x")


def test_what_zfs_shows_to_people_has_units_and_titles(head: SimulatedSystem) -> None:
    assert zfs(head, "list -o name,volsize p1/images/golden") == (
        "NAME              VOLSIZE\np1/images/golden      64M\n"
    )


def test_a_command_that_the_head_does_not_have_ends_with_127(head: SimulatedSystem) -> None:
    assert head.run(["multipath", "-ll"]).code == 127


def test_a_command_that_fails_half_way_has_done_nothing(head: SimulatedSystem) -> None:
    zfs(head, "snapshot p1@2")
    before = head.journal()
    assert head.run(["zfs", "snapshot", "p1/images@2", "p1@2"]).code == 1
    assert head.run(["zfs", "list", "p1/images@2"]).code == 1
    assert head.journal() == before
