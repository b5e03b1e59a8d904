"""A LUN costs as much on a head that has many as on one that has few: counted in calls, not in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lunops import inventory
from lunops.agent.outcome import Outcome
from lunops.agent.registry import load
from lunops.agent.work import Item, Work
from lunops.model import Plan
from lunops.names import Dataset, Iqn, Snapshot
from lunops.planner import CloneRequest, DeleteRequest, plan_create, plan_delete
from lunops.resources import load_templates
from lunops.sim.head import SimulatedSystem

HEAD = inventory.parse("h connection=sim pools=p\n", Path("inventory"))


class Counted:
    """A head that counts what it is asked for."""

    def __init__(self, system: SimulatedSystem) -> None:
        self.calls = 0
        self._system = system

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._system, name)

        def counted(*args: Any, **options: Any) -> Any:
            self.calls += name not in ("monotonic", "sleep", "time")
            return method(*args, **options)

        return counted


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Counted]:
    system = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    yield Counted(system)
    system.close()


def create(names: Sequence[str]) -> Plan:
    requests = [
        CloneRequest(
            src=Snapshot.parse("p/images/golden@1"),
            dst=Dataset.parse(f"p/{name}"),
            wwn=Iqn.parse(f"iqn.2024-01.org.example:{name}"),
            initiators=(Iqn.parse("iqn.2024-01.org.example:init"),),
        )
        for name in names
    ]
    return plan_create(requests, HEAD, load_templates(), run="r")


def delete(names: Sequence[str]) -> Plan:
    requests = [
        DeleteRequest(
            dst=Dataset.parse(f"p/{name}"), wwn=Iqn.parse(f"iqn.2024-01.org.example:{name}"), delete_clone=True
        )
        for name in names
    ]
    return plan_delete(requests, HEAD)


def calls(head: Counted, plan: Plan, *modules: str) -> int:
    """Do a plan's tasks; return what those of these modules have asked the head for."""
    count = 0
    failed: list[str] = []

    def report(_item: Item, outcome: Outcome, _seconds: float) -> None:
        failed.extend([outcome.error] if outcome.error else [])

    for task in plan.heads[0].tasks:
        before = head.calls
        work = Work(head, report)  # type: ignore[arg-type]
        load(task.module)(work, [Item(item.key, dict(item.args)) for item in task.items])
        count += head.calls - before if task.module in modules else 0
    assert failed == []
    return count


def names(first: int, count: int) -> list[str]:
    return [f"n{number}" for number in range(first, first + count)]


def test_a_target_more_costs_the_same_calls_however_many_there_are(head: Counted) -> None:
    calls(head, create(names(90, 1)))  # the first one makes what all share
    few = calls(head, create(names(0, 2)), "lio_target"), calls(head, create(names(2, 12)), "lio_target")
    calls(head, create(names(20, 60)))
    many = calls(head, create(names(100, 2)), "lio_target"), calls(head, create(names(102, 12)), "lio_target")
    # A task looks at each that is there once; both times two more are there at the longer one.
    assert few[1] - few[0] == many[1] - many[0] > 0


def test_a_target_less_costs_the_same_calls_however_many_there_are(head: Counted) -> None:
    calls(head, create(names(0, 80)))
    many = calls(head, delete(names(0, 2)), "lio_absent"), calls(head, delete(names(2, 12)), "lio_absent")
    calls(head, delete(names(20, 40)))
    few = calls(head, delete(names(60, 2)), "lio_absent"), calls(head, delete(names(62, 12)), "lio_absent")
    assert few[1] - few[0] == many[1] - many[0] > 0
