"""The agent killed, and the head's plug pulled, in the middle of creating and deleting 30 LUNs on the real kernel.

Nobody takes anything back afterwards: the controller is as dead as the agent. `reconcile` alone has to bring every
LUN to its plan, or to nothing, while the LUNs beside them stay as they are.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.errors import UnreachableError
from lunops.head_run import Silent
from lunops.model import Host, ItemResult, Plan, Task
from lunops.modules import MODULES, Context
from lunops.render import Templates
from lunops.runner import run_plan
from tests.acceptance.conftest import BENCH_HEAD, lab
from tests.acceptance.eyes import LabEyes
from tests.operations import strangers
from tests.operations.bench import CORE, ISCSI, RECORDS, SAVECONFIG, Bench, Lun

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]

LUNS = 30
_GOLDEN = 0.6180339887  # steps of this size fill an interval more evenly than chance does
KILLS = int(os.environ.get("LUNOPS_SURVIVAL_KILLS", "20"))
SEED = int(os.environ.get("LUNOPS_SURVIVAL_SEED", "20240607"))


@dataclass
class Once:
    """Connects once: after that the controller is dead, and takes nothing back."""

    started: threading.Event = field(default_factory=threading.Event)
    session: Session | None = None
    began: float = 0.0
    waits_for: str = ""  # the module of whose items some count as the start; else it is the agent's
    items: int = 0  # how many

    def connect(self, host: Host) -> Session:
        """Return the one session."""
        if self.session is not None:
            raise UnreachableError("the controller is dead", where=host.name)
        self.session = connect(host)
        self.began = time.monotonic()
        if not self.waits_for:
            self.started.set()
        return self.session

    def run(self, plan: Plan) -> float:
        """Run the plan; return how long it took from the agent's first task on."""
        once = self

        class Starter(Silent):
            def item_ended(self, _head: str, task: Task, _item: ItemResult) -> None:
                if task.module == once.waits_for:
                    once.items -= 1
                    if once.items <= 0:
                        once.started.set()

        run_plan(plan, connect=self.connect, observer=Starter())
        return time.monotonic() - self.began

    def run_until(self, plan: Plan, seconds: float, end: Any) -> None:
        """Run the plan, and call `end` that long after its first task began."""
        running = threading.Thread(target=self.run, args=(plan,))
        running.start()
        assert self.started.wait(300)
        time.sleep(seconds)
        end()
        running.join(300)
        assert not running.is_alive()


@pytest.fixture
def scene(bench: Bench) -> Iterator[Bench]:
    """The head with a healthy LUN and a stranger's beside those that are worked on."""
    bench.test = "survival"
    assert not bench.create([healthy(bench)]).is_bad
    strangers.make(bench)
    yield bench
    bench.close()
    strangers.unmake(bench)
    bench.delete([healthy(bench), *luns_of(bench)])


def healthy(bench: Bench) -> Lun:
    return Lun(dst=f"{bench.folder}-healthy/n00", wwn="iqn.2024-01.org.example:survival.healthy")


def luns_of(bench: Bench) -> list[Lun]:
    return bench.luns(LUNS)


def test_the_agent_killed_at_random_moments(scene: Bench, request: pytest.FixtureRequest) -> None:
    rng = random.Random(SEED)
    before = strangers.seen(scene)
    durations = [Once().run(plan(scene, operation)) for operation in ("create", "delete")]
    assert states(scene) == dict.fromkeys(range(LUNS), "nothing")
    tell(f"seed {SEED}: a create took {durations[0]:.1f} s, a delete {durations[1]:.1f} s; {KILLS} kills:")
    there, fruitless, kills = 0, 0, {"create": 0, "delete": 0}
    places = {operation: rng.random() for operation in kills}
    for _ in range(KILLS):  # each goes on from what the last one came to; nothing is deleted where nothing is
        if fruitless == 2:
            assert not scene.run(scene.create_plan(luns_of(scene))).is_bad
            scene.close()
            there = LUNS
        operation = "delete" if there and kills["delete"] <= kills["create"] else "create"
        kills[operation] += 1
        places[operation] = (places[operation] + _GOLDEN) % 1  # spread evenly, and never twice the same
        moment = places[operation] * durations[operation == "delete"]
        once = Once()

        def kill(once: Once = once) -> None:
            assert once.session is not None
            scene.eyes.run(["kill", "-9", str(once.session.hello.pid)])

        once.run_until(plan(scene, operation), moment, kill)
        there = survived(scene, f"{operation} killed after {moment:.2f} s")
        fruitless = 0 if there or operation == "delete" else fruitless + 1
        assert strangers.seen(scene) == before
    tell(f"kills: {kills}")
    request.node.user_properties.append(("count:kills survived by a real head", KILLS))


@pytest.mark.parametrize("operation", ["create", "delete"])
def test_the_plug_pulled(scene: Bench, operation: str, request: pytest.FixtureRequest) -> None:
    rng = random.Random(f"{SEED} {operation}")
    begun = time.monotonic()
    if operation == "delete":
        assert not scene.run(scene.create_plan(luns_of(scene))).is_bad
    scene.close()
    # counted in items, not in seconds: it has to be the middle on a fast machine and on a slow one
    count = rng.randint(LUNS // 6, LUNS // 2)
    once = Once(waits_for={"create": "zfs_clone", "delete": "zfs_destroy"}[operation], items=count)
    before = strangers.kept(scene)

    once.run_until(plan(scene, operation), 0.0, lambda: lab("poweroff", BENCH_HEAD))
    lab("start", BENCH_HEAD)
    tell(f"seed {SEED}: plug pulled after {count} of {once.waits_for}, back after {time.monotonic() - begun:.0f} s")

    survived(scene, f"{operation} and power off", booted=True)
    assert strangers.kept(scene) == before
    request.node.user_properties.append(("count:power cuts survived by a real head", 1))


def plan(bench: Bench, operation: str) -> Plan:
    return bench.create_plan(luns_of(bench)) if operation == "create" else bench.delete_plan(luns_of(bench))


def survived(bench: Bench, what: str, *, booted: bool = False) -> int:
    """Reconcile, see that every LUN is whole or gone, and return how many are whole."""
    begun = time.monotonic()
    before = states(bench)
    session = connect(bench.host)
    results = []
    for module in ("reconcile", "drift"):
        item = MODULES[module].item({}, Context(host=bench.host, templates=Templates({})), module)
        results.append(session.run(Task(id=f"01:{module}", name=module, module=module, items=(item,), timeout_s=300)))
        bench.see(module)
    session.close()
    after = states(bench)
    counts = {name: list(after.values()).count(name) for name in ("whole", "nothing")}
    odd = sum(state not in counts for state in before.values())
    tell(f"  {what}: {odd} half-way; after {time.monotonic() - begun:.1f} s of reconcile {counts}")
    mended, left = (result.items[0] for result in results)
    mine = [each for each in left.data or [] if bench.test in each["key"]]
    assert not mended.error or booted, mended
    assert mine == [], (mended, mine)
    assert set(after.values()) <= {"whole", "nothing"}, (after, mended)
    assert bench.eyes.read(f"{ISCSI}/{healthy(bench).wwn}/tpgt_1/enable").strip() == "1"
    return counts["whole"]


def states(bench: Bench) -> dict[int, str]:
    """Return of each LUN whether it is whole, nothing, or which layers have it: seen in one look, not by the agent."""
    assert isinstance(bench.eyes, LabEyes)
    script = f"""
        zfs list -H -o name -r {bench.pool}/suite 2>/dev/null | sed 's/^/zfs /'
        find /dev/zvol/{bench.pool}/suite -type l 2>/dev/null | sed 's/^/link /'
        find {CORE} -mindepth 2 -maxdepth 2 -name 'lo-*' | sed 's/^/storage /'
        for file in {ISCSI}/iqn.*/tpgt_1/enable; do echo "target $file $(cat $file 2>/dev/null)"; done
        ls -d {ISCSI}/iqn.*/ 2>/dev/null | sed 's/^/folder /'
    """
    lines = set(bench.eyes.shell(script).splitlines())
    saved = bench.saved() if bench.eyes.exists(SAVECONFIG) else {"targets": [], "storage_objects": []}
    names = {one["wwn"] for one in saved["targets"]} | {one["name"] for one in saved["storage_objects"]}
    records = json.loads(bench.eyes.read(RECORDS))["luns"] if bench.eyes.exists(RECORDS) else {}
    return {place: state(lun, lines, names, records) for place, lun in enumerate(luns_of(bench))}


def state(lun: Lun, lines: set[str], saved: set[str], records: dict[str, Any]) -> str:
    has = {
        "zfs": f"zfs {lun.dst}" in lines,
        "link": f"link /dev/zvol/{lun.dst}" in lines,
        "storage": any(line.startswith("storage ") and line.endswith(f"/{lun.storage_object}") for line in lines),
        "target": f"target {ISCSI}/{lun.wwn}/tpgt_1/enable 1" in lines,
        "saved target": lun.wwn in saved,
        "saved storage": lun.storage_object in saved,
        "record": records.get(lun.wwn, {}).get("want") == "exported",
    }
    if all(has.values()):
        return "whole"
    there = [name for name, is_there in has.items() if is_there]
    there += [] if lun.wwn not in records or has["record"] else ["another record"]
    there += ["folder"] if f"folder {ISCSI}/{lun.wwn}/" in lines and not has["target"] else []
    return ", ".join(there) or "nothing"


def tell(line: str) -> None:
    """Say it past pytest, which would keep it for itself."""
    print(line, file=sys.__stderr__, flush=True)
