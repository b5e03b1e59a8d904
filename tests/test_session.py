"""Sessions, held over real pipes to agents that behave well and badly."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lunops.connections.base import Timeouts
from lunops.connections.events import Lines
from lunops.connections.process import ProcessChannel
from lunops.connections.session import Session
from lunops.errors import AgentError, DeadlineError, UnreachableError
from lunops.model import Host, Item, ItemResult, Status, Task

SCRIPT = Path(__file__).parent / "support" / "scripted_agent.py"
QUICK = Timeouts(hello_s=20, idle_s=1.0, margin_s=0.5, send_s=5, close_s=0.3)
PATIENT = Timeouts()
HEAD = Host(name="jbod-01", connection="local")
TASK = Task(
    id="02:wait_for_device",
    name="wait for the disks",
    module="wait_for_device",
    items=(Item(key="p/1", args={"dataset": "p/1"}), Item(key="p/2", args={"dataset": "p/2"})),
)
WHERE = "jbod-01, task 02:wait_for_device wait for the disks"
Open = Callable[..., Session]


@pytest.fixture
def session_with() -> Iterator[Open]:
    sessions: list[Session] = []

    def open_one(way: str, timeouts: Timeouts = PATIENT) -> Session:
        channel = ProcessChannel([sys.executable, str(SCRIPT), way], send_s=timeouts.send_s, close_s=timeouts.close_s)
        session = Session(HEAD, channel, timeouts=timeouts)
        sessions.append(session)
        return session

    yield open_one
    for session in sessions:
        session.close()


def test_a_session_knows_who_answers(session_with: Open) -> None:
    session = session_with("good")
    assert (session.hello.hostname, session.hello.protocol) == ("scripted", 1)
    assert session.connect_s > 0


def test_a_task_comes_back_with_its_items_and_each_is_told_as_it_ends(session_with: Open) -> None:
    told: list[ItemResult] = []
    result = session_with("good").run(TASK, on_item=told.append)
    assert (result.head, result.task_id, result.name, result.module) == (
        "jbod-01",
        "02:wait_for_device",
        "wait for the disks",
        "wait_for_device",
    )
    assert result.status is Status.CHANGED
    assert [item.key for item in result.items] == ["p/1", "p/2"]
    assert told == list(result.items)


def test_the_times_of_a_task_add_up_and_only_the_first_one_has_the_connecting(session_with: Open) -> None:
    session = session_with("good")
    first, second = session.run(TASK).times, session.run(TASK).times
    assert first.connect_s == session.connect_s
    assert second.connect_s == 0
    for times in (first, second):
        # The script says 0.5 s with 0.125 s of waiting in it, though it took less: nothing is negative then.
        assert (times.wait_s, times.run_s, times.transfer_s) == (0.125, 0.375, 0.0)
        assert times.total_s > times.connect_s


def test_what_the_controller_saw_beyond_the_agents_seconds_is_transfer(session_with: Open) -> None:
    times = session_with("alive-then-answers").run(TASK).times
    parts = times.wait_s + times.connect_s + times.run_s + times.transfer_s
    assert times.transfer_s > 0.5
    assert parts == pytest.approx(times.total_s)


def test_failed_items_are_in_the_result_in_the_tasks_order_and_raise_nothing(session_with: Open) -> None:
    result = session_with("items-fail").run(TASK)
    assert result.status is Status.FAILED
    assert result.error == ""
    assert result.items == (
        ItemResult(
            key="p/1",
            status=Status.FAILED,
            error="no",
            fix="do",
            rolled_back=("a",),
            left_behind=("b",),
            seconds=1.5,
        ),
        ItemResult(key="p/2", status=Status.CHANGED, changes=("c", "d"), made=({"dataset": "p/x"},)),
    )


def test_an_error_of_the_whole_task_makes_it_failed_and_other_tasks_events_are_not_its_own(
    session_with: Open,
) -> None:
    task = Task(id="01:zfs_clone", name="clone", module="zfs_clone", items=TASK.items[:1])
    result = session_with("task-error").run(task)
    assert (result.status, result.error, result.fix) == (Status.FAILED, "no zfs here", "install it")


def test_a_task_whose_items_were_all_skipped_is_skipped_and_an_empty_one_is_ok(session_with: Open) -> None:
    session = session_with("skips")
    assert session.run(TASK).status is Status.SKIPPED
    assert session.run(Task(id="03:x", name="x", module="x", items=())).status is Status.OK


def test_undo_sends_what_was_made_and_returns_the_items(session_with: Open) -> None:
    items = session_with("good").undo("01:zfs_clone", {"p/1": [{"dataset": "p/1"}]})
    assert [(item.key, item.status) for item in items] == [("p/1", Status.CHANGED)]


def test_events_may_come_in_any_pieces(session_with: Open) -> None:
    task = Task(id="01:x", name="x", module="x", items=TASK.items[:1])
    assert session_with("pieces").run(task).status is Status.OK


def test_big_answers_and_unknown_events_are_taken(session_with: Open) -> None:
    result = session_with("talks-big").run(TASK)
    assert [len(item.changes[0]) for item in result.items] == [3 << 20] * 2


def test_an_agent_that_talks_before_it_has_heard_all_does_not_deadlock(session_with: Open) -> None:
    big = Item(key="p/1", args={"text": "w" * (8 << 20)})
    assert session_with("talks-while-listening").run(Task(id="01:x", name="x", module="x", items=(big,))).status is (
        Status.CHANGED
    )


def test_a_flood_on_stderr_does_not_block_the_agent(session_with: Open) -> None:
    session = session_with("floods-stderr")
    assert session.run(TASK).status is Status.CHANGED


def test_late_is_not_lost_while_the_agent_says_that_it_is_alive(session_with: Open) -> None:
    assert session_with("alive-then-answers", QUICK).run(TASK).status is Status.CHANGED


def test_silence_ends_in_an_error_that_names_head_and_task(session_with: Open) -> None:
    session = session_with("freezes", QUICK)
    with pytest.raises(DeadlineError, match="nothing was heard of the agent for 1 s") as caught:
        session.run(TASK)
    assert caught.value.where == WHERE
    assert "outcome is unknown" in caught.value.fix


def test_a_task_that_does_not_end_is_given_up_at_its_timeout_and_the_margin(session_with: Open) -> None:
    session = session_with("alive-for-ever", QUICK)
    slow = Task(id="01:x", name="x", module="x", items=TASK.items, timeout_s=0.5)
    with pytest.raises(DeadlineError, match="did not end within its timeout"):
        session.run(slow)


@pytest.mark.parametrize(
    ("way", "what"),
    [
        ("dies", "ended in the middle, with exit code 3; its last words: Segmentation fault, or so"),
        ("is-killed", "ended in the middle, by signal 9"),
        ("leaves-a-child", "ended in the middle, with exit code 4"),
        ("rubbish", "what is not in the protocol: 'Killed by the weather'"),
        ("endless-line", "a line without end: 'aaa"),
        ("error-event", "could not take what it was sent: no such module"),
        ("stranger", "an item that it was not given, or twice: 'p/stranger'"),
        ("twice", "an item that it was not given, or twice: 'p/1'"),
        ("missing", "said nothing of 1 items, 'p/1' the first"),
        ("bad-status", 'in a wrong way: .*"perhaps"'),
    ],
)
def test_an_agent_that_breaks_the_protocol_is_an_error_with_its_place(session_with: Open, way: str, what: str) -> None:
    session = session_with(way, Timeouts(idle_s=5, close_s=0.3))
    with pytest.raises(AgentError, match=what) as caught:
        session.run(TASK)
    assert caught.value.where == WHERE
    assert "outcome is unknown" in caught.value.fix


def test_a_broken_session_says_so_when_it_is_used_again(session_with: Open) -> None:
    session = session_with("dies")
    with pytest.raises(AgentError):
        session.run(TASK)
    with pytest.raises(UnreachableError, match=r"of no more use: .*exit code 3"):
        session.run(TASK)
    session.cancel()


def test_a_closed_session_says_so_when_it_is_used_again(session_with: Open) -> None:
    session = session_with("good")
    session.close()
    session.close()
    with pytest.raises(UnreachableError, match="it was closed"):
        session.undo("01:x", {})


def test_an_agent_that_died_between_two_tasks_is_found_by_the_next(session_with: Open) -> None:
    session = session_with("good")
    os.kill(session.hello.pid, 9)
    with pytest.raises((AgentError, UnreachableError)) as caught:
        session.run(TASK)
    assert caught.value.where == WHERE


def test_an_observer_that_raises_breaks_the_session_and_is_heard(session_with: Open) -> None:
    session = session_with("good")

    def angry(item: ItemResult) -> None:
        raise ZeroDivisionError(item.key)

    with pytest.raises(ZeroDivisionError, match="p/1"):
        session.run(TASK, on_item=angry)
    with pytest.raises(UnreachableError, match="of no more use"):
        session.run(TASK)


def test_cancel_from_another_thread_skips_what_was_not_begun(session_with: Open) -> None:
    session = session_with("cancelled")
    session.cancel()  # nothing runs: nothing is sent, else the script would take it for its task

    def cancel_soon(_: ItemResult) -> None:
        if not threads:
            threads.append(threading.Thread(target=session.cancel))
            threads[0].start()

    threads: list[threading.Thread] = []
    result = session.run(TASK, on_item=cancel_soon)
    threads[0].join(10)
    assert [item.status for item in result.items] == [Status.OK, Status.SKIPPED]


def test_a_session_takes_no_second_task_beside_the_first_which_goes_on(session_with: Open) -> None:
    session = session_with("good")
    refused: list[str] = []

    def run_another(_: ItemResult) -> None:
        with pytest.raises(RuntimeError, match="takes no second task") as caught:
            session.run(TASK)
        refused.append(str(caught.value))

    assert session.run(TASK, on_item=run_another).status is Status.CHANGED
    assert len(refused) == 2
    assert session.run(TASK).status is Status.CHANGED


def test_what_the_shell_prints_before_hello_is_put_up_with(session_with: Open) -> None:
    assert session_with("banner").run(TASK).status is Status.CHANGED


@pytest.mark.parametrize("way", ["endless-banner", "endless-banner-line"])
def test_too_much_before_hello_is_named(session_with: Open, way: str) -> None:
    with pytest.raises(AgentError, match="'Welcome") as caught:
        session_with(way, QUICK)
    assert caught.value.where == "jbod-01"
    assert "~/.bashrc" in caught.value.fix


@pytest.mark.parametrize(
    ("way", "error", "what"),
    [
        ("protocol-2", AgentError, "does not speak protocol 1: it said .*protocol.*2"),
        ("half-a-hello", AgentError, "hello is not whole"),
        ("no-hello", DeadlineError, "said nothing within 1 s; heard: your password:"),
        ("ends-at-once", AgentError, "before its first word, with exit code 0; on stderr: no room for python here"),
    ],
)
def test_an_agent_that_does_not_introduce_itself_is_refused(
    session_with: Open, way: str, error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        session_with(way, Timeouts(hello_s=1 if way == "no-hello" else 20, close_s=0.3))


def test_close_ends_an_agent_that_neither_its_input_nor_term_can_end(session_with: Open) -> None:
    session = session_with("deaf", QUICK)
    session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(session.hello.pid, 0)


def test_too_much_noise_is_named_also_when_it_comes_at_once_with_the_hello_at_its_end() -> None:
    with pytest.raises(AgentError, match="'Welcome"):
        Lines().feed(b"Welcome " * 20000 + b'{"event": "hello"}\n')
