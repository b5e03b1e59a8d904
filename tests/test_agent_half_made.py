"""A clone that a power cut left without its marks is known by its record, and gets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lunops.agent import clone, records, zfs
from lunops.agent.outcome import Outcome
from lunops.agent.work import Item, Work
from lunops.sim.head import SimulatedSystem

SRC, DST, WWN = "p1/images/golden@1", "p1/n1", "iqn.2024-01.org.example:n1"


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    made = SimulatedSystem(tmp_path / "h.sim", pools=["p1"])
    assert made.run(["zfs", "clone", SRC, DST]).code == 0
    yield made
    made.close()


def recorded(head: SimulatedSystem, dataset: str = DST, origin: str = SRC) -> None:
    record = records.Records(head)
    record.put(WWN, records.making(dataset, origin, "run-1"))
    record.write()


def create(head: SimulatedSystem, run: str, *, check: bool = False) -> Outcome:
    told: list[Outcome] = []
    marks = {zfs.MANAGED: "1", zfs.LUN: WWN, zfs.MADE: run}
    args: dict[str, Any] = {"src": SRC, "dst": DST, "create_parent": True, "marks": marks}
    work = Work(head, lambda _item, outcome, _seconds: told.append(outcome), check=check)
    clone.run(work, [Item(DST, args)])
    (outcome,) = told
    return outcome


def marks_of(head: SimulatedSystem) -> tuple[str, str]:
    now = zfs.observe(head, [DST], (zfs.MANAGED, zfs.MADE))[DST]
    return now.local(zfs.MANAGED), now.local(zfs.MADE)


def test_the_run_that_was_making_it_goes_on_and_may_take_it_back(head: SimulatedSystem) -> None:
    recorded(head)
    outcome = create(head, "run-1")
    assert outcome.changes == [f"{DST} was made earlier in this run"]
    assert [made[:3] for made in outcome.made] == [["clone", DST, "run-1"]]
    assert marks_of(head) == ("1", "run-1")


def test_another_run_takes_it_as_it_is_and_leaves_it_to_the_one_that_made_it(head: SimulatedSystem) -> None:
    recorded(head)
    outcome = create(head, "run-2")
    assert (outcome.status, outcome.made) == ("ok", [])
    assert marks_of(head) == ("1", "run-1")


@pytest.mark.parametrize("what", ["no record", "another dataset", "another origin", "check mode"])
def test_what_is_not_known_to_be_ours_is_left_alone(head: SimulatedSystem, what: str) -> None:
    if what != "no record":
        recorded(
            head,
            dataset="p1/other" if what == "another dataset" else DST,
            origin="p1/images/golden@2" if what == "another origin" else SRC,
        )
    outcome = create(head, "run-1", check=what == "check mode")
    assert (outcome.status, outcome.made) == ("ok", [])
    assert marks_of(head) == ("", "")
