"""Bound in time what has no timeout of its own, by closing what it waits on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watchdog:
    """A block of code that is given some seconds; after them `close` is called, from another thread.

    The block's calls then fail, each with its own error; `barked` tells why.
    """

    def __init__(self, seconds: float, close: Callable[[], object]) -> None:
        self.barked = False
        self._close = close
        self._timer = threading.Timer(seconds, self._bark)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _bark(self) -> None:
        self.barked = True
        self._close()
