"""A session that does nothing and answers as it is told: for tests of what stands above sessions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lunops.connections.pipe import Pipe
from lunops.errors import HeadError, WedgedError
from lunops.model import Host, Item, ItemResult, Json, Status, Task, TaskResult, Times

Answer = Callable[[Task, Item], ItemResult]


def changed(task: Task, item: Item) -> ItemResult:
    """Answer that the item was changed, and that undoing it needs the module's name."""
    return ItemResult(
        key=item.key, status=Status.CHANGED, changes=(f"{task.module} {item.key}",), made=([task.module],), seconds=0.1
    )


def failing(*where: tuple[str, str]) -> Answer:
    """Return an answer that fails the items given as (module, key), and changes all others."""

    def answer(task: Task, item: Item) -> ItemResult:
        if (task.module, item.key) in where:
            return ItemResult(key=item.key, status=Status.FAILED, error=f"cannot {task.module}", fix="mend it")
        return changed(task, item)

    return answer


@dataclass
class Heads:
    """What all sessions of a test are told, and what was asked of them."""

    answer: Answer = changed
    breaks: Mapping[tuple[str, str], HeadError] = field(default_factory=dict)  # (head, module) → raised after one item
    unreachable: Mapping[str, HeadError] = field(default_factory=dict)  # head → raised by connect
    wedged: Mapping[str, WedgedError] = field(default_factory=dict)  # head → why it takes no LIO work
    undo_breaks: HeadError | None = None
    hold: threading.Event | None = None  # items wait for it, or for cancel
    connected: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, tuple[str, ...], bool]] = field(default_factory=list)  # head, module, keys, check
    undone: list[tuple[str, dict[str, list[Json]]]] = field(default_factory=list)
    holding: threading.Event = field(default_factory=threading.Event)  # set once an item waits

    def connect(self, host: Host) -> FakeSession:
        """Return a session with the head, or fail as told."""
        if host.name in self.unreachable:
            raise self.unreachable[host.name]
        self.connected.append(host.name)
        return FakeSession(self, host)


class FakeSession:
    """One head's session."""

    def __init__(self, heads: Heads, host: Host) -> None:
        self._heads = heads
        self._host = host
        self._cancelled = threading.Event()

    def run(
        self, task: Task, *, check: bool = False, on_item: Callable[[ItemResult], None] | None = None
    ) -> TaskResult:
        """Answer each item; break after the first, if told so."""
        self._heads.asked.append((self._host.name, task.module, tuple(item.key for item in task.items), check))
        results: list[ItemResult] = []
        for item in task.items:
            if self._heads.hold is not None and not self._cancelled.is_set():
                self._heads.holding.set()
                while not (self._heads.hold.wait(0.01) or self._cancelled.is_set()):
                    pass
            is_over = self._cancelled.is_set() and bool(results)  # the present item is finished
            result = ItemResult(key=item.key, status=Status.SKIPPED) if is_over else self._heads.answer(task, item)
            results.append(result)
            if on_item is not None:
                on_item(result)
            if error := self._heads.breaks.get((self._host.name, task.module)):
                raise error
        found = {result.status for result in results}
        status = next((each for each in (Status.FAILED, Status.CHANGED, Status.OK) if each in found), Status.SKIPPED)
        return TaskResult(
            head=self._host.name,
            task_id=task.id,
            name=task.name,
            module=task.module,
            status=status,
            items=tuple(results),
            times=Times(run_s=1.0, total_s=1.0),
        )

    def undo(self, task_id: str, made: Mapping[str, Sequence[Json]]) -> tuple[ItemResult, ...]:
        """Note what is to be undone."""
        assert task_id
        if self._heads.undo_breaks is not None:
            raise self._heads.undo_breaks
        self._heads.undone.append((self._host.name, {key: list(things) for key, things in made.items()}))
        return tuple(
            ItemResult(key=key, status=Status.CHANGED, changes=(f"destroy {key}",), seconds=0.1) for key in made
        )

    def pipe(self, side: str, args: Json, *, stall_s: float) -> Pipe:
        """Have no bytes to move."""
        raise AssertionError(f"{side} {args} {stall_s}: nothing here is one end of a stream")

    def wedged(self) -> WedgedError | None:
        """Be well, or wedged, as told."""
        return self._heads.wedged.get(self._host.name)

    def at_work(self, run: str) -> str:
        assert run
        return ""

    def cancel(self) -> None:
        """End between two items."""
        self._cancelled.set()

    def close(self) -> None:
        """Note it."""
        self._heads.closed.append(self._host.name)
