"""Two heads for a test: images go from one to the other, by the same way that users' plans go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from lunops.connections import connect
from lunops.connections.session import Session
from lunops.head_run import Silent
from lunops.inventory import Inventory
from lunops.model import HeadPlan, Host, Item, ItemResult, Plan, Status, Task, TaskResult
from lunops.modules import MODULES, Context
from lunops.resources import load_templates
from lunops.runner import run_plan
from tests.operations.bench import Bench

MIB = 1 << 20


class Hearing(Silent):
    """Notes progress, and does something once an item has come so far."""

    def __init__(self, at_bytes: int = 0, do: Callable[[], None] | None = None) -> None:
        self.heard: list[tuple[str, int, int]] = []
        self._at_bytes = at_bytes
        self._do = do

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        assert (head, task.module) == (head, "zfs_send")
        self.heard.append((item_key, done_bytes, total_bytes))
        if self._do is not None and done_bytes >= self._at_bytes:
            do, self._do = self._do, None
            do()


@dataclass
class Pair:
    """A source and a destination."""

    source: Bench
    destination: Bench
    inventory: Inventory
    slow: Callable[[], None]  # make streams last long enough for something to happen in the middle
    fast: Callable[[], None]
    kill: Callable[[str, str], None]  # (head, `send` or `receive`): end that command as kill -9 does
    sessions: list[tuple[str, Session]] = field(default_factory=list)  # all that were made, by head

    @property
    def folder(self) -> str:
        return self.destination.folder

    @property
    def golden(self) -> str:
        return self.source.golden

    def image(self, size: int, name: str = "img") -> str:
        """Make an image of so many random bytes on the source; return its dataset, with the snapshot @1."""
        dataset = f"{self.source.folder}-{name}"
        eyes = self.source.eyes
        assert eyes.run(["zfs", "create", "-p", "-s", "-V", str(2 * size), dataset])[0] == 0
        eyes.write_data(dataset, size)
        self.snapshot(dataset, "1")
        return dataset

    def snapshot(self, dataset: str, tag: str) -> None:
        assert self.source.eyes.run(["zfs", "snapshot", f"{dataset}@{tag}"])[0] == 0

    def args(self, src: str, dst: str, **more: Any) -> dict[str, Any]:
        return {"src": src, "to": self.destination.host.name, "dst": dst, "create_parent": True, **more}

    def plan(self, *args: Mapping[str, Any], timeout_s: float = 600.0) -> Plan:
        self.source.see("zfs_send")
        host = self.source.host
        context = Context(host=host, templates=load_templates(), run=uuid4().hex, hosts=self.inventory.hosts)
        items = tuple(MODULES["zfs_send"].item(dict(each), context, "item") for each in args)
        task = Task(id="01:zfs_send", name="send", module="zfs_send", items=items, forks=2, timeout_s=timeout_s)
        return Plan(name="send", heads=(HeadPlan(host=host, tasks=(task,)),))

    def send(
        self,
        *args: Mapping[str, Any],
        check: bool = False,
        observer: Silent | None = None,
        cancelled: threading.Event | None = None,
    ) -> TaskResult:
        plan = self.plan(*args)
        result = run_plan(plan, connect=self.connect, observer=observer, check=check, cancelled=cancelled)
        return result.tasks[0]

    def connect(self, host: Host) -> Session:
        session = connect(host)
        self.sessions.append((host.name, session))
        return session

    def kill_agent(self, bench: Bench) -> None:
        """End the agent of a head that was connected to last, as kill -9 does."""
        session = next(session for name, session in reversed(self.sessions) if name == bench.host.name)
        bench.eyes.run(["kill", "-9", str(session.hello.pid)])

    def send_then_fail(self, *args: Mapping[str, Any]) -> tuple[ItemResult, ...]:
        """Send, and fail at the same items afterwards; return how that was taken back."""
        plan = self.plan(*args)
        (head,) = plan.heads
        missing = f"{self.source.folder}/nothing"
        items = tuple(Item(key=item.key, args={"dataset": missing}) for item in head.tasks[0].items)
        later = Task(id="02:wait_for_device", name="fail", module="wait_for_device", items=items)
        plan = replace(plan, heads=(replace(head, tasks=(*head.tasks, later)),))
        result = run_plan(plan, connect=self.connect)
        sent, failed, undone = result.tasks
        assert (sent.status, failed.status, undone.module) == (Status.CHANGED, Status.FAILED, "undo"), result
        return undone.items

    def guid(self, bench: Bench, snapshot: str) -> str:
        code, out = bench.eyes.run(["zfs", "get", "-Hp", "-o", "value", "guid", snapshot])
        return out.strip() if code == 0 else ""

    def token(self, dataset: str) -> str:
        return self.destination.property(dataset, "receive_resume_token")[0]
