"""kill -9 and commands that fail, while snapshots are taken, held, rolled back, and datasets promoted or renamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lunops.connections import connect
from lunops.model import HeadPlan, Plan, RunResult, Status, Task
from lunops.modules import MODULES, Context
from lunops.resources import load_templates
from lunops.runner import run_plan
from lunops.sim.faults import Fault, Faults
from tests.operations.bench import RECORDS, Bench
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_snapshots import holds, only, shell, volumes

WRITES = 8  # of the longest of these tasks, and more: a fault that never strikes must change nothing


def run(bench: Bench, module: str, *args: dict[str, Any], run_id: str = "r1") -> RunResult:
    """Run a plan of one task."""
    context = Context(host=bench.host, templates=load_templates(), run=run_id)
    items = tuple(MODULES[module].item(each, context, "item") for each in args)
    task = Task(id=f"01:{module}", name=module, module=module, items=items)
    return run_plan(Plan(name="p", heads=(HeadPlan(host=bench.host, tasks=(task,)),)), connect=connect)


def faults(bench: Bench, *faults: Fault) -> None:
    assert isinstance(bench.eyes, SimEyes)
    bench.eyes.system.set_faults(Faults(faults=faults))


@pytest.mark.parametrize("effect", ["die_before", "die_after"])
def test_snapshots_of_an_agent_that_died_are_taken_back_by_their_mark(bench: Bench, effect: Any) -> None:
    a, b = volumes(bench, "a", "b")
    shell(bench, "snapshot", f"{b}@theirs")
    before = bench.datasets()
    faults(bench, Fault(on="zfs snapshot", effect=effect))

    result = run(bench, "zfs_snapshot", {"datasets": [a, b], "name": "t"}, {"datasets": [b], "name": "theirs"})
    faults(bench)

    assert result.is_bad
    assert bench.datasets() == before
    again = run(bench, "zfs_snapshot", {"datasets": [a, b], "name": "t"})
    assert not again.is_bad, again


@pytest.mark.parametrize("write", range(1, WRITES))
@pytest.mark.parametrize("module", ["zfs_hold", "zfs_rollback", "zfs_promote", "zfs_rename"])
def test_the_next_run_completes_what_an_agent_left_that_died_after_a_write(
    bench: Bench, module: str, write: int
) -> None:
    (lun,) = bench.luns(1)
    bench.create([lun])
    bench.delete([lun], destroy=False)
    shell(bench, "snapshot", f"{lun.dst}@1")
    bench.eyes.write_data(lun.dst, 8192)
    shell(bench, "snapshot", f"{lun.dst}@2")
    shell(bench, "clone", f"{lun.dst}@1", f"{bench.folder}/clone")
    new = f"{bench.folder}/deep/new"
    every: dict[str, dict[str, Any]] = {
        "zfs_hold": {"snapshot": f"{lun.dst}@1", "tag": "keep"},
        "zfs_rollback": {"snapshot": f"{lun.dst}@1", "force": ["snapshots"]},
        "zfs_promote": {"dataset": f"{bench.folder}/clone", "in_place_of": lun.dst},
        "zfs_rename": {"src": lun.dst, "dst": new, "create_parent": True},
    }
    args = every[module]
    faults(bench, Fault(on="*", nth=write, effect="die_after"))

    run(bench, module, args)
    faults(bench)
    after = run(bench, module, args, run_id="r2")
    again = run(bench, module, args, run_id="r3")

    assert not after.is_bad, after.tasks[0].items
    assert not again.is_bad
    assert not again.is_changed
    there = bench.datasets()
    if module == "zfs_hold":
        assert holds(bench, f"{lun.dst}@1") == {"keep"}
    if module == "zfs_rollback":
        assert f"{lun.dst}@2" not in there
        assert f"{lun.dst}@1" in there
    if module == "zfs_promote":
        assert there[f"{bench.folder}/clone"] == bench.golden
        assert there[lun.dst] == f"{bench.folder}/clone@1"
    if module == "zfs_rename":
        record = bench.record(lun)
        assert record is not None
        assert record["dataset"] == new
        assert {new, f"{new}@1", f"{new}@2"} <= set(there)
        assert not {name for name in there if name.startswith(lun.dst)}


def test_a_rename_whose_record_cannot_be_written_is_taken_back_whole(bench: Bench) -> None:
    (lun,) = bench.luns(1)
    bench.create([lun])
    bench.delete([lun], destroy=False)
    before, record = bench.datasets(), bench.record(lun)
    faults(bench, Fault(on="replace", match=RECORDS, errno=28))

    item = only(bench.do("zfs_rename", {"src": lun.dst, "dst": f"{bench.folder}/deep/new", "create_parent": True}))
    faults(bench)

    assert "the records could not follow" in item.error
    assert item.rolled_back == (
        f"zfs rename {bench.folder}/deep/new {lun.dst}",
        f"zfs destroy {bench.folder}/deep",
    )
    assert item.left_behind == ()
    assert bench.datasets() == before
    assert bench.record(lun) == record


@pytest.mark.parametrize(
    ("module", "command", "args"),
    [
        ("zfs_snapshot", "zfs snapshot", {"datasets": ["{a}", "{b}"], "name": "new"}),
        ("zfs_hold", "zfs hold", {"snapshot": "{a}@1", "tag": "keep"}),
        ("zfs_release", "zfs release", {"snapshot": "{b}@1", "tag": "keep"}),
        ("zfs_rollback", "zfs rollback", {"snapshot": "{a}@1"}),
        ("zfs_promote", "zfs promote", {"dataset": "{folder}/clone"}),
        ("zfs_rename", "zfs rename", {"src": "{a}", "dst": "{folder}/deep/new", "create_parent": True}),
    ],
)
def test_a_command_that_fails_fails_its_item_and_leaves_all_as_it_was(
    bench: Bench, module: str, command: str, args: dict[str, Any]
) -> None:
    a, b = volumes(bench, "a", "b")
    shell(bench, "snapshot", f"{a}@1", f"{b}@1")
    shell(bench, "clone", f"{a}@1", f"{bench.folder}/clone")
    shell(bench, "hold", "keep", f"{b}@1")
    bench.eyes.write_data(a, 8192)
    before = bench.datasets()
    faults(bench, Fault(on=command, stderr="cannot do it: the pool is suspended"))

    item = only(bench.do(module, filled(args, a=a, b=b, folder=bench.folder), run="r1"))
    faults(bench)

    assert item.status is Status.FAILED
    assert "the pool is suspended" in item.error
    assert item.changes == (() if module != "zfs_rename" else (f"zfs create -o canmount=off {bench.folder}/deep",))
    assert item.rolled_back == (() if module != "zfs_rename" else (f"zfs destroy {bench.folder}/deep",))
    assert item.left_behind == ()
    assert bench.datasets() == before
    assert (holds(bench, f"{a}@1"), holds(bench, f"{b}@1")) == (set(), {"keep"})


def test_nothing_is_rolled_back_or_renamed_while_someone_may_be_exporting(bench: Bench) -> None:
    (a,) = volumes(bench, "a")
    shell(bench, "snapshot", f"{a}@1")
    bench.eyes.write_data(a, 8192)
    with bench.eyes.hold_lock("/var/run/targetcli.lock"):
        result = bench.do("zfs_rollback", {"snapshot": f"{a}@1"}, timeout_s=1.0)
        looked = bench.do("zfs_rollback", {"snapshot": f"{a}@1"}, check=True)
        renamed = bench.do("zfs_rename", {"src": a, "dst": f"{a}2"}, timeout_s=1.0)

    assert "LIO is locked" in only(result).error
    assert "LIO is locked" in only(renamed).error
    assert only(looked).status is Status.CHANGED
    assert a in bench.datasets()


def filled(args: dict[str, Any], **names: str) -> dict[str, Any]:
    """Put names where `args` have their place."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.format(**names)
        return [fill(each) for each in value] if isinstance(value, Sequence) else value

    return {key: fill(value) for key, value in args.items()}
