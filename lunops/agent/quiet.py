"""End an agent whose controller has fallen silent, so that its locks are free.

A controller that was stopped, or a machine that was switched off behind a connection that nobody closes, leaves an
agent that would wait, and hold its names, for ever. So a controller may say again and again that it is alive, and
what silence means (`quiet_s`); one that never says so is waited for. What has not ended in as long again, since it
hangs or since nobody takes what it says, is killed with all that the agent has started.
"""

from __future__ import annotations

import contextlib
import os
import threading

from lunops.agent.processes import end_started

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Iterator

    from lunops.agent.system import System

LEFT = 75  # the exit code of an agent that was left alone


class Quiet:
    """Watches for silence, by the head's own clock. `cancel` ends what runs; `over` is set when that has ended."""

    def __init__(self, system: System, cancel: Callable[[], None], over: Callable[[], threading.Event]) -> None:
        self._system = system
        self._cancel = cancel
        self._over = over
        self._heard_at = 0.0
        self._quiet_s = 0.0
        self._is_suspended = False

    def heard(self, quiet_s: float) -> None:
        """Note that the controller is alive; the first time, begin to watch."""
        begins = not self._quiet_s and quiet_s > 0
        self._heard_at, self._quiet_s = self._system.monotonic(), quiet_s
        if begins:
            threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Do not watch while the block runs: what comes in is no request."""
        self._is_suspended = True
        try:
            yield
        finally:
            self._heard_at = self._system.monotonic()
            self._is_suspended = False

    def _watch(self) -> None:
        while self._is_suspended or self._system.monotonic() - self._heard_at < self._quiet_s:
            self._system.sleep(self._quiet_s / 8)
        self._cancel()
        self._over().wait(self._quiet_s)
        leave(LEFT)  # the input may never end


def leave(code: int) -> None:
    """Let go of the connection, kill what this process has started, and end at once."""
    # First: what fails since it is killed is not to be told as if it had failed by itself. And a thread that hangs in
    # the kernel keeps the process and its files, among which the connection must not be.
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        for handle in (0, 1, 2):
            os.dup2(nowhere, handle)
    end_started()
    os._exit(code)
