"""Ask heads what the datasets and targets of a plan are at this moment: one task on each head, one look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lunops.model import HeadPlan, Host, Item, Plan, RunResult, Task
from lunops.runner import run_plan
from lunops.saved.model import HeadState
from lunops.saved.touched import Touched

_LOOK_S = 1800.0  # an emulated head with a thousand LUNs needs a minute


def ask(
    hosts: Mapping[str, Host], touched: Mapping[str, Touched], *, connect: Callable[[Host], Any], forks: int
) -> tuple[dict[str, HeadState], RunResult]:
    """Return the state of each head that could be asked, and how the asking went."""
    plans = []
    for name, names in touched.items():
        args = {"datasets": sorted(names.datasets), "targets": sorted(names.targets)}
        task = Task(
            id="01:state",
            name="Look at what the plan is about",
            module="state",
            items=(Item(key=name, args=args),),
            timeout_s=_LOOK_S,
        )
        plans.append(HeadPlan(host=hosts[name], tasks=(task,)))
    result = run_plan(Plan(name="Look at the heads", heads=tuple(plans)), connect=connect, forks=forks)
    found: dict[str, HeadState] = {}
    for task_result in result.tasks:
        for item in task_result.items:
            if not item.status.is_bad and isinstance(item.data, dict):
                found[task_result.head] = HeadState.model_validate(item.data)
    return found, result
