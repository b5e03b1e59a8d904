"""The agents of simulated heads: those of the first few heads work within this process, those of more in workers.

Python does one thing at a time in a process: what many heads do, and what is done with their answers, share the
machine's processors only in processes of their own. A worker serves many heads, and ends with the last of them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lunops
from lunops.errors import AgentError, UnreachableError
from lunops.sim.inline import InlineAgent

_HERE_MOST = 16  # heads within this process: fewer would not be worth the start of a worker
_FOR_EACH_HERE = 4  # heads that a worker has before there is another one here: what runs here has its own work besides
_WORKERS_MOST = 4
_STARTS_IN_S = 60.0
_CHUNK_BYTES = 1 << 18


class _Heard:
    """What an agent has said; b"" is its end, which is heard ever after."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.put = self._said.put

    def get(self, timeout_s: float) -> bytes | None:
        """Return all that was said, None if nothing is in time."""
        with contextlib.suppress(queue.Empty):
            heard = said = self._said.get(timeout=timeout_s)
            while said and not self._said.empty():
                said = self._said.get()
                heard += said
            if not said:
                self._said.put(b"")  # behind the rest
            return heard
        return None


class LocalAgent:
    """An agent within this process: a task about one thing is done by the very thread that waits for its end."""

    def __init__(self, agent: InlineAgent, heard: _Heard, closed: Callable[[], None]) -> None:
        """`closed` is called once it is."""
        self._agent = agent
        self._heard = heard
        self._closed: Callable[[], None] | None = closed
        self.take = agent.take

    @property
    def is_dead(self) -> bool:
        """Whether a fault killed it."""
        return self._agent.is_dead

    def hear(self, timeout_s: float) -> bytes | None:
        """Return all that was said; do the task first, if that is still to be done."""
        self._agent.work()
        return self._heard.get(timeout_s)

    def close(self, patience_s: float) -> None:
        """Cancel the task, and close the file once it has ended."""
        self._agent.close(patience_s)
        closed, self._closed = self._closed, None  # it may be called twice
        if closed is not None:
            closed()


class RemoteAgent:
    """An agent in a worker."""

    def __init__(self, worker: _Worker, name: bytes, closed: Callable[[], None]) -> None:
        self._worker = worker
        self._name = name
        self._closed = closed
        self._heard = _Heard()
        self._first: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
        self._is_open = False
        self.is_dead = False  # a fault killed it, or somebody its worker

    def open(self, state: Path, pools: tuple[str, ...]) -> bool:
        """Open the head; return whether it was, which faults that need a process of their own forbid."""
        request = json.dumps({"state": str(state), "pools": list(pools)}).encode()
        self._worker.send(b"%s open %s\n" % (self._name, request))
        try:
            kind, data = self._first.get(timeout=_STARTS_IN_S)
        except queue.Empty:
            raise AgentError(f"the worker for simulated heads said nothing within {_STARTS_IN_S:g} s") from None
        if kind == b"failed":
            what, fix = json.loads(data)
            raise AgentError(what, fix=fix)
        if kind in (b"ended", b"killed"):
            raise AgentError("the worker for simulated heads did not start")
        return kind == b"said"

    def told(self, kind: bytes, data: bytes) -> None:
        """Hear what the worker tells of this head."""
        if kind == b"killed":
            self.is_dead = True
        if kind in (b"said", b"ended", b"killed"):
            self._heard.put(data)
        if not self._is_open:
            self._is_open = True
            self._first.put((kind, data))

    def take(self, request: bytes) -> None:
        """Pass a request on."""
        self._worker.send(b"%s %s" % (self._name, request))

    def hear(self, timeout_s: float) -> bytes | None:
        """Return all that was said."""
        return self._heard.get(timeout_s)

    def close(self, patience_s: float) -> None:
        """Cancel the task, and see the file closed."""
        with contextlib.suppress(UnreachableError):
            self._worker.send(b"%s close\n" % self._name)
            while (said := self._heard.get(patience_s)) is not None and said:
                pass
        self._closed()


class _Worker:
    """A process that serves heads, and the thread that hears it."""

    def __init__(self) -> None:
        home = os.pathsep.join(filter(None, (str(Path(lunops.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
        try:
            self._process = subprocess.Popen(
                # -P, and the path said outright: nothing in the working folder may stand in for a module.
                [sys.executable, "-P", "-m", "lunops.sim.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": home},
                start_new_session=True,  # a Ctrl-C at our terminal is ours alone
            )
        except OSError as error:
            raise AgentError(f"cannot start a worker for simulated heads: {error.strerror}") from error
        self._lock = threading.Lock()
        self.heads: dict[bytes, RemoteAgent] = {}
        self.is_over = False
        threading.Thread(target=self._hear, daemon=True).start()

    def send(self, data: bytes) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        try:
            with self._lock:
                left = memoryview(data)
                while left:
                    left = left[self._process.stdin.write(left) :]
        except (OSError, ValueError) as error:
            raise UnreachableError("the worker for simulated heads has ended") from error

    def close(self) -> None:
        """End it; its heads are closed."""
        self.is_over = True
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.close()
        self._process.wait()

    def _hear(self) -> None:
        """Pass on what comes until the worker's end, which is that of its heads."""
        assert self._process.stdout is not None
        there = self._process.stdout.fileno()
        data = b""
        with contextlib.suppress(OSError):
            while more := os.read(there, _CHUNK_BYTES):
                data = self._passed(data + more if data else more)
        self.is_over = True
        for head in list(self.heads.values()):
            head.told(b"killed", b"")
        self._process.stdout.close()

    def _passed(self, data: bytes) -> bytes:
        """Pass on what is whole; return the rest."""
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            name, kind, size = data[at:end].split()
            behind = end + 1 + int(size)
            if behind > len(data):
                break
            head = self.heads.get(name)
            if head is not None:
                head.told(kind, data[end + 1 : behind])
            at = behind
        return data[at:]


class _Crowd:
    """The heads of this process, here and in workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = 0
        self._workers: list[_Worker] = []
        self._names = itertools.count(1)

    def open(self, state: Path, pools: tuple[str, ...]) -> LocalAgent | RemoteAgent | None:
        with self._lock:
            most = min(_WORKERS_MOST, len(os.sched_getaffinity(0)) - 1)
            elsewhere = sum(len(worker.heads) for worker in self._workers)
            is_here = most < 1 or self._here < _HERE_MOST + elsewhere // (_FOR_EACH_HERE * most)
            self._here += is_here
        if is_here:
            heard = _Heard()
            agent = None
            try:
                agent = InlineAgent.open(state, pools, heard.put)
            finally:
                if agent is None:
                    self._left()
            return None if agent is None else LocalAgent(agent, heard, self._left)
        with self._lock:
            worker = self._worker(most)
            name = b"%d" % next(self._names)
            remote = RemoteAgent(worker, name, lambda: self._gone(worker, name))
            worker.heads[name] = remote
        is_open = False
        try:
            is_open = remote.open(state, pools)
        finally:
            if not is_open:
                self._gone(worker, name)
        return remote if is_open else None

    def _worker(self, most: int) -> _Worker:
        """Return the worker with the fewest heads."""
        self._workers = [worker for worker in self._workers if not worker.is_over]
        if len(self._workers) < most and all(len(worker.heads) >= _HERE_MOST for worker in self._workers):
            self._workers.append(_Worker())
        return min(self._workers, key=lambda worker: len(worker.heads))

    def _left(self) -> None:
        with self._lock:
            self._here -= 1

    def _gone(self, worker: _Worker, name: bytes) -> None:
        with self._lock:
            worker.heads.pop(name, None)
            is_last = not worker.heads and worker in self._workers
            if is_last:
                self._workers.remove(worker)
        if is_last:
            worker.close()


_crowd = _Crowd()


def open_agent(state: Path, pools: tuple[str, ...]) -> LocalAgent | RemoteAgent | None:
    """Return an agent for the head; None if what is set to go wrong there needs a process of its own.

    Raises `AgentError` where the head cannot be opened.
    """
    return _crowd.open(state, pools)
