"""Faults of the simulated head strike the operations that a test names, and no others."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.sim.faults import Fault, Faults, LostLinks
from lunops.sim.head import SimulatedSystem

GOLDEN = "p1/images/golden@1"
FILE = "/etc/rtslib-fb-target/saveconfig.json"
TARGET = "/sys/kernel/config/target"


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


def clone(head: SimulatedSystem, name: str) -> tuple[int, str]:
    output = head.run(["zfs", "clone", GOLDEN, name])
    return output.code, output.err


def end_in(tmp_path: Path, code: str) -> int:
    """Run Python code with `head`, the head in tmp_path, in a process of its own; return how that ended."""
    imports = "from pathlib import Path; from lunops.sim.head import SimulatedSystem"
    program = f"{imports}; head = SimulatedSystem(Path({str(tmp_path / 'head')!r})); {code}"
    return subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode


def test_the_nth_command_of_a_kind_fails_with_the_words_that_were_set(head: SimulatedSystem) -> None:
    head.set_faults(
        Faults(faults=(Fault(on="zfs clone", nth=2, times=2, stderr="cannot create '{name}': out of space"),))
    )
    assert clone(head, "p1/a") == (0, "")
    assert clone(head, "p1/b") == (1, "cannot create 'p1/b': out of space\n")
    assert clone(head, "p1/c")[0] == 1
    assert clone(head, "p1/d") == (0, "")
    assert not head.exists("/dev/zvol/p1/b")


def test_a_file_operation_fails_with_the_errno_that_was_set_on_the_paths_that_match(head: SimulatedSystem) -> None:
    head.set_faults(Faults(faults=(Fault(on="mkdir", match="iblock_1$", errno=errno.EIO),)))
    head.mkdir(f"{TARGET}/core/iblock_0")
    with refused(errno.EIO):
        head.mkdir(f"{TARGET}/core/iblock_1")
    assert not head.exists(f"{TARGET}/core/iblock_1")
    head.mkdir(f"{TARGET}/core/iblock_1")


def test_a_fault_counts_across_the_processes_on_a_head(head: SimulatedSystem, tmp_path: Path) -> None:
    head.set_faults(Faults(faults=(Fault(on="mkdir", nth=2, errno=errno.EIO),)))
    assert end_in(tmp_path, "head.mkdir('/tmp/a')") == 0
    with pytest.raises(OSError, match="error"):
        head.mkdir("/tmp/b")


def test_setting_no_faults_ends_them(head: SimulatedSystem) -> None:
    head.set_faults(Faults(faults=(Fault(on="*", times=0, errno=errno.EIO),)))
    with pytest.raises(OSError, match="error"):
        head.mkdir("/tmp/a")
    head.set_faults(Faults())
    head.mkdir("/tmp/a")


def test_a_star_strikes_what_changes_something_and_no_reading(head: SimulatedSystem) -> None:
    head.set_faults(Faults(faults=(Fault(on="*", times=0, errno=errno.EIO, stderr="no"),)))
    assert head.read("/sys/block/zd0/size")
    assert head.run(["zfs", "list", "-H"]).code == 0
    assert clone(head, "p1/a") == (1, "no\n")


def test_a_reading_can_be_made_to_fail_by_its_name(head: SimulatedSystem) -> None:
    head.set_faults(Faults(faults=(Fault(on="zvol_name", errno=512),)))
    with refused(512):
        head.zvol_name("/dev/zd0")
    assert head.zvol_name("/dev/zd0") == "p1/images/golden"


def test_a_full_disk_leaves_half_a_temporary_file_and_the_old_one_whole(head: SimulatedSystem) -> None:
    head.replace(FILE, "old")
    head.set_faults(Faults(faults=(Fault(on="replace", effect="half_written"),)))
    with refused(errno.ENOSPC):
        head.replace(FILE, "0123456789")
    assert head.read(FILE) == "old"
    left = [name for name in head.listdir("/etc/rtslib-fb-target") if name != "saveconfig.json"]
    assert [head.read(f"/etc/rtslib-fb-target/{name}") for name in left] == ["01234"]


@pytest.mark.parametrize(("effect", "is_done"), [("die_before", False), ("die_after", True)])
def test_a_process_dies_before_or_after_its_nth_change(
    head: SimulatedSystem, tmp_path: Path, effect: str, is_done: bool
) -> None:
    head.set_faults(Faults(faults=(Fault(on="*", nth=2, effect=effect),)))  # type: ignore[arg-type]  # the words given
    assert end_in(tmp_path, "head.mkdir('/tmp/a'); head.mkdir('/tmp/b'); head.mkdir('/tmp/c')") == -9
    assert head.listdir("/tmp") == (["a", "b"] if is_done else ["a"])
    head.mkdir("/tmp/d")  # the fault has struck


def test_a_process_can_die_in_the_middle_of_writing_a_file(head: SimulatedSystem, tmp_path: Path) -> None:
    head.replace(FILE, "old")
    head.set_faults(Faults(faults=(Fault(on="replace", effect="half_written", die=True),)))
    assert end_in(tmp_path, f"head.replace({FILE!r}, '0123')") == -9
    assert head.read(FILE) == "old"
    assert len(head.listdir("/etc/rtslib-fb-target")) == 2


def test_a_command_that_is_delayed_beyond_its_deadline_is_ended_and_has_done_nothing(head: SimulatedSystem) -> None:
    head.set_faults(Faults(delays_s={"zfs clone": 5.0}))
    output = head.run(["zfs", "clone", GOLDEN, "p1/a"], timeout_s=0.1)
    assert output.code == -9
    head.set_faults(Faults())
    assert head.run(["zfs", "list", "p1/a"]).code == 1


def test_a_delayed_operation_takes_its_time(head: SimulatedSystem) -> None:
    head.set_faults(Faults(delays_s={"mkdir": 0.1}))
    begun = head.monotonic()
    head.mkdir("/tmp/a")
    assert head.monotonic() - begun >= 0.1


def test_the_journal_has_every_change_in_order_and_nothing_that_failed(head: SimulatedSystem) -> None:
    clone(head, "p1/a")
    clone(head, "p1/a")
    with pytest.raises(FileNotFoundError):
        head.rmdir("/tmp/a")
    head.mkdir("/tmp/a")
    head.write("/sys/block/zd0/uevent", "change")
    changes = head.journal()
    assert [(change.kind, change.what) for change in changes] == [
        ("zfs clone", f"zfs clone {GOLDEN} p1/a"),
        ("mkdir", "/tmp/a"),
        ("write", "/sys/block/zd0/uevent = change"),
    ]
    assert head.journal(after=changes[1].n) == changes[2:]


def test_how_many_operations_a_fault_has_met_is_told_to_every_process(tmp_path: Path, head: SimulatedSystem) -> None:
    head.set_faults(Faults(faults=(Fault(on="zfs clone", nth=9), Fault(on="mkdir", nth=2, errno=errno.EIO))))
    head.mkdir("/tmp/a")
    with refused(errno.EIO):
        head.mkdir("/tmp/b")

    other = SimulatedSystem(tmp_path / "head", pools=["p1"])
    assert (other.met(0), other.met(1)) == (0, 2)
    other.set_faults(Faults(faults=(Fault(on="mkdir"),)))
    assert head.met() == 0
    other.close()


def test_faults_are_read_back_from_the_file_as_they_were_set() -> None:
    faults = Faults(
        faults=(Fault(on="mkdir", errno=5, match="x"),),
        delays_s={"mkdir": 0.5},
        link_delay_s=1.0,
        lost_links=LostLinks(names=("p1/x",), every=2),
    )
    assert Faults.load(faults.dump()) == faults
