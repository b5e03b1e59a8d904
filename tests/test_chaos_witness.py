"""The witness of the chaos harness sees what must not be, in the journal of a simulated head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lunops.sim.head import SimulatedSystem
from tests.chaos import journals, remains, witness
from tests.chaos.destroyer import Struck
from tests.chaos.plan import CLONES_MOST, Blow, Kind, plan_jobs, plan_strikes
from tests.chaos.report import Report
from tests.chaos.resumed import resumed
from tests.chaos.store import Run
from tests.chaos.witness import State, Step

WHOLE = State(clone=True, target=True)
TARGET = "/sys/kernel/config/target/iscsi/iqn.2024-01.org.example:h1n1"


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    system = SimulatedSystem(tmp_path / "head", pools=["p1"])
    system.run(["zfs", "create", "p1/nodes"])
    system.run(["modprobe", "iscsi_target_mod"])
    system.mkdir("/sys/kernel/config/target/iscsi")
    yield system
    system.close()


def do(head: SimulatedSystem, *whats: str) -> None:
    """Make and remove the LUN h1n1, as jobs whose names are behind the `=`."""
    for what in whats:
        event, _, job = what.partition("=")
        if event == journals.CLONE:
            words = ["zfs", "clone", "-o", f"lunops:made={job}", "p1/images/golden@1", "p1/nodes/h1n1"]
            assert head.run(words).code == 0
        elif event == journals.NO_CLONE:
            assert head.run(["zfs", "destroy", "p1/nodes/h1n1"]).code == 0
        elif event == journals.TARGET:
            head.mkdir(TARGET)
            head.mkdir(f"{TARGET}/tpgt_1")
        else:
            head.rmdir(f"{TARGET}/tpgt_1")
            head.rmdir(TARGET)


def step(number: int, kind: Kind, *, is_done: bool = True, was_cut: bool = False, ids: str = "") -> Step:
    return Step(number=number, kind=kind, is_done=is_done, was_cut=was_cut, ids=frozenset(ids.split()))


def found(head: SimulatedSystem) -> list[journals.Event]:
    return journals.events(journals.by_name(head.journal()).get("h1n1", []))


def judged(head: SimulatedSystem, *steps: Step) -> list[str]:
    return witness.judge("h1n1", steps, found(head), remains.look(head).state("h1n1"))


CREATE, DELETE, UNSHARE = Kind.CREATE, Kind.DELETE, Kind.UNSHARE


def test_what_was_asked_for_in_its_order_is_right(head: SimulatedSystem) -> None:
    do(head, "+clone=a", "+target", "-target", "-clone", "+clone=c", "+target", "-target")

    steps = [step(1, CREATE, ids="a"), step(2, DELETE), step(3, DELETE), step(4, CREATE, ids="c"), step(5, UNSHARE)]
    assert judged(head, *steps, step(6, UNSHARE)) == []
    assert remains.look(head).state("h1n1") == State(clone=True)


@pytest.mark.parametrize(
    ("whats", "steps"),
    [
        pytest.param(("+clone=a",), [step(1, CREATE)], id="half a LUN"),
        pytest.param(("+clone=a", "+target"), [], id="nobody asked for it"),
        pytest.param((), [step(1, CREATE)], id="nothing was done"),
        pytest.param(("+clone=a", "+target"), [step(1, CREATE), step(2, DELETE)], id="the last job was not done"),
        pytest.param(
            ("+clone=a", "+target"),
            [step(1, DELETE), step(2, CREATE), step(3, DELETE)],
            id="the last two changed places",
        ),
        pytest.param(
            ("+clone=a", "+target", "-target", "-clone", "+clone=a", "+target"), [step(1, CREATE)], id="made twice"
        ),
        pytest.param(("+clone=b", "+target"), [step(1, CREATE, ids="a")], id="made by another job"),
        pytest.param(
            ("+clone=a", "+target", "-target"),
            [step(1, CREATE), step(2, DELETE, was_cut=True)],
            id="a delete that was cut, and is said to be done, is half done",
        ),
        pytest.param(
            ("+clone=a", "+target"), [step(1, CREATE, is_done=False), step(2, DELETE)], id="the delete was not done"
        ),
    ],
)
def test_it_sees(head: SimulatedSystem, whats: tuple[str, ...], steps: list[Step]) -> None:
    do(head, *whats)

    (wrong,) = judged(head, *steps)
    assert "do not explain" in wrong


def test_it_tells_which_job_made_a_clone(head: SimulatedSystem) -> None:
    do(head, "+clone=b", "+target")

    (wrong,) = judged(head, step(1, CREATE, ids="a"), step(2, CREATE, ids="b"))
    assert "the jobs 1 create done, 2 create done do not explain +clone (of 2) +target" in wrong


def test_it_sees_what_is_made_twice_without_a_removal_between() -> None:
    twice = [journals.Event(what=journals.CLONE, number=number, first=number) for number in (1, 2)]

    (wrong,) = witness.judge("h1n1", [step(1, CREATE), step(2, CREATE)], twice, State(clone=True))
    assert "+clone in line 2" in wrong


@pytest.mark.parametrize(
    ("whats", "steps"),
    [
        (("+clone=a", "-clone"), [step(1, CREATE, is_done=False, was_cut=True)]),
        (("+clone=a", "-clone", "+clone=a", "+target"), [step(1, CREATE, was_cut=True)]),
        (
            ("+clone=a", "+target", "-target", "+target"),
            [step(1, CREATE), step(2, DELETE, is_done=False, was_cut=True)],
        ),
        (("+clone=a", "+target", "-target"), [step(1, CREATE), step(2, DELETE, is_done=False, was_cut=True)]),
        (
            ("+clone=a", "+target", "-target", "-clone"),
            [step(1, CREATE), step(2, DELETE, is_done=False, was_cut=True), step(3, DELETE)],
        ),
    ],
)
def test_what_was_cut_may_have_been_taken_back_and_done_again(
    head: SimulatedSystem, whats: tuple[str, ...], steps: list[Step]
) -> None:
    do(head, *whats)

    assert judged(head, *steps) == []


@pytest.mark.parametrize(
    ("pids", "seen"),
    [
        ((1, 1, 1, 2, 2, 2), ""),
        ((1, 2, 2, 1, 1, 3), ""),  # taken over by another, and the next job is the first one's again
        ((1, 2, 1, 3, 3, 3), "[1, 2, 1]"),
        ((3, 3, 3, 1, 2, 1), "[1, 2, 1]"),
    ],
)
def test_it_sees_two_processes_at_one_job(head: SimulatedSystem, pids: tuple[int, ...], seen: str) -> None:
    do(head, "+clone=a", "+target", "-target", "-clone")
    changes = journals.by_name(head.journal())["h1n1"]
    worked = [replace(change, pid=pid) for change, pid in zip(changes, pids, strict=True)]

    told = witness.at_once("h1n1", [step(1, CREATE), step(2, DELETE)], found(head), worked)
    assert len(told) == bool(seen)
    assert seen in "".join(told)


def test_remains_that_do_not_agree_are_seen(head: SimulatedSystem) -> None:
    do(head, "+clone=a", "+target")

    told = "\n".join(remains.look(head).wrong())
    assert "storage objects: []" in told
    assert "targets in saveconfig.json: []" in told
    assert "records: h1n1: None instead of exported" in told
    assert remains.look(head).wrong(but=frozenset({"h1n1"})) == []


def test_a_target_without_its_clone_is_seen(head: SimulatedSystem) -> None:
    do(head, "+target")

    assert "targets without a clone: ['h1n1']" in remains.look(head).wrong()


RUN = Run(job_id="j", head="h", task_id="1", run=1, started_s=10.0, last_s=11.0, ended_s=None)


def kill(at: float, blow: Blow = Blow.KILL) -> Struck:
    return Struck(blow=blow, who="worker1", at=at, until=at)


def test_the_time_to_the_next_begin_counts_from_the_kill_that_can_have_been_it() -> None:
    again = replace(RUN, run=2, started_s=14.0, ended_s=15.0)

    (only,) = resumed([RUN, again], [kill(10.5), kill(12.0), kill(13.0, Blow.STOP), kill(20.0)])
    assert (only.after_s, only.is_sure) == (2.0, True)
    (late,) = resumed([RUN, again], [kill(12.0), kill(13.0)])
    assert (late.after_s, late.is_sure) == (1.0, False)
    assert resumed([replace(RUN, ended_s=11.0), again], [kill(12.0)]) == []
    assert resumed([RUN, replace(again, head="other")], [kill(12.0)]) == []


def test_a_run_tells_what_was_begun_again_too_late_and_that_nothing_was_cut_off() -> None:
    again = replace(RUN, run=2, started_s=17.5, ended_s=18.0)
    told = Report(
        seed=1, took_s=1.0, jobs=1, complete=1, failed=0, unanswered=0, unknown=0, changes=9,
        struck=(kill(12.0),), resumed=tuple(resumed([RUN, again], [kill(12.0)])), wrong=("what is wrong",),
    )  # fmt: skip

    assert "1 of job j on h was begun again 5.5 s after the kill" in told.late()[0]
    assert "1 tasks, 5.50 s after the kill (median)" in "\n".join(told.lines())
    assert told.lines()[-1] == "  what is wrong"
    assert replace(told, resumed=()).late() == ["no kill has cut off a task: this run proves nothing"]
    assert replace(told, resumed=tuple(resumed([RUN, again], [kill(14.0)]))).late() == []


def test_one_seed_makes_one_plan_and_jobs_that_share_a_name_name_the_one_before() -> None:
    jobs = plan_jobs(Random(7), 200, heads=3, names=5)

    assert jobs == plan_jobs(Random(7), 200, heads=3, names=5)
    assert jobs != plan_jobs(Random(8), 200, heads=3, names=5)
    assert {job.kind for job in jobs} == set(Kind)
    assert {len(job.luns) for job in jobs} == set(range(1, CLONES_MOST + 1))
    assert {len(job.heads) for job in jobs} == {1, 2}
    last: dict[object, int] = {}
    for job in jobs:
        assert job.after == tuple(sorted({last[lun] for lun in job.luns if lun in last}))
        last.update(dict.fromkeys(job.luns, job.number))


def test_every_blow_that_is_asked_for_is_planned_while_jobs_are_left() -> None:
    strikes = plan_strikes(Random(7), 100, kills=12, stops=3, cuts=4)

    blows = [each.blow for each in strikes]
    assert (sum(blow.is_kill for blow in blows), blows.count(Blow.STOP), blows.count(Blow.CUT)) == (12, 3, 4)
    assert {Blow.KILL, Blow.KILL_FRONT, Blow.KILL_ALL} <= set(blows)
    assert [each.due for each in strikes] == sorted(each.due for each in strikes)
    assert strikes[-1].due < 100
