"""A channel to a simulated head's agent that works within this process, or with many others in a worker.

A process of its own takes over for what needs one: a stream, whose frames have to flow both ways at once, and a fault
that kills the agent or hangs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lunops.connections.base import Channel
from lunops.connections.sim_agents import LocalAgent, RemoteAgent, open_agent
from lunops.errors import AgentError, UnreachableError

_KILLED = -9
_STARTS_IN_S = 30.0  # a process, when a session that has begun needs one


class SimChannel:
    """A simulated head, each of whose answers comes `delay_s` late."""

    def __init__(
        self,
        state: Path,
        pools: tuple[str, ...],
        *,
        delay_s: float,
        start: Callable[[], Channel],
        is_process: bool,
        close_s: float,
    ) -> None:
        """Open the head; `start` makes the process that is needed at once if `is_process`, or later."""
        self._delay_s = delay_s
        self._start = start
        self._close_s = close_s
        self._process: Channel | None = None
        self._agent: LocalAgent | RemoteAgent | None = None
        self._closed = False
        self._is_asked = False  # an answer is on its way, for as long as the delay says
        if not is_process:
            self._agent = open_agent(state, pools)
        if self._agent is None:
            self._process = start()

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        """Give the agent a request, or some of a stream."""
        if self._process is None and data.startswith(b'{"do":"pipe"'):
            self._process = self._take_over()
        if self._process is not None:
            self._process.send(data, timeout_s)
        elif self._closed or self._agent is None:
            raise UnreachableError("the connection to the agent was closed")
        elif data:
            self._is_asked = not data.startswith(b'{"do":"cancel"') or self._is_asked
            self._agent.take(data)

    def receive(self, timeout_s: float) -> bytes | None:
        """Return what the agent says; the task is done here and now where nobody else does it."""
        if self._is_asked:
            self._is_asked = False
            if self._delay_s:
                time.sleep(self._delay_s)
        if self._process is not None:
            return self._process.receive(timeout_s)
        return self._agent.hear(timeout_s) if self._agent else b""

    def hold_little(self) -> None:
        """Hold what comes: a stream comes from a process only."""
        if self._process is not None:
            self._process.hold_little()

    def stderr_tail(self) -> str:
        """Return what a process wrote to its standard error."""
        return self._process.stderr_tail() if self._process else ""

    def exit_code(self) -> int | None:
        """Return the process's exit code; that of a killed agent is the same within this process."""
        if self._process is not None:
            return self._process.exit_code()
        return _KILLED if self._agent and self._agent.is_dead else None

    def close(self) -> None:
        """End the agent, bounded in time."""
        self._closed = True
        if self._process is not None:
            self._process.close()
        if self._agent is not None:
            self._agent.close(self._close_s)

    def _take_over(self) -> Channel:
        """Start a process for the rest of the session; what this one holds (a run's lock) it goes on holding."""
        process = self._start()
        deadline = time.monotonic() + _STARTS_IN_S
        hello = b""
        while not hello.endswith(b"\n"):  # the session has had its hello
            said = process.receive(max(0.0, deadline - time.monotonic()))
            if not said:
                tail = process.stderr_tail()
                process.close()
                raise AgentError(f"the simulated head's process did not start: {tail or 'it said nothing'}")
            hello += said
        process.hold_little()
        return process
