"""The runner: heads side by side, tasks in order, what fails stays where it fails, and is taken back."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from lunops.connections import Session
from lunops.errors import AgentError, DeadlineError, HostKeyError, UnreachableError
from lunops.head_run import HeadRun, HeadSession, Silent, failed_keys, made_for_failed
from lunops.model import HeadPlan, Host, Item, ItemResult, Plan, RunResult, Status, Task, TaskResult
from lunops.runner import run_plan
from tests.session_double import Heads, changed, failing

MODULES = ("zfs_clone", "wait_for_device", "lio_target")


def task(number: int, module: str, keys: str = "abc") -> Task:
    items = tuple(Item(key=key, args={}) for key in keys)
    return Task(id=f"{number:02}:{module}", name=module, module=module, items=items)


def plan(*heads: str, keys: str = "abc") -> Plan:
    tasks = tuple(task(number, module, keys) for number, module in enumerate(MODULES, 1))
    return Plan(name="test", heads=tuple(HeadPlan(host=Host(name=head), tasks=tasks) for head in heads))


def statuses(result: RunResult, head: str) -> list[tuple[str, str, str]]:
    """Return each task of a head: its module, its status, and the first letters of its items' statuses."""
    return [
        (each.module, str(each.status), "".join(str(item.status)[0] for item in each.items))
        for each in result.tasks
        if each.head == head
    ]


class Recorder:
    """An observer that notes what it hears, and whether two threads ever spoke to it at once."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []
        self.overlaps = 0
        self._busy = threading.Lock()

    def _hear(self, *words: str) -> None:
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            return
        self.heard.append(words)
        self._busy.release()

    def task_started(self, head: str, task: Task) -> None:
        self._hear("started", head, task.id)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        self._hear("item", head, task.id, item.key, str(item.status))

    def task_ended(self, result: TaskResult) -> None:
        self._hear("ended", result.head, result.task_id, str(result.status))


def test_a_real_session_is_what_the_runner_needs() -> None:
    needed: type[HeadSession] = Session

    assert {"run", "undo", "cancel", "close"} <= set(dir(needed))


def test_every_head_does_its_tasks_in_order_over_one_session() -> None:
    heads = Heads()
    result = run_plan(plan("x", "y"), connect=heads.connect)

    assert Counter(heads.connected) == Counter(heads.closed) == {"x": 1, "y": 1}
    for head in ("x", "y"):
        assert [module for name, module, _, _ in heads.asked if name == head] == list(MODULES)
        assert statuses(result, head) == [(module, "changed", "ccc") for module in MODULES]
    assert result.heads == ("x", "y")
    assert result.is_changed
    assert not result.is_bad


def test_a_failed_item_leaves_the_later_tasks_and_what_was_made_for_it_is_taken_back() -> None:
    heads = Heads(answer=failing(("wait_for_device", "b")))
    result = run_plan(plan("x"), connect=heads.connect)

    assert [keys for _, _, keys, _ in heads.asked] == [("a", "b", "c"), ("a", "b", "c"), ("a", "c")]
    assert heads.undone == [("x", {"b": [["zfs_clone"]]})]
    assert statuses(result, "x") == [
        ("zfs_clone", "changed", "ccc"),
        ("wait_for_device", "failed", "cfc"),
        ("lio_target", "changed", "csc"),
        ("undo", "changed", "c"),
    ]


def test_what_was_made_by_several_tasks_is_handed_back_oldest_first() -> None:
    heads = Heads(answer=failing(("lio_target", "a"), ("lio_target", "c")))
    run_plan(plan("x"), connect=heads.connect)

    assert heads.undone == [("x", {key: [["zfs_clone"], ["wait_for_device"]] for key in "ac"})]


def test_an_item_that_fails_first_has_nothing_to_take_back() -> None:
    heads = Heads(answer=failing(("zfs_clone", "a")))
    result = run_plan(plan("x"), connect=heads.connect)

    assert heads.undone == []
    assert len(result.tasks) == 3


def test_a_task_all_of_whose_items_have_failed_is_not_sent() -> None:
    heads = Heads(answer=failing(*(("zfs_clone", key) for key in "abc")))
    result = run_plan(plan("x"), connect=heads.connect)

    assert [module for _, module, _, _ in heads.asked] == ["zfs_clone"]
    assert statuses(result, "x")[1:] == [("wait_for_device", "skipped", "sss"), ("lio_target", "skipped", "sss")]


def test_one_heads_failure_never_stops_another() -> None:
    heads = Heads(unreachable={"y": UnreachableError("no route", where="y", fix="plug it in")})
    result = run_plan(plan("x", "y", "z"), connect=heads.connect)

    assert statuses(result, "x") == statuses(result, "z") == [(module, "changed", "ccc") for module in MODULES]
    assert statuses(result, "y") == [
        ("zfs_clone", "unreachable", "uuu"),
        ("wait_for_device", "skipped", "sss"),
        ("lio_target", "skipped", "sss"),
    ]
    [first] = [each for each in result.tasks if each.head == "y" and each.module == "zfs_clone"]
    assert (first.error, first.fix) == ("no route", "plug it in")
    assert heads.undone == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnreachableError("lost"), "unreachable"),
        (HostKeyError("changed", where="x: ~/.ssh/known_hosts:3"), "unreachable"),
        (AgentError("died"), "failed"),
        (DeadlineError("silent"), "failed"),
    ],
)
def test_a_task_that_breaks_ends_its_head_and_takes_back_what_would_stay_half_made(
    error: AgentError, status: str
) -> None:
    heads = Heads(breaks={("x", "wait_for_device"): error})
    result = run_plan(plan("x", "y"), connect=heads.connect)

    assert statuses(result, "x") == [
        ("zfs_clone", "changed", "ccc"),
        ("wait_for_device", status, f"c{status[0] * 2}"),  # one item was heard of before it broke
        ("lio_target", "skipped", "sss"),
        ("undo", "changed", "ccc"),
    ]
    # "a" too: its device came, but it will never be exported
    assert heads.undone == [
        ("x", {"a": [["zfs_clone"], ["wait_for_device"]], "b": [["zfs_clone"]], "c": [["zfs_clone"]]})
    ]
    assert Counter(heads.connected) == {"x": 2, "y": 1}  # connected again to take back
    assert Counter(heads.closed) == {"x": 2, "y": 1}
    broken = next(each for each in result.tasks if each.status.is_bad)
    assert error.what in broken.error
    assert ("known_hosts" in broken.error) == isinstance(error, HostKeyError)


def test_items_that_were_done_before_the_last_task_broke_are_kept() -> None:
    heads = Heads(breaks={("x", "lio_target"): AgentError("died")})
    result = run_plan(plan("x"), connect=heads.connect)

    assert statuses(result, "x")[2] == ("lio_target", "failed", "cff")
    assert sorted(heads.undone[0][1]) == ["b", "c"]


def test_what_cannot_be_taken_back_is_a_failed_result_that_says_so() -> None:
    heads = Heads(answer=failing(("lio_target", "b")), undo_breaks=UnreachableError("lost", where="x, undo"))
    result = run_plan(plan("x"), connect=heads.connect)
    undo = result.tasks[-1]

    assert (undo.module, undo.status, [item.key for item in undo.items]) == ("undo", Status.FAILED, ["b"])
    assert "not taken back: lost" in undo.items[0].error
    assert undo.items[0].fix


def test_check_mode_reaches_the_agent_and_takes_nothing_back() -> None:
    heads = Heads(answer=failing(("lio_target", "b")))
    result = run_plan(plan("x"), connect=heads.connect, check=True)

    assert all(check for *_, check in heads.asked)
    assert heads.undone == []
    assert result.check


def test_the_observer_hears_everything_in_order_and_from_one_thread_at_a_time() -> None:
    recorder = Recorder()
    names = [f"h{number}" for number in range(8)]
    run_plan(plan(*names, keys="ab"), connect=Heads().connect, observer=recorder, forks=8)

    assert recorder.overlaps == 0
    for name in names:
        heard = [(what, *rest) for what, head, *rest in recorder.heard if head == name]
        assert heard == [
            word
            for number, module in enumerate(MODULES, 1)
            for word in (
                ("started", f"{number:02}:{module}"),
                ("item", f"{number:02}:{module}", "a", "changed"),
                ("item", f"{number:02}:{module}", "b", "changed"),
                ("ended", f"{number:02}:{module}", "changed"),
            )
        ]


def test_the_observer_hears_of_items_whose_outcome_is_unknown() -> None:
    recorder = Recorder()
    heads = Heads(breaks={("x", "zfs_clone"): AgentError("died")})
    run_plan(plan("x"), connect=heads.connect, observer=recorder)

    ended = [(key, status) for what, _, identity, key, status in (w for w in recorder.heard if w[0] == "item")]
    assert ended == [("a", "changed"), ("b", "failed"), ("c", "failed")]


def test_no_more_heads_run_at_once_than_there_are_forks() -> None:
    lock, running, most = threading.Lock(), set[str](), [0]
    gate = threading.Barrier(2, timeout=30)

    def answer(task: Task, item: Item) -> ItemResult:
        with lock:
            running.add(threading.current_thread().name)
            most[0] = max(most[0], len(running))
        if item.key == "a" and task.module == "zfs_clone":
            gate.wait()  # two heads are needed to get through, so two do run side by side
        with lock:
            running.discard(threading.current_thread().name)
        return changed(task, item)

    result = run_plan(plan("w", "x", "y", "z"), connect=Heads(answer=answer).connect, forks=2)

    assert not result.is_bad
    assert most[0] == 2


def test_waiting_for_a_turn_is_part_of_a_heads_first_task() -> None:
    result = run_plan(plan("x", "y"), connect=Heads().connect, forks=1)
    later = [each for each in result.tasks if each.head == "y"]

    assert later[0].times.wait_s > 0
    assert later[0].times.total_s == pytest.approx(1.0 + later[0].times.wait_s)
    assert later[1].times.wait_s == 0


def cancelled_at_the_first_item(plan: Plan, heads: Heads) -> RunResult:
    """Run a plan on heads that hold, and cancel it once the first one does."""
    cancelled = threading.Event()

    def cancel_when_it_holds() -> None:
        assert heads.holding.wait(30)
        cancelled.set()

    helper = threading.Thread(target=cancel_when_it_holds)
    helper.start()
    result = run_plan(plan, connect=heads.connect, forks=1, cancelled=cancelled)
    helper.join()
    return result


def test_cancelling_ends_between_two_items_and_accounts_for_all_tasks() -> None:
    heads = Heads(hold=threading.Event())
    result = cancelled_at_the_first_item(plan("x", "y"), heads)

    assert statuses(result, "x") == [
        ("zfs_clone", "changed", "css"),
        ("wait_for_device", "skipped", "sss"),
        ("lio_target", "skipped", "sss"),
    ]
    assert [status for _, status, _ in statuses(result, "y")] == ["skipped"] * 3
    assert heads.connected == heads.closed == ["x"]
    assert heads.undone == []  # what was made is not failed: the next run goes on from it


def test_a_bug_is_raised_when_all_heads_have_ended() -> None:
    def answer(task: Task, item: Item) -> ItemResult:
        if item.key == "b":
            raise ZeroDivisionError("a bug")
        return changed(task, item)

    heads = Heads(answer=answer)
    with pytest.raises(ZeroDivisionError):
        run_plan(plan("x", "y"), connect=heads.connect, forks=1)

    assert heads.closed == ["x", "y"]


def test_a_head_run_resumed_from_stored_results_takes_back_by_them_alone() -> None:
    """The job engine may take back in another process than the one that ran the tasks."""
    heads = Heads(answer=failing(("wait_for_device", "b")))
    first = HeadRun(Host(name="x"), connect=heads.connect, observer=Silent())
    results = [first.task(task(number, module), without=frozenset()) for number, module in enumerate(MODULES[:2], 1)]
    first.close()
    second = HeadRun(Host(name="x"), connect=heads.connect, observer=Silent())
    undone = second.take_back(results)
    second.close()

    assert failed_keys(results) == {"b"}
    assert made_for_failed(results) == {"b": [["zfs_clone"]]}
    assert undone is not None
    assert undone.task_id == "03:undo"
    assert second.take_back(results[:1]) is None
    assert heads.connected == heads.closed == ["x", "x"]
