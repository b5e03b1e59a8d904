"""Let the first Ctrl-C, or a TERM, end a run between two items, and a second Ctrl-C end it at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from lunops.cli.asking import Aside

_TEXT = "lunops: interrupted: ending what runs on the heads (once more ends at once, and leaves it unknown)"


@contextmanager
def interruptible(cancelled: threading.Event, aside: Aside = nullcontext) -> Iterator[None]:
    """Set `cancelled` at the first signal, and raise KeyboardInterrupt at the second, as long as this lasts.

    That it was interrupted is said `aside`.
    """
    over = threading.Event()
    told = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()
        told.set()

    def tell() -> None:
        # Not in the handler: it may have come in the middle of a write, which cannot be begun again within itself.
        told.wait()
        if not over.is_set():
            with aside():
                print(_TEXT, file=sys.stderr)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if not told.is_set():
            over.set()
            told.set()
        teller.join(1.0)
