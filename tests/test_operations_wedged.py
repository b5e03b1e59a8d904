"""A head whose kernel hangs in LIO work: noticed in time, marked, refused; other heads go on; and how it ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lunops.connections import connect
from lunops.head_run import HeadRun, Silent
from lunops.inventory import Inventory, parse
from lunops.model import HeadPlan, Host, Plan, Status, Task
from lunops.recap import Detail, exit_code, report
from lunops.runner import run_plan
from lunops.sim.faults import Fault, Faults
from tests.operations.bench import Bench, Lun, items
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_wedged import MARK, WedgedSuite


class TestOnASimulatedHead(WedgedSuite):
    pass


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Two heads, on which a step may take a second."""
    lines = [f"h{n} connection=sim pools=p{n} state={tmp_path}/h{n}.sim hang_s=1 sim_process=true" for n in (1, 2)]
    return parse("[heads]\n" + "\n".join(lines) + "\n", tmp_path / "inventory")


def bench_of(inventory: Inventory, name: str) -> Bench:
    host = inventory.hosts[name]
    return Bench(host=host, eyes=SimEyes(host), inventory=inventory, test="hang")


def hang(bench: Bench, on: str, *, nth: int = 1, hang_s: float = 3600, match: str = "/config/target/") -> None:
    assert isinstance(bench.eyes, SimEyes)
    fault = Fault(on=on, nth=nth, match=match, effect="hang", hang_s=hang_s)
    bench.eyes.system.set_faults(Faults(faults=(fault,)))


def both(first: Plan, second: Plan) -> Plan:
    heads: tuple[HeadPlan, ...] = (*first.heads, *second.heads)
    return Plan(name="both", heads=heads)


def luns_of(bench: Bench) -> list[Lun]:
    return bench.luns(3)


@pytest.mark.parametrize("on", ["mkdir", "write", "symlink", "listdir"])
def test_a_step_that_hangs_is_noticed_and_the_other_head_goes_on(inventory: Inventory, on: str) -> None:
    one, two = bench_of(inventory, "h1"), bench_of(inventory, "h2")
    hang(one, on, nth=3)

    result = run_plan(both(one.create_plan(luns_of(one)), two.create_plan(luns_of(two))), connect=connect)

    text = report(result, Detail())
    wedged = {task.head for task in result.tasks if task.wedged}
    assert wedged == {"h1"}
    assert [lun for lun in luns_of(two) if not two.is_served(lun)] == []
    assert exit_code(result.tasks) == 2
    assert "hangs in the kernel, at " + on in text
    assert next(line for line in text.splitlines() if line.endswith("WEDGED")).startswith("h1")
    assert "reboot the head" in text
    left = [line for task in result.tasks for item in task.items for line in item.left_behind]
    assert f"zfs destroy {luns_of(one)[0].dst}" in left  # nothing is undone on a wedged head: it is told


def test_a_delete_that_hangs_leaves_its_siblings_untold_of_nothing(inventory: Inventory) -> None:
    bench = bench_of(inventory, "h1")
    luns = luns_of(bench)
    bench.create(luns)
    hang(bench, "rmdir", nth=4)

    result = bench.delete(luns)

    absent = items(result, "lio_absent")
    assert {each.status for each in absent.values()} == {Status.FAILED}
    assert all("is wedged since" in each.error for each in absent.values())
    assert {each.status for each in items(result, "zfs_destroy").values()} == {Status.SKIPPED}
    assert set(bench.datasets()) >= {lun.dst for lun in luns}


def test_while_the_process_is_there_all_is_refused_and_afterwards_the_same_goes_through(inventory: Inventory) -> None:
    bench = bench_of(inventory, "h1")
    luns = luns_of(bench)
    hang(bench, "mkdir", nth=2)
    bench.create(luns)  # in the session that the bench keeps open: its process is still there
    assert bench.eyes.exists(MARK)
    assert isinstance(bench.eyes, SimEyes)
    bench.eyes.system.set_faults(Faults())

    refused = run_plan(bench.create_plan(luns), connect=connect)
    begun = [task for task in refused.tasks if task.status is not Status.SKIPPED]
    bench.close()
    after = run_plan(bench.create_plan(luns), connect=connect)

    assert [task.wedged for task in begun] == [True]
    assert begun[0].task_id.startswith("01")  # not even a clone was made for what cannot be exported
    assert not after.is_bad, after
    assert [lun for lun in luns if not bench.is_served(lun)] == []
    assert not bench.eyes.exists(MARK)


def test_a_step_that_was_only_slow_takes_its_mark_away_and_does_nothing_more(inventory: Inventory) -> None:
    bench = bench_of(inventory, "h1")
    luns = luns_of(bench)
    hang(bench, "mkdir", nth=4, hang_s=4)  # two folders of the LUN are made: there is something to take back

    result = bench.create(luns)
    assert any(task.wedged for task in result.tasks)
    deadline = time.monotonic() + 30
    while bench.eyes.exists(MARK) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert not bench.eyes.exists(MARK)
    time.sleep(0.5)  # for the thread to do what it must not
    assert isinstance(bench.eyes, SimEyes)
    whole = [f"{change.kind} {change.what}" for change in bench.eyes.system.journal()]
    after = whole[max(place for place, line in enumerate(whole) if line == f"replace {MARK}") + 1 :]
    assert after == [f"unlink {MARK}"]
    again = bench.create(luns)
    assert not again.is_bad, again


def test_a_part_of_a_job_on_a_wedged_head_fails_before_its_first_task(inventory: Inventory) -> None:
    bench = bench_of(inventory, "h1")
    luns = luns_of(bench)
    hang(bench, "mkdir", nth=2)
    bench.create(luns)
    (head,) = bench.create_plan(luns).heads

    run = HeadRun(head.host, connect=connect, observer=Silent(), for_lio=True)
    results = [run.task(task, without=frozenset()) for task in head.tasks]
    undone = run.take_back(results)
    run.close()
    bench.close()

    assert [result.status for result in results] == [Status.FAILED, Status.SKIPPED, Status.SKIPPED]
    assert results[0].wedged
    assert "is wedged since" in results[0].error
    assert undone is None


def test_a_hang_near_the_end_of_a_tasks_time_is_noticed_before_the_controller_gives_up(tmp_path: Path) -> None:
    inventory = parse(
        f"[heads]\nh1 connection=sim pools=p1 state={tmp_path}/h1.sim sim_process=true\n", tmp_path / "inventory"
    )
    bench = bench_of(inventory, "h1")
    (lun,) = bench.luns(1)
    hang(bench, "listdir")

    result = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn}, timeout_s=1)

    assert result.wedged
    bench.close()


def test_hosts_have_their_own_limit() -> None:
    inventory = parse("h1 connection=sim\nh2 connection=sim hang_s=30\n", Path("inventory"))

    found: dict[str, Host] = dict(inventory.hosts)
    assert (found["h1"].hang_s, found["h2"].hang_s) == (120.0, 30.0)
    assert Task(id="1", name="x", module="x", items=()).timeout_s > found["h1"].hang_s
