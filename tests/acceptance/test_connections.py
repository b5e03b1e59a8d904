"""Reaching a real head: as an ordinary user, and when its power goes in the middle of a task."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lunops.connections import connect
from lunops.head_run import Silent
from lunops.inventory import Inventory
from lunops.model import Item, ItemResult, Status, Task
from lunops.runner import run_plan
from tests.acceptance.conftest import lab
from tests.acceptance.eyes import LabEyes
from tests.lab.access import Access
from tests.operations.bench import Bench

pytestmark = pytest.mark.lab


def test_an_ordinary_user_becomes_root_through_sudo(inventory: Inventory, heads: dict[str, Access]) -> None:
    host = replace(inventory.hosts["jbod-01"], user="ops", become=True)
    golden = heads["jbod-01"].golden.split("@")[0]
    task = Task(
        id="01:wait_for_device",
        name="Wait",
        module="wait_for_device",
        items=(Item(key=golden, args={"dataset": golden}),),
    )

    session = connect(host)
    try:
        result = session.run(task)
    finally:
        session.close()

    assert session.hello.uid == 0
    assert result.status is Status.OK, result


def test_a_head_that_loses_power_in_a_task_is_told_and_the_next_run_completes(
    inventory: Inventory, eyes: dict[str, LabEyes]
) -> None:
    bench = Bench(host=inventory.hosts["jbod-02"], eyes=eyes["jbod-02"], inventory=inventory, test="power")
    luns = bench.luns(6)

    class PowerCut(Silent):
        cut = False

        def item_ended(self, _head: str, _task: Task, _item: ItemResult) -> None:
            if not self.cut:
                self.cut = True
                lab("poweroff", "jbod-02")

    lost = run_plan(bench.create_plan(luns), connect=connect, observer=PowerCut())
    lab("start", "jbod-02")
    again = bench.create(luns)
    bench.close()

    broken = next(task for task in lost.tasks if task.error)
    # Pulling a plug takes some tenths of a second, in which a quick head is through with its first task.
    assert (broken.head, broken.module in ("zfs_clone", "wait_for_device")) == ("jbod-02", True)
    assert broken.status is Status.UNREACHABLE, broken
    assert not again.is_bad, again
    assert [lun for lun in luns if not bench.is_served(lun)] == []
