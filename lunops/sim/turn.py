"""One simulated head of a process works at a time, however many threads there are.

Nothing is lost by it, since they share one interpreter; and much is won: each query of the state gives the
interpreter away for a moment, which among hundreds of threads that all want it costs more than the query does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

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
    _mine.is_held = False
    _lock.release()
    try:
        time.sleep(seconds)
    finally:
        _lock.acquire()
        _mine.is_held = True
