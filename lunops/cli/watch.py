"""Hear what a check run is about, beside whoever prints it: which heads, which datasets and targets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from lunops.head_run import ProgressObserver
from lunops.model import Host, Item, ItemResult, Plan, Task, TaskResult
from lunops.play.observer import PlayObserver, SilentPlay
from lunops.saved.touched import Touched, note


class Watch:
    """An observer that passes on all that it hears, and remembers what items were about."""

    def __init__(self, plan: Plan, connect: Callable[[Host], Any]) -> None:
        """Begin with what could be told before the run."""
        self.touched: dict[str, Touched] = {}
        self.hosts: dict[str, Host] = {}  # as they were connected to, with the rights that the tasks have
        self.items: dict[str, list[Item]] = {}  # by the id of their task
        self.hidden: set[str] = set()  # the ids of the tasks with no_log
        self.observer: PlayObserver = SilentPlay()
        self._connect = connect
        self._lock = threading.Lock()
        for head in plan.heads:
            for task in head.tasks:
                note(self.touched, head.host.name, task)

    def connect(self, host: Host) -> Any:
        """Connect, and remember to whom."""
        with self._lock:
            if host.name not in self.hosts or host.become:
                self.hosts[host.name] = host
        return self._connect(host)

    def passwords(self) -> Iterable[str]:
        """Give the passwords of targets."""
        for items in self.items.values():
            for item in items:
                yield from _texts(item.args, is_wanted=False)

    def hidden_texts(self) -> Iterable[str]:
        """Give all texts that tasks with no_log were given."""
        for task_id in self.hidden:
            for item in self.items.get(task_id, ()):
                yield from _texts(item.args, is_wanted=True)

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        self.observer.play_started(name, heads, number)

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        self.observer.retrying(head, name, attempt, of)

    def note(self, text: str) -> None:
        self.observer.note(text)

    def task_started(self, head: str, task: Task) -> None:
        note(self.touched, head, task)
        self.items.setdefault(task.id, []).extend(task.items)
        self.observer.task_started(head, task)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        self.observer.item_ended(head, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        if isinstance(self.observer, ProgressObserver):
            self.observer.progress(head, task, item_key, done_bytes, total_bytes)

    def task_ended(self, result: TaskResult) -> None:
        if result.no_log:
            self.hidden.add(result.task_id)
        self.observer.task_ended(result)


def _texts(value: Any, *, is_wanted: bool) -> Iterable[str]:
    if isinstance(value, str) and is_wanted:
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, is_wanted=is_wanted or "password" in str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, is_wanted=is_wanted)
