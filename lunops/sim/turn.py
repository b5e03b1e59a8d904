"""One simulated head of a process works at a time, however many threads there are.

Nothing is lost by it, since they share one interpreter; and much is won: each query of the state gives the
interpreter away for a moment, which among hundreds of threads that all want it costs more than the query does.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator

_lock = threading.Lock()
_mine = threading.local()


@contextlib.contextmanager
def taken() -> Iterator[None]:
    """Work while the block runs, and let nobody else do."""
    with _lock:
        _mine.is_held = True
        try:
            yield
        finally:
            _mine.is_held = False


def sleep(seconds: float) -> None:
    """Wait, and let others work meanwhile."""
    if not getattr(_mine, "is_held", False):
        time.sleep(seconds)
        return
    crew: Crew | None = getattr(_mine, "crew", None)
    _mine.is_held = False
    _lock.release()
    try:
        if crew is None:
            time.sleep(seconds)
        else:
            with crew.asleep():
                time.sleep(seconds)
    finally:
        _lock.acquire()
        _mine.is_held = True


class Crew:
    """Threads that do jobs in the order in which they come: one that is awake, and those that wait for something."""

    def __init__(self) -> None:
        """Begin with one thread."""
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._awake = 0
        self._hire()

    def do(self, job: Callable[[], None]) -> None:
        """Do a job when its turn comes; it must not raise."""
        self._jobs.put(job)

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Let another thread go on with the jobs while this one waits."""
        with self._lock:
            self._awake -= 1
            is_last = not self._awake
        if is_last:
            self._hire()
        try:
            yield
        finally:
            with self._lock:
                self._awake += 1

    def _hire(self) -> None:
        with self._lock:
            self._awake += 1
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        _mine.crew = self
        while True:
            self._jobs.get()()
