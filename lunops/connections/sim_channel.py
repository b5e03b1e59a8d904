"""A channel to a simulated head's agent that works within this process: no process, and mostly no thread, to start.

A task about one thing is done by the very thread that waits for its end. A process of its own takes over for what
needs one: a stream, whose frames have to flow both ways at once, and a fault that kills the agent or hangs it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lunops.agent.serve import Agent, RunningTask
from lunops.connections.base import Channel
from lunops.errors import AgentError, UnreachableError
from lunops.sim import turn
from lunops.sim.head import SimulatedSystem, pools_to_make
from lunops.sim.state import Killed

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
        self._agent: _InlineAgent | None = None
        self._closed = False
        self._is_asked = False  # an answer is on its way, for as long as the delay says
        if not is_process:
            self._agent = _InlineAgent.open(state, pools)
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


class _InlineAgent:
    """The agent, and what it writes to."""

    def __init__(self, system: SimulatedSystem) -> None:
        self._system = system
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._task: RunningTask | None = None  # that nobody has begun yet
        self._at_work = threading.Lock()
        self._is_closed = False
        stdout: Any = self
        self._agent = Agent(system, stdout, self._begin)
        self._agent.greet()

    @classmethod
    def open(cls, state: Path, pools: tuple[str, ...]) -> _InlineAgent | None:
        """Return an agent for the head; None if what is set to go wrong there needs a process of its own."""
        try:
            system = SimulatedSystem(state, pools=pools_to_make(state, pools))
        except (OSError, sqlite3.Error) as error:
            raise AgentError(
                f"cannot open the simulated head's file {state}: {error}",
                fix="let the host variable `state` name a file that can be written, or does not exist yet",
            ) from error
        if any(fault.ends_process for fault in system.faults().faults):
            system.close()
            return None
        system.share_process()
        return cls(system)

    @property
    def is_dead(self) -> bool:
        """Whether a fault killed it."""
        return self._system.is_dead

    def take(self, request: bytes) -> None:
        """Take a request, whole in one piece."""
        self._agent.take(json.loads(request))

    def hear(self, timeout_s: float) -> bytes | None:
        """Return all that was said; do the task first, if that is still to be done."""
        task, self._task = self._task, None
        if task is not None:
            self._work(task)
        with contextlib.suppress(queue.Empty):
            heard = said = self._said.get(timeout=timeout_s)
            while said and not self._said.empty():
                said = self._said.get()
                heard += said
            if not said:
                self._said.put(b"")  # the end: it is still to be heard, behind the rest and ever after
            return heard
        return None

    def close(self, patience_s: float) -> None:
        """Cancel the task, and close the file once it has ended."""
        self._agent.cancel()
        # A task that does not end keeps the file, as it would keep its process.
        if self._at_work.acquire(timeout=patience_s):
            try:
                self._end()
            finally:
                self._at_work.release()

    def write(self, data: bytes) -> None:
        """Hear what the agent says, but for what a killed one would not have said."""
        if not self._system.is_dead:
            self._said.put(data)

    def flush(self) -> None:
        """Hold nothing back."""

    def _begin(self, task: RunningTask) -> None:
        if len(task.items) > 1:
            # Each of them is to be heard of when it ends, and not at the end of all.
            threading.Thread(target=self._work, args=(task,), daemon=True).start()
        else:
            self._task = task

    def _work(self, task: RunningTask) -> None:
        # Several things of one task are done by as many threads, each of which may have to wait.
        alone = turn.taken() if len(task.items) <= 1 else contextlib.nullcontext()
        with self._at_work, alone, contextlib.suppress(Killed):
            task.run(attended=False)
        if self._system.is_dead:
            self._said.put(b"")

    def _end(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        task, self._task = self._task, None
        with contextlib.suppress(Killed):
            if task is not None:
                task.run(attended=False)  # which is cancelled, and only says so
            self._agent.end()
        self._system.close()
        self._said.put(b"")
