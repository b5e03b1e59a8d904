"""What a test of the operations needs of a head: a session to it, and eyes and hands of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.inventory import Inventory
from lunops.model import HeadPlan, Host, ItemResult, Plan, RunResult, Status, Task, TaskResult
from lunops.modules import MODULES, Context
from lunops.names import Dataset, Iqn, Snapshot
from lunops.planner import CloneRequest, DeleteRequest, plan_create, plan_delete
from lunops.resources import load_templates
from lunops.runner import run_plan
from tests.conformance import SEEN

CORE = "/sys/kernel/config/target/core"
ISCSI = "/sys/kernel/config/target/iscsi"
SAVECONFIG = "/etc/rtslib-fb-target/saveconfig.json"
RECORDS = "/var/lib/lunops/luns.json"


class Eyes(Protocol):
    """A way to look at a head, and to disturb it, that does not go through the agent."""

    def run(self, argv: Sequence[str]) -> tuple[int, str]: ...

    def read(self, path: str) -> str: ...

    def listdir(self, path: str) -> list[str]: ...

    def exists(self, path: str) -> bool: ...

    def mkdir(self, path: str) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def lose_targets(
        self,
    ) -> None: ...  # boot before the volumes are there, and save what came of it, as targetcli does

    def write(self, path: str, text: str) -> None: ...  # to a file of the kernel's

    def symlink(self, target: str, path: str) -> None: ...

    def scribble(self, dataset: str) -> None: ...  # write something to a volume, as a user of it does

    def put(self, path: str, text: str) -> None: ...

    def mode(self, path: str) -> int | None: ...  # None where the head has no modes

    def write_data(self, dataset: str, count: int) -> None: ...  # random bytes to a volume, until they are on disk

    def log_in(self, wwn: str, initiator: str) -> AbstractContextManager[None]: ...

    def hold_lock(self, path: str) -> AbstractContextManager[None]: ...

    def slowed(self, command: str) -> AbstractContextManager[None]: ...  # where a command is too fast to be caught at


@dataclass(frozen=True, kw_only=True)
class Lun:
    """The names of one LUN of a test."""

    dst: str
    wwn: str
    initiators: tuple[str, ...] = ("iqn.2024-01.org.example:init",)

    @property
    def storage_object(self) -> str:
        return Iqn.parse(self.wwn).storage_object()


@dataclass
class Bench:
    """One head on which a test runs, with names that no other test uses."""

    host: Host
    eyes: Eyes
    inventory: Inventory
    test: str
    sessions: list[Session] = field(default_factory=list)
    seen: list[tuple[str, object]] = field(default_factory=list)  # (`operation`, module) of each task that was run

    def see(self, module: str) -> None:
        """Note that the test uses a module, for the table of what passed where."""
        if (SEEN, module) not in self.seen:
            self.seen.append((SEEN, module))

    @property
    def pool(self) -> str:
        return self.host.pools[0]

    @property
    def golden(self) -> str:
        return f"{self.pool}/images/golden@1"

    @property
    def folder(self) -> str:
        return f"{self.pool}/suite/{self.test}"

    def luns(self, count: int, *, initiators: tuple[str, ...] = Lun.initiators) -> list[Lun]:
        """Return names for some LUNs."""
        return [
            Lun(
                dst=f"{self.folder}/n{index:02d}",
                wwn=f"iqn.2024-01.org.example:{self.test}.n{index:02d}",
                initiators=initiators,
            )
            for index in range(count)
        ]

    def session(self) -> Session:
        """Return the session that the test shares."""
        if not self.sessions:
            self.sessions.append(connect(self.host))
        return self.sessions[0]

    def close(self) -> None:
        while self.sessions:
            self.sessions.pop().close()

    # -- doing, by the same way that users go -----------------------------------------------------------------

    def create_plan(
        self,
        luns: Iterable[Lun],
        *,
        src: str = "",
        parents: bool = True,
        properties: Mapping[str, str] | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> Plan:
        requests = [
            CloneRequest(
                src=Snapshot.parse((sources or {}).get(lun.dst, src or self.golden)),
                dst=Dataset.parse(lun.dst),
                wwn=Iqn.parse(lun.wwn),
                initiators=tuple(Iqn.parse(name) for name in lun.initiators),
                create_parent=parents,
                properties=properties or {},
            )
            for lun in luns
        ]
        return plan_create(requests, self.inventory, load_templates(), run=uuid4().hex)

    def delete_plan(self, luns: Iterable[Lun], *, destroy: bool = True) -> Plan:
        requests = [
            DeleteRequest(dst=Dataset.parse(lun.dst), wwn=Iqn.parse(lun.wwn), delete_clone=destroy) for lun in luns
        ]
        return plan_delete(requests, self.inventory)

    def run(self, plan: Plan, *, check: bool = False) -> RunResult:
        """Run a plan over the test's own session, as `lunops run` does over one of its own."""
        for task in (task for head in plan.heads for task in head.tasks):
            self.see(task.module)
        return run_plan(plan, connect=lambda _host: _Kept(self.session()), check=check)

    def create(self, luns: Iterable[Lun], *, check: bool = False, **options: Any) -> RunResult:
        return self.run(self.create_plan(luns, **options), check=check)

    def delete(self, luns: Iterable[Lun], *, check: bool = False, destroy: bool = True) -> RunResult:
        return self.run(self.delete_plan(luns, destroy=destroy), check=check)

    def do(
        self, module: str, *args: Mapping[str, Any], check: bool = False, run: str = "", timeout_s: float = 600.0
    ) -> TaskResult:
        """Do one task of a module with these arguments, checked by its schema as a playbook's are."""
        self.see(module)
        context = Context(host=self.host, templates=load_templates(), run=run)
        made = tuple(MODULES[module].item(dict(each), context, f"item {place}") for place, each in enumerate(args))
        task = Task(id=f"01:{module}", name=module, module=module, items=made, timeout_s=timeout_s)
        session = self.session()
        try:
            return session.run(task, check=check)
        finally:
            session.let_go()

    def undo(self, *results: TaskResult) -> tuple[ItemResult, ...]:
        """Take back all that these tasks made, as a run does for items that fail later."""
        made: dict[str, list[Any]] = {}
        for result in results:
            for item in result.items:
                made.setdefault(item.key, []).extend(item.made)
        return self.session().undo("01", made)

    def only(self, plan: Plan, *modules: str) -> Plan:
        """Return the plan with just the tasks of these modules."""
        heads = tuple(
            HeadPlan(host=head.host, tasks=tuple(task for task in head.tasks if task.module in modules))
            for head in plan.heads
        )
        return Plan(name=plan.name, heads=heads)

    # -- looking, by eyes that are not the agent's ------------------------------------------------------------

    def datasets(self) -> dict[str, str]:
        """Return what stands under the test's folder: name → origin."""
        code, out = self.eyes.run(["zfs", "list", "-Hp", "-r", "-t", "all", "-o", "name,origin", self.folder])
        return dict(line.split("\t") for line in out.splitlines()) if code == 0 else {}

    def property(self, dataset: str, name: str) -> tuple[str, str]:
        """Return a property's value and source."""
        _code, out = self.eyes.run(["zfs", "get", "-Hp", "-o", "value,source", name, dataset])
        value, source = out.strip().split("\t")
        return value, source

    def storage_folder(self, lun: Lun) -> str:
        """Return the folder of the LUN's storage object, or the empty text."""
        for hba in self.eyes.listdir(CORE):
            if lun.storage_object in self.eyes.listdir(f"{CORE}/{hba}"):
                return f"{CORE}/{hba}/{lun.storage_object}"
        return ""

    def acls(self, lun: Lun) -> set[str]:
        return set(self.eyes.listdir(f"{ISCSI}/{lun.wwn}/tpgt_1/acls"))

    def saved(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.eyes.read(SAVECONFIG))
        return value

    def saved_names(self) -> set[str]:
        saved = self.saved()
        return {one["wwn"] for one in saved["targets"]} | {one["name"] for one in saved["storage_objects"]}

    def record(self, lun: Lun) -> dict[str, Any] | None:
        """Return what lunops recorded of the LUN on the head."""
        if not self.eyes.exists(RECORDS):
            return None
        found: dict[str, Any] | None = json.loads(self.eyes.read(RECORDS))["luns"].get(lun.wwn)
        return found

    def is_served(self, lun: Lun) -> bool:
        """Return whether all layers have the LUN: clone, link, storage object, enabled target, saved both."""
        return (
            self.datasets().get(lun.dst) == self.golden
            and self.eyes.exists(f"/dev/zvol/{lun.dst}")
            and bool(self.storage_folder(lun))
            and self.eyes.exists(f"{ISCSI}/{lun.wwn}")
            and self.eyes.read(f"{ISCSI}/{lun.wwn}/tpgt_1/enable").strip() == "1"
            and {lun.wwn, lun.storage_object} <= self.saved_names()
        )

    def traces(self, lun: Lun) -> list[str]:
        """Return the layers that still have something of the LUN."""
        layers = {
            "zfs": lun.dst in self.datasets(),
            "device": self.eyes.exists(f"/dev/zvol/{lun.dst}"),
            "storage object": bool(self.storage_folder(lun)),
            "target": self.eyes.exists(f"{ISCSI}/{lun.wwn}"),
            "saveconfig": bool(self.eyes.exists(SAVECONFIG) and {lun.wwn, lun.storage_object} & self.saved_names()),
        }
        return [layer for layer, there in layers.items() if there]


class _Kept:
    """The test's session, which a run does not close: starting an agent on an emulated head takes seconds."""

    def __init__(self, session: Session) -> None:
        self.run = session.run
        self.undo = session.undo
        self.pipe = session.pipe
        self.wedged = session.wedged
        self.at_work = session.at_work
        self.cancel = session.cancel
        self.close = session.let_go  # the run is over: others may have its names


def items(result: RunResult, module: str) -> dict[str, ItemResult]:
    """Return the items of the tasks of one module, by key."""
    return {item.key: item for task in result.tasks if task.module == module for item in task.items}


def statuses(result: RunResult, module: str) -> set[Status]:
    """Return how the items of one module's tasks ended."""
    return {item.status for item in items(result, module).values()}


def tasks_of(plan: Plan) -> tuple[Task, ...]:
    """Return the tasks of a plan for one head."""
    (head,) = plan.heads
    return head.tasks
