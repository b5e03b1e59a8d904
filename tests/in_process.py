"""A session with an agent in this very process, over a simulated head: all of the protocol, no process to start."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from lunops.agent.serve import serve
from lunops.connections.session import Session
from lunops.model import Host
from lunops.sim.head import SimulatedSystem


class QuickSystem(SimulatedSystem):
    """A simulated head on which waiting takes no time: sleeping moves its own clock on."""

    _skipped_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped_s

    def sleep(self, seconds: float) -> None:
        self._skipped_s += seconds


class _Channel:
    """The pipes between the session and the agent's thread."""

    def __init__(self, system: SimulatedSystem) -> None:
        self._asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        stdin: Any = iter(self._lines())
        self._thread = threading.Thread(target=serve, args=(system, stdin, self), daemon=True)
        self._thread.start()

    # what the agent writes to

    def write(self, data: bytes) -> None:
        self._said.put(data)

    def flush(self) -> None:
        """Nothing waits."""

    # what the session uses

    def hold_little(self) -> None:
        """Hold what comes: no stream does."""

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        del timeout_s  # the queue takes all at once
        if data:
            self._asked.put(data)

    def receive(self, timeout_s: float) -> bytes | None:
        try:
            return self._said.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def stderr_tail(self) -> str:
        return ""

    def exit_code(self) -> int | None:
        return None

    def close(self) -> None:
        self._asked.put(b"")
        self._thread.join(60)

    def _lines(self) -> Iterator[bytes]:
        while data := self._asked.get():
            yield data


def connect(host: Host) -> Session:
    """Return a session with a simulated head of its own; closing it ends the agent and closes the head's file."""
    assert host.state is not None
    system = QuickSystem(host.state, pools=host.pools)
    channel = _Channel(system)
    session = Session(host, channel)
    closing = session.close

    def close() -> None:
        closing()
        system.close()

    session.close = close  # type: ignore[method-assign] # the file is this session's own
    return session
