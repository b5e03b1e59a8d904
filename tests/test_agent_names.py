"""The names that a session works on are its own until it ends, on the real system's locks and the simulated one's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lunops.agent import changed_names, undo
from lunops.agent.names import Names
from lunops.agent.outcome import Busy
from lunops.agent.registry import MODULES
from lunops.agent.system import System
from lunops.agent.work import Item, Work
from lunops.sim.head import SimulatedSystem

_OTHER = """
import sys, time
from lunops.agent.name_locks import NameLocks
locks = NameLocks(sys.argv[1])
print(all(locks.take(name) for name in sys.argv[2:]), flush=True)
time.sleep(60)
"""


class OnFile(System):
    """The real system, but that its file of locks is the test's."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def name_locks(self, path: str) -> object:  # type: ignore[override]
        assert path.startswith("/run/lock/")
        return super().name_locks(str(self.file))


def work(system: System, *, check: bool = False) -> Work:
    return Work(system, lambda *_: None, check=check)


def items(*keys: str) -> list[Item]:
    args = {"src": "p/golden@1", "fragment": {}, "made": []}
    return [Item(key, {**args, "dst": key, "dataset": key, "wwn": key}) for key in keys]


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[Callable[[], SimulatedSystem]]:
    made: list[SimulatedSystem] = []

    def make() -> SimulatedSystem:
        made.append(SimulatedSystem(tmp_path / "h.sim", pools=["p"]))
        return made[-1]

    yield make
    for system in made:
        system.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(tmp_path / "names"), "p/a", "p/c"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


def test_an_item_whose_name_another_process_holds_is_busy_and_says_who(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    system = OnFile(tmp_path / "names")
    names = Names(system)
    busy = names.take("zfs_clone", work(system), items("p/a", "p/b"), 0.0)
    assert list(busy) == ["p/a"]
    assert isinstance(busy["p/a"], Busy)
    assert f"pid {other.pid} (" in busy["p/a"].what
    assert "another run is at p/a" in busy["p/a"].what
    names.release()


def test_the_names_of_a_process_that_is_killed_are_free_at_once(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    system = OnFile(tmp_path / "names")
    names = Names(system)
    threading.Timer(0.3, lambda: os.kill(other.pid, signal.SIGKILL)).start()
    assert names.take("zfs_destroy", work(system), items("p/a"), 30.0) == {}
    names.release()


def test_sessions_within_one_process_exclude_each_other_on_a_simulated_head(
    systems: Callable[[], SimulatedSystem],
) -> None:
    one, two = systems(), systems()
    mine, theirs = Names(one), Names(two)
    assert mine.take("zfs_clone", work(one), items("p/a"), 0.0) == {}
    assert mine.take("lio_target", work(one), items("p/a"), 0.0) == {}  # it is mine already
    assert list(theirs.take("zfs_destroy", work(two), items("p/a", "p/b"), 0.0)) == ["p/a"]
    mine.release()
    assert theirs.take("zfs_destroy", work(two), items("p/a"), 0.0) == {}
    theirs.release()


def test_what_only_looks_is_nobodys_and_an_undo_is_never_refused(systems: Callable[[], SimulatedSystem]) -> None:
    one, two = systems(), systems()
    mine, theirs = Names(one), Names(two)
    mine.take("zfs_clone", work(one), items("p/a"), 0.0)
    assert theirs.take("zfs_list", work(two), items("p/a"), 0.0) == {}
    assert theirs.take("command", work(two), items("p/a"), 0.0) == {}
    assert theirs.take("zfs_destroy", work(two, check=True), items("p/a"), 0.0) == {}
    assert theirs.take("undo", work(two), items("p/a"), 0.0) == {}
    mine.release()
    theirs.release()


def test_another_session_of_the_same_run_may_have_its_names(systems: Callable[[], SimulatedSystem]) -> None:
    one, two = systems(), systems()
    mine, theirs = Names(one), Names(two)
    mine.take("zfs_clone", work(one), items("p/a"), 0.0, ["run-1"])
    assert theirs.take("zfs_destroy", work(two), items("p/a"), 0.0, ["run-1"]) == {}
    assert list(theirs.take("zfs_destroy", work(two), items("p/a"), 0.0, ["run-2"])) == ["p/a"]
    mine.release()
    theirs.release()


def test_who_waits_is_heard_of_meanwhile(systems: Callable[[], SimulatedSystem]) -> None:
    one, two = systems(), systems()
    mine, theirs = Names(one), Names(two)
    mine.take("zfs_clone", work(one), items("p/a"), 0.0)
    heard: list[bool] = []
    theirs.take("zfs_clone", work(two), items("p/a"), 2.5, waiting=lambda: heard.append(True))
    assert heard
    mine.release()
    theirs.release()


def test_a_cancelled_task_waits_no_longer(systems: Callable[[], SimulatedSystem]) -> None:
    one, two = systems(), systems()
    mine, theirs = Names(one), Names(two)
    mine.take("zfs_clone", work(one), items("p/a"), 0.0)
    waiting = work(two)
    threading.Timer(0.2, waiting.cancelled.set).start()
    assert list(theirs.take("zfs_clone", waiting, items("p/a"), 3600.0)) == ["p/a"]
    mine.release()
    theirs.release()


def test_two_that_want_the_same_names_in_another_order_both_get_them_in_turn(
    systems: Callable[[], SimulatedSystem],
) -> None:
    names = [f"p/{number}" for number in range(20)]
    refused: list[object] = []

    def take(order: list[str]) -> None:
        for _ in range(10):
            system = systems()
            mine = Names(system)
            refused.append(mine.take("zfs_clone", work(system), items(*order), 60.0))
            mine.release()

    threads = [threading.Thread(target=take, args=(order,)) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == [{}] * 20


# What these change, if anything, is no dataset and no target.
NAMELESS = {
    *("boot_order", "command", "copy", "doctor", "drift", "facts", "file", "lio_discovery", "sessions", "setup"),
    *("shell", "stat", "state", "template", "wait_for", "wait_for_device", "zfs_list", "zfs_send"),
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_says_which_names_it_changes_or_is_known_to_change_none(module: str) -> None:
    assert (module in changed_names.MODULES) is (module not in NAMELESS)


@pytest.mark.parametrize("kind", sorted(undo.KINDS))
def test_every_step_that_is_taken_back_says_how_many_names_it_has_or_is_known_to_have_none(kind: str) -> None:
    nameless = {"boot_file", "discovery", "parent", "path", "tree", "unit_enabled"}
    assert (kind in changed_names._NAMES_OF_STEP) is (kind not in nameless)


@pytest.mark.parametrize(
    ("module", "args", "expected"),
    [
        ("zfs_clone", {"src": "p/g@1", "dst": "p/x", "marks": {"lunops:lun": "iqn.x"}}, {"p/x", "iqn.x"}),
        ("zfs_rename", {"src": "p/old", "dst": "p/x"}, {"p/x", "p/old"}),
        ("zfs_promote", {"dataset": "p/x", "in_place_of": "p/old"}, {"p/x", "p/old"}),
        ("zfs_snapshot", {"snapshots": ["p/x@1", "p/y@1"]}, {"p/x", "p/x@1", "p/y@1"}),
        ("zfs_rollback", {"snapshot": "p/z@1"}, {"p/x", "p/z@1", "p/z"}),
        ("zfs_destroy", {"snapshot": "p/x"}, {"p/x"}),
        ("zfs_receive", {"src": "p/g", "dst": "p/x"}, {"p/x"}),
        ("lio_absent", {"dataset": "p/x", "wwn": "iqn.x"}, {"p/x", "iqn.x"}),
        (
            "lio_fragment",
            {
                "dataset": "",
                "wwn": "iqn.x",
                "fragment": {"storage_objects": [{"dev": "/dev/zvol/p/y"}, {"dev": "/srv/a"}]},
            },
            {"p/x", "p/y", "iqn.x"},
        ),
        ("lun", {"lio_absent": {"dataset": "p/x", "wwn": "iqn.x"}, "wait_for_device": {}}, {"p/x", "iqn.x"}),
        ("reconcile", {"lun": "", "force": []}, {"p/x"}),
        ("zfs_list", {"dataset": "p/x"}, set()),
        (
            "undo",
            {"made": [["rename", "p/old", "p/x", "7"], ["snapshot", ["p/y@1"], "run", {}], ["parent", "p", "run"]]},
            {"p/x", "p/old", "p/y@1"},
        ),
    ],
)
def test_the_names_of_an_item_are_those_that_it_changes(module: str, args: dict[str, Any], expected: set[str]) -> None:
    assert changed_names.changed_names(module, Item("p/x", args)) == expected


def test_where_the_file_cannot_be_made_the_work_is_done_all_the_same(tmp_path: Path) -> None:
    system = OnFile(tmp_path / "nothing" / "names")
    assert Names(system).take("zfs_clone", work(system), items("p/a"), 0.0) == {}


def test_two_runs_of_one_lun_at_once_wait_for_each_other_and_end_well(tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("h connection=sim pools=p state=h.sim\n")
    (tmp_path / "play.yml").write_text(
        "- hosts: all\n  tasks:\n    - lun: {src: p/images/golden@1, dst: p/a, wwn: 'iqn.2024-01.org.example:a',"
        " initiators: ['iqn.2024-01.org.example:boot'], create_parent: true}\n    - shell: sleep 0.5\n"
    )
    head = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "lunops", "run", str(tmp_path / "play.yml"), "-i", str(tmp_path / "inventory")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=90)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum(change.kind == "zfs clone" for change in head.journal()) == 1
    head.close()
