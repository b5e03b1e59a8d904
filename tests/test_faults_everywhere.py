"""Something goes wrong at each write of a create and of a delete: reconcile brings each LUN to its plan or back.

Beside them stand a healthy LUN of lunops' and one that something else made: not one write may touch these.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from lunops.inventory import Inventory, parse
from lunops.model import Plan, Task
from lunops.modules import MODULES, Context
from lunops.render import Templates
from lunops.runner import run_plan
from lunops.sim.faults import Fault, Faults, LostLinks
from tests.in_process import connect
from tests.operations import strangers
from tests.operations.bench import Bench, Lun
from tests.operations.sim_eyes import SimEyes

Operation = Literal["create", "delete"]
_FILES = ("mkdir", "rmdir", "symlink", "unlink", "write", "replace", "make_dirs")
_COMMANDS = ("zfs clone", "zfs create", "zfs destroy")
_SAVES = ("replace", "make_dirs")
_CHUNKS = 4  # so that the work can be shared out


def _refused(kind: str, number: int, said: str, **more: Any) -> Fault:
    """Return a fault of a file operation or of a command, each in its own words."""
    return Fault(on=kind, errno=number, stderr=f"cannot do this to '{{name}}': {said}", **more)


EFFECTS: dict[str, tuple[tuple[str, ...], Any]] = {
    "EBUSY": ((*_FILES, *_COMMANDS), lambda kind, nth: _refused(kind, errno.EBUSY, "dataset is busy", nth=nth)),
    "EIO": ((*_FILES, *_COMMANDS), lambda kind, nth: _refused(kind, errno.EIO, "I/O error", nth=nth)),
    "another made it first": (
        ("mkdir", "symlink", "zfs clone", "zfs create"),
        lambda kind, nth: _refused(kind, errno.EEXIST, "dataset already exists", nth=nth, effect="race"),
    ),
    "another removed it first": (
        ("rmdir", "unlink", "zfs destroy"),
        lambda kind, nth: _refused(kind, errno.ENOENT, "dataset does not exist", nth=nth, effect="race"),
    ),
    "ENOSPC": (_SAVES, lambda kind, nth: Fault(on=kind, nth=nth, errno=errno.ENOSPC)),
    "half a file": (("replace",), lambda kind, nth: Fault(on=kind, nth=nth, effect="half_written")),
    "half a file and dead": (("replace",), lambda kind, nth: Fault(on=kind, nth=nth, effect="half_written", die=True)),
    "dead before": (("*",), lambda kind, nth: Fault(on=kind, nth=nth, effect="die_before")),
    "dead after": (("*",), lambda kind, nth: Fault(on=kind, nth=nth, effect="die_after")),
}


@dataclass(frozen=True)
class Scene:
    """A head with a healthy LUN and a stranger's, ready for an operation, as a file that is copied for each try."""

    operation: Operation
    file: Path
    inventory: Inventory
    steps: Counter[str]  # how many changes of each kind a run makes that nothing disturbs

    def bench(self) -> Bench:
        """Return the head of the inventory, as it is."""
        host = self.inventory.hosts["h"]
        return Bench(host=host, eyes=SimEyes(host), inventory=self.inventory, test="faults")

    def plan(self, bench: Bench) -> Plan:
        """Return what is tried: two LUNs in a new parent, or two LUNs with their clones."""
        luns = self.luns(bench)
        return bench.create_plan(luns) if self.operation == "create" else bench.delete_plan(luns)

    def luns(self, bench: Bench) -> list[Lun]:
        """Return the LUNs that are made or deleted."""
        return [Lun(dst=lun.dst.replace("/faults/", "/faults/new/"), wwn=lun.wwn) for lun in bench.luns(3)[1:]]


@pytest.fixture(scope="module", params=["create", "delete"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Make the head, and count the changes of a run on it."""
    folder = tmp_path_factory.mktemp(request.param)
    text = f"[heads]\nh connection=sim pools=p state={folder}/h.sim\n"
    scene = Scene(request.param, folder / "ready.sim", parse(text, folder / "inventory"), Counter())
    bench = scene.bench()
    assert isinstance(bench.eyes, SimEyes)
    assert not run_plan(bench.create_plan(bench.luns(1)), connect=connect).is_bad
    strangers.make(bench)
    if scene.operation == "delete":
        assert not run_plan(bench.create_plan(scene.luns(bench)), connect=connect).is_bad
    bench.eyes.system.close()
    shutil.copy(folder / "h.sim", scene.file)
    bench = scene.bench()
    assert isinstance(bench.eyes, SimEyes)
    begun = bench.eyes.system.journal()[-1].n
    assert not run_plan(scene.plan(bench), connect=connect).is_bad
    steps = Counter(change.kind for change in bench.eyes.system.journal(begun))
    bench.eyes.system.close()
    steps["*"] = sum(steps.values())
    assert set(steps) <= {*_FILES, *_COMMANDS, "*"}
    return Scene(scene.operation, scene.file, scene.inventory, steps)


@pytest.mark.parametrize("chunk", range(_CHUNKS))
@pytest.mark.parametrize("effect", EFFECTS)
def test_whatever_goes_wrong_reconcile_brings_each_lun_to_its_plan_or_back(
    scene: Scene, effect: str, chunk: int, request: pytest.FixtureRequest
) -> None:
    kinds, fault = EFFECTS[effect]
    points = [(kind, nth) for kind in kinds for nth in range(1, scene.steps[kind] + 1)]
    for kind, nth in points[chunk::_CHUNKS]:
        survive(scene, Faults(faults=(fault(kind, nth),)), dies="dead" in effect)
    request.node.user_properties.append(("count:fault points tried", len(points[chunk::_CHUNKS])))


@pytest.mark.parametrize("changes_lost", [0, 1, 1000])
def test_links_that_udev_makes_late_or_never_leave_no_lun_half_made(
    scene: Scene, changes_lost: int, request: pytest.FixtureRequest
) -> None:
    bench = scene.bench()
    assert isinstance(bench.eyes, SimEyes)
    bench.eyes.system.close()
    for lun in scene.luns(bench):
        survive(scene, Faults(lost_links=LostLinks(names=(lun.dst,), changes_lost=changes_lost)))
    request.node.user_properties.append(("count:fault points tried", 2))


def survive(scene: Scene, faults: Faults, *, dies: bool = False) -> None:
    """Run the operation with these faults, reconcile without them, and see that nothing is half-way."""
    host = scene.inventory.hosts["h"]
    assert host.state is not None
    for suffix in ("-wal", "-shm"):
        Path(f"{host.state}{suffix}").unlink(missing_ok=True)
    shutil.copy(scene.file, host.state)
    bench = scene.bench()
    assert isinstance(bench.eyes, SimEyes)
    healthy, luns = bench.luns(1)[0], scene.luns(bench)
    begun = bench.eyes.system.journal()[-1].n
    stranger, before = strangers.seen(bench), {lun.wwn: bench.is_served(lun) for lun in [healthy, *luns]}
    bench.eyes.system.set_faults(faults)
    if dies:
        bench.eyes.system.close()
        _run_and_die(scene)
        bench = scene.bench()
    else:
        run_plan(scene.plan(bench), connect=connect)
    assert isinstance(bench.eyes, SimEyes)
    bench.eyes.system.set_faults(Faults())

    mended = _do(bench, "reconcile", {})
    left = _do(bench, "drift", {})

    told = f"{faults}\nreconcile: {mended}\ndrift: {left}"
    assert not mended.error, told
    assert left.data == [], told
    for lun in luns:
        whole = bench.is_served(lun) and (bench.record(lun) or {}).get("want") == "exported"
        nothing = bench.traces(lun) == [] and bench.record(lun) is None
        assert whole or nothing, f"{lun.dst} is neither: {bench.traces(lun)}, {bench.record(lun)}\n{told}"
        assert before[lun.wwn] == (scene.operation == "delete")
    assert bench.is_served(healthy), told
    assert strangers.seen(bench) == stranger, told
    names = (healthy.dst, healthy.wwn, healthy.storage_object, strangers.WWN, strangers.NAME)
    touched = [change for change in bench.eyes.system.journal(begun) if any(name in change.what for name in names)]
    assert touched == [], told
    bench.eyes.system.close()


def _run_and_die(scene: Scene) -> None:
    """Run the operation in a process of its own, which the fault kills: agent and controller at once."""
    pid = os.fork()
    if pid == 0:
        try:
            run_plan(scene.plan(scene.bench()), connect=connect)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _do(bench: Bench, module: str, args: dict[str, Any]) -> Any:
    """Do a module that has one item."""
    session = connect(bench.host)
    item = MODULES[module].item(args, Context(host=bench.host, templates=Templates({})), module)
    result = session.run(Task(id=f"01:{module}", name=module, module=module, items=(item,)))
    session.close()
    assert not result.error, result
    return result.items[0]
