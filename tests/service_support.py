"""What the tests of the service share: a head in memory, an engine in memory, a clock that is told, and requests."""

from __future__ import annotations

import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

from lunops import inventory
from lunops.connections.pipe import Pipe
from lunops.errors import AgentError, UnreachableError, WedgedError
from lunops.inventory import Inventory
from lunops.job_engine import Progress, Work
from lunops.jobs import Jobs, Limits, Outside, Worker
from lunops.model import Host, ItemResult, Json, Status, Task, TaskResult, Times
from lunops.resources import load_templates
from lunops.store import Store


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def at(self) -> float:
        return 1.7e9 + self.now_s

    def steady_s(self) -> float:
        return self.now_s


@dataclass
class Head:
    """The sessions of heads in memory. Keeps what was run, and does what a test tells it to."""

    clock: Clock = field(default_factory=Clock)
    ran: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    undone: list[tuple[str, ...]] = field(default_factory=list)
    there: set[tuple[str, str]] = field(default_factory=set)  # module and key that are done already
    fails: dict[tuple[str, str], str] = field(default_factory=dict)  # module and key → error
    is_off: set[str] = field(default_factory=set)
    cancelled: list[str] = field(default_factory=list)  # heads whose running task was told to end
    dies: set[str] = field(default_factory=set)  # modules at which the agent dies
    asked: Callable[[str], None] = lambda _run: None  # called when somebody asks who is at work for a run
    takes_s: float = 0.0
    before: Callable[[Host, Task], None] = lambda _host, _task: None

    def connect(self, host: Host) -> _Session:
        if host.name in self.is_off:
            raise UnreachableError("no route", where=host.name, fix="switch it on")
        return _Session(self, host)


class _Session:
    def __init__(self, head: Head, host: Host) -> None:
        self._head = head
        self._host = host

    def run(
        self, task: Task, *, check: bool = False, on_item: Callable[[ItemResult], None] | None = None
    ) -> TaskResult:
        assert not check
        self._head.before(self._host, task)
        if task.module in self._head.dies:
            raise AgentError("the agent ended in the middle", where=self._host.name, fix="look at the head")
        self._head.ran.append((self._host.name, task.id, tuple(item.key for item in task.items)))
        items = []
        for item in task.items:
            self._head.clock.now_s += self._head.takes_s
            items.append(self._item(task, item.key))
            if on_item is not None:
                on_item(items[-1])
        status = Status.FAILED if any(item.status.is_bad for item in items) else Status.CHANGED
        return TaskResult(
            head=self._host.name,
            task_id=task.id,
            name=task.name,
            module=task.module,
            status=status,
            items=tuple(items),
            times=Times(total_s=0.1),
        )

    def _item(self, task: Task, key: str) -> ItemResult:
        error = self._head.fails.get((task.module, key))
        if error:
            return ItemResult(key=key, status=Status.FAILED, error=error, fix="mend it")
        if (task.module, key) in self._head.there:
            return ItemResult(key=key, status=Status.OK)
        self._head.there.add((task.module, key))
        return ItemResult(key=key, status=Status.CHANGED, made=([task.module, key],))

    def undo(self, task_id: str, made: Mapping[str, Sequence[Json]]) -> tuple[ItemResult, ...]:
        assert task_id
        self._head.undone.append(tuple(made))
        return tuple(ItemResult(key=key, status=Status.CHANGED, changes=("undone",)) for key in made)

    def pipe(self, side: str, args: Json, *, stall_s: float) -> Pipe:
        raise AssertionError(f"{side} {args} {stall_s}: nothing here is one end of a stream")

    def wedged(self) -> WedgedError | None:
        return None

    def at_work(self, run: str) -> str:
        self._head.asked(run)
        return ""

    def cancel(self) -> None:
        self._head.cancelled.append(self._host.name)

    def close(self) -> None:
        pass


class MemoryEngine:
    """An engine that runs what is queued when it is told to, and forgets its steps with itself."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.queued: deque[str] = deque()
        self.labels: dict[str, str] = {}
        self.done: dict[str, Progress] = {}
        self.is_broken = False

    def enqueue(self, workflow_id: str, *, label: str) -> None:
        if self.is_broken:
            raise OSError("no space left on device")
        self.labels[workflow_id] = label
        if workflow_id not in self.done:
            self.queued.append(workflow_id)
            self.done[workflow_id] = Progress.QUEUED

    def progress(self, workflow_ids: Sequence[str]) -> dict[str, Progress]:
        return {each: self.done.get(each, Progress.UNKNOWN) for each in workflow_ids}

    def owners(self) -> set[str]:
        return set()

    def take_over(self, owner: str, revoke: Callable[[str], None]) -> tuple[str, ...]:
        raise AssertionError(f"{owner}, {revoke}: there is no other process")

    def take_up(self) -> tuple[str, ...]:
        return ()

    def forget(self, *, before_at: float) -> None:
        assert before_at

    def run_one(self) -> None:
        """Run the first that is queued."""
        workflow_id = self.queued.popleft()
        self._work(workflow_id, _do_step)
        self.done[workflow_id] = Progress.DONE


class MemoryLives:
    """The life of the only process that there is."""

    own = "me"

    def begin(self) -> None:
        pass

    def hold(self) -> None:
        pass

    def end(self) -> None:
        pass

    @contextmanager
    def if_dead(self, name: str) -> Iterator[bool]:
        yield name != self.own


def _do_step(_name: str, do: Callable[[], Json]) -> Json:
    return json.loads(json.dumps(do()))


def two_heads() -> Inventory:
    """Return an inventory of two heads with a pool each."""
    text = "jbod-01 connection=sim pools=p1 state=a.db\njbod-02 connection=sim pools=p2 state=b.db\n"
    return inventory.parse(text, Path("/nowhere/inventory"))


def outside(head: Head, heads: Callable[[], Inventory] | None = None) -> Outside:
    """Return the world in memory."""
    return Outside(inventory=heads or two_heads, templates=load_templates(), connect=head.connect, clock=head.clock)


AT_ONCE = Limits(deadline_s=0)  # a head that is off fails its part at once


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The service without web and engine: what most tests need. Its worker does nothing by itself."""

    store: Store
    jobs: Jobs
    worker: Worker
    engine: MemoryEngine
    head: Head

    def run_all(self) -> None:
        """Let through the gate what may go, and run it, until nothing is left."""
        self.worker.admit()
        while self.engine.queued:
            self.engine.run_one()
            self.worker.admit()


def bench(path: Path, head: Head | None = None, *, limits: Limits = AT_ONCE, **more: Any) -> Bench:
    """Return a service over heads in memory; a head that is off fails a job at once, unless the limits say else."""
    head = head or Head()
    store = Store(path / "lunops.db")
    world = more.pop("world", None) or outside(head, more.pop("heads", None))
    worker = Worker(store, world, MemoryLives(), **more)
    engine = MemoryEngine(worker.run)

    def accepted() -> None:
        with suppress(OSError):  # of an engine that is broken: the next look will see to it
            worker.admit()

    worker.register()
    worker.attach(engine)
    jobs = Jobs(store, world, limits=limits, accepted=accepted)
    return Bench(store=store, jobs=jobs, worker=worker, engine=engine, head=head)


def clone(name: str = "n1", pool: str = "p1", **more: Json) -> dict[str, Json]:
    """Return one item of a create request."""
    return {
        "src": f"{pool}/images/golden@1",
        "dst": f"{pool}/nodes/{name}",
        "wwn": f"iqn.2024-01.org.example:{name}",
        "initiators": ["iqn.2024-01.org.example:boot"],
        **more,
    }


def gone(name: str = "n1", pool: str = "p1", **more: Json) -> dict[str, Json]:
    """Return one item of a delete request."""
    return {"dst": f"{pool}/nodes/{name}", "wwn": f"iqn.2024-01.org.example:{name}", **more}


def request(
    app: Any, method: str, path: str, body: Json | bytes = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any, dict[str, str]]:
    """Send a request through WSGI's own checks; return code, parsed body, headers."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(data)),
    }
    headers = dict(headers or {})
    environ["CONTENT_TYPE"] = headers.pop("Content-Type", environ["CONTENT_TYPE"])
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, fields: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        said.append((status, fields))
        return lambda _data: None

    answer = validator(app)(environ, start_response)
    try:
        content = b"".join(answer)
    finally:
        answer.close()  # type: ignore[attr-defined]
    status, fields = said[-1]
    return int(status.split()[0]), json.loads(content) if content else None, dict(fields)


def wait_for(what: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until it is true; fail when it does not become so."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.02)):
        if what():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen in time")
