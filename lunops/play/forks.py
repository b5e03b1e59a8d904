"""Do something for many heads side by side, on threads that stay for the whole run."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_LOOK_S = 0.1  # how often it is looked whether the run was cancelled
_AGAIN_S = 1.0  # how often that is said again: a task may have begun just after it was said


class Forks:
    """Up to `most` threads. They are daemons: a second Ctrl-C must end the program even if a head hangs."""

    def __init__(self, most: int, *, cancelled: threading.Event, cancel: Callable[[], None]) -> None:
        """`cancel` is called while something runs and `cancelled` is set, more than once."""
        self._most = max(1, most)
        self._cancelled = cancelled
        self._cancel = cancel
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._mine = threading.local()

    def each(self, things: Sequence[T], do: Callable[[T], R], most: int = 0) -> list[R]:
        """Return what `do` gives for each thing, in their order; at most `most` of them at once, if given.

        What it raises is raised when all have ended, the first one's. Called within a fork, it goes one by one.
        """
        if getattr(self._mine, "is_fork", False):
            return [do(thing) for thing in things]
        results: dict[int, R] = {}
        errors: list[BaseException] = []
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        at_once = threading.Semaphore(most) if most else None

        def call(place: int, thing: T) -> None:
            try:
                if at_once is None:
                    results[place] = do(thing)
                else:
                    with at_once:
                        results[place] = do(thing)
            except BaseException as error:
                errors.append(error)
            finally:
                ended.put(None)

        while len(self._threads) < min(self._most, len(things)):
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
        for place, thing in enumerate(things):
            self._waiting.put(lambda place=place, thing=thing: call(place, thing))  # type: ignore[misc]
        again = 0.0
        left = len(things)
        while left:
            try:
                ended.get(timeout=_LOOK_S)
                left -= 1
            except queue.Empty:
                pass
            if self._cancelled.is_set() and time.monotonic() >= again:
                self._cancel()
                again = time.monotonic() + _AGAIN_S
        if errors:
            raise errors[0]
        return [results[place] for place in range(len(things))]

    def close(self) -> None:
        """Let the threads end."""
        for _thread in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        self._mine.is_fork = True
        while (job := self._waiting.get()) is not None:
            job()
