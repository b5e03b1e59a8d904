"""Let the first Ctrl-C, or a TERM, end a run between two items, and a second Ctrl-C end it at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible(cancelled: threading.Event) -> Iterator[None]:
    """Set `cancelled` at the first signal, and raise KeyboardInterrupt at the second, as long as this lasts."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()
        print(
            "lunops: interrupted: ending what runs on the heads (once more ends at once, and leaves it unknown)",
            file=sys.stderr,
        )

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
