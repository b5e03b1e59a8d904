"""What a simulated head remembers of its file is what stands there, whoever changes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem


@pytest.fixture
def views(tmp_path: Path) -> Iterator[tuple[SimulatedSystem, SimulatedSystem]]:
    """Give two views of one head, as two processes have them."""
    one, other = (SimulatedSystem(tmp_path / "h.sim", pools=["p"]) for _ in range(2))
    yield one, other
    one.close()
    other.close()


def test_what_another_has_changed_is_seen_at_once(views: tuple[SimulatedSystem, SimulatedSystem]) -> None:
    one, other = views
    assert not one.exists("/etc/x")
    other.replace("/etc/x", "1")
    assert one.exists("/etc/x")
    assert one.read("/etc/x") == "1"
    other.replace("/etc/x", "2")
    assert one.read("/etc/x") == "2"
    other.unlink("/etc/x")
    assert not one.exists("/etc/x")
    other.mkdir("/etc/x")
    assert one.is_dir("/etc/x")


def test_faults_that_another_has_set_strike(views: tuple[SimulatedSystem, SimulatedSystem]) -> None:
    one, other = views
    one.replace("/etc/x", "1")
    other.set_faults(Faults(faults=(Fault(on="replace", errno=28),)))
    with pytest.raises(OSError, match="No space left"):
        one.replace("/etc/x", "2")
    assert one.read("/etc/x") == "1"
    other.set_faults(Faults())
    one.replace("/etc/x", "2")
    assert other.read("/etc/x") == "2"


def test_what_was_taken_back_is_not_remembered(views: tuple[SimulatedSystem, SimulatedSystem]) -> None:
    one, _other = views
    assert not one.exists("/etc/x")
    with contextlib.suppress(RuntimeError), one._state.changing():
        one._files.put("/etc/x", "file", "1")
        assert one.exists("/etc/x")
        raise RuntimeError
    assert not one.exists("/etc/x")


def test_what_is_removed_with_its_folder_is_gone(views: tuple[SimulatedSystem, SimulatedSystem]) -> None:
    one, _other = views
    one.make_dirs("/etc/a/b")
    one.replace("/etc/a/b/c", "1")
    assert one.read("/etc/a/b/c") == "1"
    one.remove_tree("/etc/a")
    assert not one.exists("/etc/a/b/c")
