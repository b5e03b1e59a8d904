"""The parts of the engine, each by itself: forks, batches, sessions, the journal; and how much is asked of heads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import AgentError, PlaybookError
from lunops.inventory import Inventory, parse
from lunops.model import Host, Item, ItemResult, Json, RunResult, Status, Task, TaskResult, Times
from lunops.planner.prepare import prepare
from lunops.play import journal_file
from lunops.play.batches import batches, ordered
from lunops.play.engine import run_playbook
from lunops.play.forks import Forks
from lunops.play.journal_file import FileJournal
from lunops.play.observer import SilentPlay
from lunops.play.reach import Reach
from lunops.play.run_state import Options
from lunops.play.state import Done, Effects, Made
from lunops.playbook.reader import read_playbook
from lunops.render import Templates
from tests.session_double import FakeSession, Heads, changed, failing

# forks


def forks(most: int) -> Forks:
    return Forks(most, cancelled=threading.Event(), cancel=lambda: None)


class AtOnce:
    """Counts how many are inside of it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __call__(self, thing: int) -> int:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
        return thing * 2


@pytest.mark.parametrize(("most", "throttle", "expected"), [(4, 0, 4), (4, 2, 2), (2, 8, 2), (1, 0, 1)])
def test_no_more_heads_work_at_once_than_there_are_forks_and_than_the_throttle_lets(
    most: int, throttle: int, expected: int
) -> None:
    inside = AtOnce()
    pool = forks(most)

    assert pool.each(range(8), inside, most=throttle) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert inside.most == expected
    pool.close()


def test_what_goes_wrong_in_one_fork_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []

    def do(number: int) -> None:
        if number == 0:
            raise ValueError("zero")
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(ValueError, match="zero"):
        forks(4).each(range(4), do)
    assert sorted(ended) == [1, 2, 3]


def test_within_a_fork_things_are_done_one_after_the_other() -> None:
    pool, inside = forks(4), AtOnce()

    assert pool.each([1], lambda _one: pool.each(range(3), inside)) == [[0, 2, 4]]
    assert inside.most == 1


def test_while_something_runs_a_cancelled_run_is_cancelled_again_and_again() -> None:
    cancelled, over = threading.Event(), threading.Event()
    told: list[float] = []

    def cancel() -> None:
        told.append(time.monotonic())
        if len(told) == 2:
            over.set()

    cancelled.set()
    Forks(1, cancelled=cancelled, cancel=cancel).each([1], lambda _one: over.wait(10))
    assert len(told) == 2


# batches


@given(
    count=st.integers(0, 60),
    serial=st.lists(st.one_of(st.integers(1, 70), st.integers(1, 100).map(lambda share: f"{share}%")), max_size=4),
)
def test_the_batches_are_all_heads_in_order_and_none_is_bigger_than_it_may_be(count: int, serial: list[Json]) -> None:
    heads = list(range(count))
    found = batches(heads, serial, "here")

    assert [head for batch in found for head in batch] == heads
    assert all(found) or not heads
    for place, batch in enumerate(found):
        size = serial[min(place, len(serial) - 1)] if serial else count
        most = max(1, int(size[:-1]) * count // 100) if isinstance(size, str) else size
        assert len(batch) == most or (place == len(found) - 1 and len(batch) <= most)


def test_a_share_of_heads_is_rounded_down_but_is_at_least_one() -> None:
    assert [len(batch) for batch in batches(list(range(7)), ["10%", "50%"], "here")] == [1, 3, 3]
    assert [len(batch) for batch in batches(list(range(10)), ["29%"], "here")] == [2, 2, 2, 2, 2]


def test_a_size_that_is_none_is_refused_with_its_place() -> None:
    with pytest.raises(PlaybookError, match="'many' is no number of heads") as caught:
        batches([1, 2], ["many"], "p.yml:3:5, serial")
    assert caught.value.where == "p.yml:3:5, serial"


def test_heads_are_ordered_as_the_play_says() -> None:
    names = ["b", "c", "a"]
    assert {order: ordered(names, order, names) for order in ("inventory", "sorted", "reverse_inventory")} == {
        "inventory": ["b", "c", "a"],
        "sorted": ["a", "b", "c"],
        "reverse_inventory": ["a", "c", "b"],
    }
    assert ordered(names, "reverse_sorted", names) == ["c", "b", "a"]


# reach


def reach(heads: Heads, *, check: bool = False) -> Reach:
    return Reach(heads.connect, SilentPlay(), check=check, is_stopped=lambda: False, for_lio=False, hosts=dict(HOSTS))


HOSTS = {name: Host(name=name) for name in ("a", "b", "c")}


def a_task(module: str, *keys: str) -> Task:
    return Task(id=f"01:{module}", name=module, module=module, items=tuple(Item(key=key, args={}) for key in keys))


def do(there: Reach, owner: str, host: str, task: Task, turn: str) -> TaskResult:
    result = there.run(HOSTS[host], task, owner=owner, without=frozenset(), check=False)
    there.keep(owner, turn, Made(host=host, result=result))
    return result


def test_tasks_that_are_delegated_to_one_head_wait_for_each_other_and_share_its_session() -> None:
    heads = Heads()
    inside = AtOnce()

    def answer(task: Task, item: Item) -> ItemResult:
        inside(1)
        return changed(task, item)

    heads.answer = answer
    there = reach(heads)
    forks(3).each(["a", "b", "c"], lambda owner: do(there, owner, "c", a_task("zfs_clone", owner), "1"))

    assert inside.most == 1
    assert heads.connected == ["c"]


def test_what_was_made_for_a_head_on_another_is_taken_back_there_and_the_others_keep_theirs() -> None:
    heads = Heads()
    there = reach(heads)
    do(there, "a", "c", a_task("zfs_clone", "x"), "1")
    do(there, "b", "c", a_task("zfs_clone", "x"), "1")
    do(there, "a", "a", a_task("zfs_clone", "x", "y"), "2")

    undone = there.take_back("a", {"x"}, 9)

    assert heads.undone == [("a", {"x": [["zfs_clone"]]}), ("c", {"x": [["zfs_clone"]]})]
    assert [(each.head, each.delegate, each.task_id) for each in undone] == [
        ("a", "", "09:undo"),
        ("a", "c", "10:undo"),
    ]
    assert there.take_back("a", {"x"}, 9) == [], "what was taken back is not taken back again"


def test_with_a_lun_its_snapshots_are_taken_back_and_nothing_of_modules_that_are_not_about_luns() -> None:
    heads = Heads()
    there = reach(heads)
    do(there, "a", "a", a_task("zfs_clone", "p/n"), "1")
    do(there, "a", "a", a_task("zfs_snapshot", "p/n@1", "p/o@1"), "2")
    do(there, "a", "a", a_task("copy", "p/n"), "3")

    there.take_back("a", {"p/n"}, 9)

    assert heads.undone == [("a", {"p/n": [["zfs_clone"]], "p/n@1": [["zfs_snapshot"]]})]


def test_one_turn_of_a_task_is_taken_back_without_the_others() -> None:
    heads = Heads()
    there = reach(heads)
    do(there, "a", "a", a_task("zfs_clone", "x"), "1.h1/1")
    do(there, "a", "a", a_task("zfs_clone", "y"), "1.h1/2")

    there.take_back_turn("a", "1.h1/2", 9)
    assert heads.undone == [("a", {"y": [["zfs_clone"]]})]


def test_all_is_taken_back_the_last_task_first_whichever_head_did_it() -> None:
    heads = Heads()
    there = reach(heads)
    do(there, "a", "a", a_task("zfs_clone", "x"), "1")
    do(there, "a", "b", a_task("copy", ""), "2")
    do(there, "a", "a", a_task("zfs_promote", "x"), "3")

    undone = there.take_back_all("a", 7)

    assert heads.undone == [("a", {"x": [["zfs_promote"]]}), ("b", {"": [["copy"]]}), ("a", {"x": [["zfs_clone"]]})]
    assert [each.task_id for each in undone] == ["07:undo", "08:undo", "09:undo"]


def test_a_head_whose_agent_ended_is_reached_anew_with_its_next_task() -> None:
    heads = Heads(breaks={("a", "zfs_clone"): AgentError("gone")})
    there = reach(heads)

    assert do(there, "a", "a", a_task("zfs_clone", "x"), "1").status is Status.FAILED
    assert do(there, "a", "a", a_task("zfs_promote", "y"), "2").status is Status.CHANGED
    assert heads.connected == ["a", "a"]


def test_a_connection_that_is_reset_forgets_nothing_of_what_was_made() -> None:
    heads = Heads()
    there = reach(heads)
    do(there, "a", "a", a_task("zfs_clone", "x"), "1")
    there.reset("a")
    there.take_back("a", {"x"}, 9)

    assert heads.closed == ["a"]
    assert heads.connected == ["a", "a"]
    assert heads.undone == [("a", {"x": [["zfs_clone"]]})]


# the journal


def a_done(*keys: str, **more: Json) -> Done:
    items = tuple(ItemResult(key=key, status=Status.CHANGED, changes=("made",), seconds=0.5) for key in keys)
    result = TaskResult(
        head="a", task_id="01:zfs_clone", name="Make", module="zfs_clone", status=Status.CHANGED, items=items,
        times=Times(run_s=1.0, total_s=1.5), play="p", where="f:1:1", begun_s=2.0, attempts=2,
    )  # fmt: skip
    made = tuple(ItemResult(key=key, status=Status.CHANGED, made=(["clone", key],)) for key in keys)
    raw = TaskResult(
        head="b", task_id="01:zfs_clone", name="Make", module="zfs_clone", status=Status.CHANGED, items=made
    )
    found: dict[str, Json] = {
        "result": result,
        "effects": Effects(said={"x": [1, {"y": None}]}, facts={"ansible_system": "Linux"}, notified=("1.h1",)),
        "made": (Made(host="b", become=True, become_user="u", result=raw),) if keys else (),
    }
    return Done(**{**found, **more})


def written(folder: Path, *notes: tuple[str, Done], undone: frozenset[str] = frozenset(), end: str = "failed") -> str:
    """Write a journal; return its name."""
    journal = FileJournal(folder / "r.jsonl", {"run": "r"}, is_secret=lambda line: "hush" in json.dumps(line))
    for key, done in notes:
        journal.note("a", key, done)
    if undone:
        journal.undone("a", undone)
    journal.close(end)
    return journal.name


def test_a_journal_gives_back_what_was_noted(tmp_path: Path) -> None:
    done = a_done("p/x", "p/y")
    head, recalled = journal_file.read(tmp_path, written(tmp_path, ("1.1", done)))

    assert head["run"] == "r"
    assert recalled == {("a", "1.1"): done}


def test_a_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    written(tmp_path / "runs")

    assert (tmp_path / "runs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "runs" / "r.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_failed_was_cut_short_is_not_to_be_shown_or_holds_a_secret_is_done_again(tmp_path: Path) -> None:
    fine = a_done("p/x")
    result = fine.result
    bad = TaskResult(head="a", task_id="1", name="n", module="m", status=Status.FAILED)
    unknown = TaskResult(head="a", task_id="1", name="n", module="m", status=Status.UNKNOWN)
    hidden = TaskResult(head="a", task_id="1", name="n", module="m", status=result.status, no_log=True)
    name = written(
        tmp_path,
        ("1.1", fine),
        ("1.2", a_done(result=bad)),
        ("1.3", a_done(result=unknown)),
        ("1.4", a_done(result=hidden)),
        ("1.5", a_done(is_whole=False)),
        ("1.6", a_done(effects=Effects(said={"password": "hush"}))),
        ("1.7", a_done(result=TaskResult(**{**vars(bad), "is_ignored": True}))),
    )

    assert {key for _head, key in journal_file.read(tmp_path, name)[1]} == {"1.1", "1.7"}
    assert "hush" not in (tmp_path / "r.jsonl").read_text("utf-8")


def test_a_task_of_which_something_was_taken_back_is_done_again(tmp_path: Path) -> None:
    name = written(tmp_path, ("1.1", a_done("p/x", "p/y")), ("1.2", a_done("p/y")), undone=frozenset({"p/x"}))

    assert {key for _head, key in journal_file.read(tmp_path, name)[1]} == {"1.2"}


@given(cut=st.integers(1, 400))
def test_a_line_that_was_cut_by_a_kill_is_left_out(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("runs")
    name = written(folder, ("1.1", a_done("p/x")), ("1.2", a_done("p/y")))
    path = folder / "r.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:2]) + lines[2][: min(cut, len(lines[2]) - 2)], "utf-8")

    assert {key for _head, key in journal_file.read(folder, name)[1]} == {"1.1"}


def test_a_journal_without_a_beginning_of_another_version_or_of_a_run_that_ended_well_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    (tmp_path / "old.jsonl").write_text('{"version": 0}\n', "utf-8")
    written(tmp_path, end="done")

    for name, words in (
        ("empty", "no beginning"),
        ("old", "another version"),
        ("r", "ended well"),
        ("emty", "no run 'emty'"),
    ):
        with pytest.raises(PlaybookError, match=words):
            journal_file.read(tmp_path, name)


# how much is asked of heads


def inventory_of(count: int) -> Inventory:
    return parse("".join(f"h{number} pools=p{number}\n" for number in range(count)), Path("inventory"))


def played(
    text: str,
    inventory: Inventory,
    heads: Heads,
    *,
    journal: FileJournal | None = None,
    cancelled: threading.Event | None = None,
    extra: Mapping[str, Json] | None = None,
) -> RunResult:
    prepared = prepare(read_playbook(text, "plan.yml"), inventory, templates=Templates({}), run="r", extra=extra)
    return run_playbook(
        prepared,
        inventory,
        connect=heads.connect,
        options=Options(run="r", extra=extra or {}),
        templates=Templates({}),
        journal=journal,
        cancelled=cancelled,
    )


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_play_of_some_tasks_on_some_heads_makes_a_session_a_head_and_a_request_for_each_task_on_each(
    strategy: str,
) -> None:
    heads = Heads()
    tasks = "".join(
        f"    - zfs_volume: {{dataset: '{{{{ pools[0] }}}}/v{task}-{{{{ item }}}}', size: 1M}}\n      loop: [1, 2, 3]\n"
        for task in range(5)
    )
    played(f"- hosts: all\n  strategy: {strategy}\n  tasks:\n{tasks}", inventory_of(7), heads)

    assert sorted(heads.connected) == sorted(f"h{number}" for number in range(7))
    assert sorted(heads.closed) == sorted(heads.connected)
    assert len(heads.asked) == 5 * 7
    assert {len(keys) for _head, _module, keys, _check in heads.asked} == {3}


def test_what_lunops_does_itself_makes_no_session() -> None:
    heads = Heads()
    played("- hosts: all\n  tasks:\n    - debug:\n    - set_fact: {x: 1}\n", inventory_of(3), heads)
    assert heads.connected == []


MAKE = """
- name: Make
  hosts: all
  tasks:
    - zfs_clone: {src: "{{ pools[0] }}/g@1", dst: "{{ pools[0] }}/{{ item }}"}
      loop: [n1, n2, n3]
    - zfs_promote: {dataset: "{{ pools[0] }}/{{ item }}"}
      loop: [n1, n2, n3]
"""


def test_a_run_that_was_interrupted_goes_on_with_what_was_not_done_and_takes_back_what_the_first_has_made(
    tmp_path: Path,
) -> None:
    cancelled = threading.Event()

    def answer(task: Task, item: Item) -> ItemResult:
        if task.module == "zfs_promote" and item.key == "p0/n2":
            cancelled.set()
            time.sleep(0.3)  # the session hears of it
        return changed(task, item)

    heads = Heads(answer=answer)
    inventory = inventory_of(1)
    first = FileJournal(tmp_path / "r.jsonl", {"run": "r"})
    played(MAKE, inventory, heads, journal=first, cancelled=cancelled)
    first.close("interrupted")
    recalled = journal_file.read(tmp_path, "r")[1]

    again = Heads(answer=failing(("zfs_promote", "p0/n3")))
    second = FileJournal(tmp_path / "r+1.jsonl", {"run": "r"}, recalled=recalled)
    result = played(MAKE, inventory, again, journal=second)
    second.close("failed")

    assert set(recalled) == {("h0", "1.1")}, "the task that was cut short is not done"
    assert "zfs_clone" not in {module for _head, module, _keys, _check in again.asked}
    assert again.undone == [("h0", {"p0/n3": [["zfs_clone"]]})]
    assert result.is_bad


def test_an_exception_on_one_head_is_raised_after_the_others_have_ended() -> None:
    heads = Heads()
    done: list[str] = []

    class Odd(FakeSession):
        """Breaks as no session should."""

        def run(self, task: Task, **more: Json) -> TaskResult:
            if task.items[0].key.startswith("p0/"):
                raise RuntimeError("a bug")
            time.sleep(0.02)
            done.append(task.items[0].key)
            return super().run(task, **more)

    def connect(host: Host) -> FakeSession:
        return Odd(heads, host)

    heads.connect = connect  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a bug"):
        played(MAKE, inventory_of(3), heads)
    assert sorted(done) == ["p1/n1", "p2/n1"]
