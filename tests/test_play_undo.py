"""Plays that are all or nothing: whatever fails on any head, all heads take back all that the play made."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from lunops.errors import AgentError, UnreachableError
from lunops.inventory import parse
from lunops.model import RunResult
from lunops.planner.prepare import prepare
from lunops.play.engine import run_playbook
from lunops.play.run_state import Options
from lunops.playbook.reader import read_playbook
from lunops.render import Templates
from tests.session_double import Heads, failing

ITEMS = {"x": ["p/a", "p/b"], "y": ["q/c", "q/d"]}
TASKS = {
    "zfs_clone": 'zfs_clone: {src: "{{ pools[0] }}/g@1", dst: "{{ item }}"}',
    "wait_for_device": 'wait_for_device: {dataset: "{{ item }}"}',
    "zfs_promote": 'zfs_promote: {dataset: "{{ item }}"}',
}


def run(
    heads: Heads,
    *plays: tuple[str, ...],
    undone: int = 0,
    limit: str = "all",
    check: bool = False,
    forks: int = 8,
    cancelled: threading.Event | None = None,
) -> RunResult:
    """Run plays of these modules over each head's items; the one of the number `undone` is all or nothing."""
    inventory = parse("x pools=p\ny pools=q", Path("inventory"))
    text = "".join(
        f"- name: play {number}\n  hosts: {limit}\n"
        + "  on_failure: undo\n" * (number == undone)
        + "  tasks:\n"
        + "".join(f'    - {TASKS[module]}\n      loop: "{{{{ mine[inventory_hostname] }}}}"\n' for module in modules)
        for number, modules in enumerate(plays)
    )
    prepared = prepare(
        read_playbook(text, "plan.yml"), inventory, templates=Templates({}), extra={"mine": ITEMS}, run="r"
    )
    return run_playbook(
        prepared,
        inventory,
        connect=heads.connect,
        options=Options(check=check, forks=forks, extra={"mine": ITEMS}, run="r"),
        templates=Templates({}),
        cancelled=cancelled,
    )


def statuses(result: RunResult, head: str) -> list[tuple[str, str, str]]:
    """Return each task of a head: its module, its status, and the first letters of its items' statuses."""
    return [
        (each.module, str(each.status), "".join(str(item.status)[0] for item in each.items))
        for each in result.tasks
        if each.head == head
    ]


THREE = (("zfs_clone",), ("wait_for_device",), ("zfs_promote",))


def test_a_play_that_fails_on_one_head_is_taken_back_on_all_of_them() -> None:
    heads = Heads(answer=failing(("wait_for_device", "q/d")))
    result = run(heads, *THREE, undone=1, forks=1)

    assert statuses(result, "x") == [
        ("zfs_clone", "changed", "cc"),  # of an earlier play, which keeps what worked
        ("wait_for_device", "changed", "cc"),
        ("undo", "changed", "cc"),
    ]
    assert statuses(result, "y")[1:] == [("wait_for_device", "failed", "cf"), ("undo", "changed", "c")]
    assert sorted(heads.undone, key=str) == [
        ("x", {"p/a": [["wait_for_device"]], "p/b": [["wait_for_device"]]}),
        ("y", {"q/c": [["wait_for_device"]]}),
    ]
    assert Counter(heads.connected) == Counter(heads.closed) == {"x": 1, "y": 1}


def test_the_last_task_is_taken_back_first() -> None:
    heads = Heads(answer=failing(("zfs_promote", "p/b")))
    result = run(heads, ("zfs_clone", "wait_for_device", "zfs_promote"), limit="x")

    assert [(one.task_id, one.name) for one in result.tasks[3:]] == [
        ("04:undo", "Take back: zfs_promote"),
        ("05:undo", "Take back: wait_for_device"),
        ("06:undo", "Take back: zfs_clone"),
    ]
    assert [made for _head, made in heads.undone] == [
        {"p/a": [["zfs_promote"]]},
        {"p/a": [["wait_for_device"]], "p/b": [["wait_for_device"]]},
        {"p/a": [["zfs_clone"]], "p/b": [["zfs_clone"]]},
    ]


def test_a_play_that_works_is_kept_and_the_next_one_follows() -> None:
    heads = Heads()
    result = run(heads, *THREE)

    assert heads.undone == []
    for head in ("x", "y"):
        assert statuses(result, head) == [(module, "changed", "cc") for (module,) in THREE]


def test_such_a_play_does_not_begin_after_a_failure() -> None:
    heads = Heads(unreachable={"y": UnreachableError("no route")})
    result = run(heads, *THREE, undone=1)

    assert statuses(result, "x") == [("zfs_clone", "changed", "cc")]
    assert heads.undone == []


def test_a_head_that_is_lost_takes_the_others_back_too() -> None:
    heads = Heads(breaks={("y", "zfs_clone"): AgentError("died")})
    run(heads, *THREE, forks=1)

    # Of the one that was not heard of, the clone is asked for by the run's mark: it may have been made.
    assert ("x", {"p/a": [["zfs_clone"]], "p/b": [["zfs_clone"]]}) in heads.undone
    [taken] = [made for head, made in heads.undone if head == "y"]
    assert taken["q/c"] == [["zfs_clone"]]
    assert [entry[:3] for entry in taken["q/d"]] == [("perhaps", "q/d", "r")]
    assert Counter(heads.connected) == {"x": 1, "y": 2}


def test_a_play_that_is_interrupted_is_taken_back() -> None:
    heads = Heads(hold=threading.Event())
    cancelled = threading.Event()

    def cancel_when_it_holds() -> None:
        assert heads.holding.wait(30)
        cancelled.set()

    helper = threading.Thread(target=cancel_when_it_holds)
    helper.start()
    run(heads, *THREE, limit="x", cancelled=cancelled)
    helper.join()

    assert heads.undone == [("x", {"p/a": [["zfs_clone"]]})]


def test_in_check_mode_nothing_is_taken_back() -> None:
    heads = Heads(answer=failing(("zfs_clone", "p/b")))
    run(heads, *THREE, limit="x", check=True)

    assert heads.undone == []
