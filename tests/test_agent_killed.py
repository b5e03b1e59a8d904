"""kill -9 of the agent after any of its writes: every LUN is whole, or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.connections import connect
from lunops.inventory import parse
from lunops.model import Status
from lunops.runner import run_plan
from lunops.sim.faults import Fault, Faults
from tests.operations.bench import CORE, ISCSI, RECORDS, Bench, items
from tests.operations.sim_eyes import SimEyes

WRITES = 62  # of the plan below, and a few more: a fault that never strikes must change nothing
DELETE_WRITES = 22  # of the delete of one LUN, likewise


def state(bench: Bench) -> tuple[object, ...]:
    """Return all that a LUN can leave behind; an HBA folder without an object is none, and is used again."""
    names = {name for hba in bench.eyes.listdir(CORE) for name in bench.eyes.listdir(f"{CORE}/{hba}")}
    objects = sorted(name for name in names if name.startswith("lo-"))
    return bench.saved(), bench.eyes.read(RECORDS), objects, bench.eyes.listdir(ISCSI), bench.datasets()


@pytest.mark.parametrize("write", range(1, WRITES))
def test_a_run_whose_agent_dies_after_a_write_leaves_no_lun_half_made(tmp_path: Path, write: int) -> None:
    inventory = parse(f"[heads]\nh connection=sim pools=p state={tmp_path}/h.sim\n", tmp_path / "inventory")
    eyes = SimEyes(inventory.hosts["h"])
    bench = Bench(host=inventory.hosts["h"], eyes=eyes, inventory=inventory, test="killed")
    (stranger,) = bench.luns(1)
    bench.create([stranger])
    bench.close()
    before = state(bench)
    luns = bench.luns(3)[1:]
    eyes.system.set_faults(Faults(faults=(Fault(on="*", nth=write, effect="die_after"),)))

    result = run_plan(bench.create_plan(luns), connect=connect)
    eyes.system.set_faults(Faults())

    exported = items(result, "lio_target")
    good = [lun for lun in luns if exported[lun.dst].status in (Status.OK, Status.CHANGED)]
    assert [lun for lun in luns if bench.is_served(lun)] == good, result
    if not good:
        assert state(bench) == before, result
    assert bench.is_served(stranger)
    again = bench.create(luns)
    bench.close()
    assert not again.is_bad, again
    assert [lun for lun in luns if not bench.is_served(lun)] == []
    assert len([name for name in eyes.listdir(CORE) if name.startswith("iblock_")]) == 3


@pytest.mark.parametrize("write", range(1, DELETE_WRITES))
def test_a_delete_whose_agent_dies_after_a_write_is_brought_to_its_end_by_the_same_delete(
    tmp_path: Path, write: int
) -> None:
    inventory = parse(f"[heads]\nh connection=sim pools=p state={tmp_path}/h.sim\n", tmp_path / "inventory")
    eyes = SimEyes(inventory.hosts["h"])
    bench = Bench(host=inventory.hosts["h"], eyes=eyes, inventory=inventory, test="killed")
    stranger, lun = bench.luns(2)
    bench.create([stranger])
    before = state(bench)
    bench.create([lun])
    bench.close()
    eyes.system.set_faults(Faults(faults=(Fault(on="*", nth=write, effect="die_after"),)))
    run_plan(bench.delete_plan([lun]), connect=connect)
    eyes.system.set_faults(Faults())

    again = bench.delete([lun])
    bench.close()

    assert not again.is_bad, again
    assert state(bench) == before
    assert bench.is_served(stranger)
