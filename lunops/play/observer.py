"""Who is told what a run of a playbook does."""

from __future__ import annotations

import threading
from typing import Protocol

from lunops.head_run import Observer, ProgressObserver, Silent
from lunops.model import ItemResult, Task, TaskResult


class PlayObserver(Observer, Protocol):
    """Told what happens, as it happens; what stands here is called besides what stands in `Observer`."""

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        """Hear that a play, or another batch of it, begins on these heads."""

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        """Hear that a task is tried again on a head: it was tried `attempt` times `of` so many."""

    def note(self, text: str) -> None:
        """Hear what the user should know besides."""


class SilentPlay(Silent):
    """An observer that does nothing."""

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        """Do nothing."""

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class OneAtATime:
    """Calls an observer from one thread at a time."""

    def __init__(self, observer: PlayObserver) -> None:
        self._observer = observer
        self._lock = threading.RLock()

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        with self._lock:
            self._observer.play_started(name, heads, number)

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        with self._lock:
            self._observer.retrying(head, name, attempt, of)

    def note(self, text: str) -> None:
        with self._lock:
            self._observer.note(text)

    def task_started(self, head: str, task: Task) -> None:
        with self._lock:
            self._observer.task_started(head, task)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        with self._lock:
            self._observer.item_ended(head, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        if isinstance(self._observer, ProgressObserver):
            with self._lock:
                self._observer.progress(head, task, item_key, done_bytes, total_bytes)

    def task_ended(self, result: TaskResult) -> None:
        with self._lock:
            self._observer.task_ended(result)
