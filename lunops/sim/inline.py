"""A simulated head's agent within a process that is not its own: no process, and mostly no thread, to start for it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lunops.agent.serve import Agent, RunningTask
from lunops.errors import AgentError
from lunops.sim import turn
from lunops.sim.head import SimulatedSystem, pools_to_make
from lunops.sim.state import Killed


class InlineAgent:
    """The agent of one head; what it says goes to `say`, and b"" says that it has ended."""

    def __init__(self, system: SimulatedSystem, say: Callable[[bytes], None]) -> None:
        """Greet."""
        self._system = system
        self._say = say
        self._task: RunningTask | None = None  # that nobody has begun yet
        self._at_work = threading.Lock()
        self._is_closed = False
        stdout: Any = self
        self._agent = Agent(system, stdout, self._begin)
        self._agent.greet()

    @classmethod
    def open(cls, state: Path, pools: tuple[str, ...], say: Callable[[bytes], None]) -> InlineAgent | None:
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
        agent = cls(system, say)
        system.forget()
        return agent

    @property
    def is_dead(self) -> bool:
        """Whether a fault killed it."""
        return self._system.is_dead

    def take(self, request: bytes) -> None:
        """Take a request, whole in one piece."""
        self._agent.take(json.loads(request))

    def work(self) -> None:
        """Do the task that was taken, if that is still to be done."""
        task, self._task = self._task, None
        if task is not None:
            self._work(task)

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
        """Say what the agent says, but for what a killed one would not have said."""
        if not self._system.is_dead:
            self._say(data)

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
            self._system.forget()
        if self._system.is_dead:
            self._agent.names.release()  # as a process's end does
            self._say(b"")

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
        self._say(b"")
