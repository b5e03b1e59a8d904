"""Have a thread that polls do so at once when there is work, and seldom when there is none.

DBOS looks for queued work by polling, at about 3 ms of CPU a look: often enough to be quick, it takes a tenth of a
core for ever. It sleeps on its stop event (a public attribute of DBOS 3.4), so that event is where it can be woken.
"""

from __future__ import annotations

import threading
import time

QUICK_S = 0.02  # between two looks, after a wake
_AWAKE_S = 1.0  # how long a wake lasts: work is queued, or the line free, only a moment after it is said


class Pace(threading.Event):
    """An event whose timed waits last `idle_s` at least, and end early, without its being set, when it is woken."""

    _woken: threading.Condition
    _awake_until: float
    _idle_s: float

    @classmethod
    def take_over(cls, event: threading.Event, *, idle_s: float) -> Pace:
        """Return the event as a Pace, for all who hold it; a wait that has begun goes on as it was."""
        pace = event
        # What a wait needs is there before the first one can find its way here.
        vars(pace).update(_woken=threading.Condition(), _awake_until=0.0, _idle_s=idle_s)
        pace.__class__ = cls
        assert isinstance(pace, Pace)
        return pace

    def wake(self) -> None:
        """End all waits, and for a while each after a moment."""
        with self._woken:
            self._awake_until = time.monotonic() + _AWAKE_S
            self._woken.notify_all()

    def set(self) -> None:
        """Set it, as any event."""
        super().set()
        with self._woken:
            self._woken.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, woken, or the time is over; return whether it is set."""
        with self._woken:
            if not self.is_set():
                if timeout is not None:
                    awake = time.monotonic() < self._awake_until
                    timeout = min(timeout, QUICK_S) if awake else max(timeout, self._idle_s)
                self._woken.wait(timeout)
        return self.is_set()
