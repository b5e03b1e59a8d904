"""Serve many simulated heads in one process, `python -m lunops.sim.worker`: as many lines as there are requests.

In comes `HEAD open JSON`, `HEAD REQUEST` as the agent takes it, and `HEAD close`, each on a line of its own; out goes
`HEAD KIND BYTES` on a line and so many bytes behind it. HEAD is any word. The kinds: `said`, what the agent has said;
`ended`, `killed`: it says nothing more; `refused`: what is set to go wrong there needs a process of its own; `failed`:
the head cannot be opened, and why. The end of the input ends all.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from lunops.errors import AgentError
from lunops.sim import turn
from lunops.sim.inline import InlineAgent

_PATIENCE_S = 5.0  # with a task that was cancelled
_COLLECT_EVERY = 20_000  # new objects: hardly any that a head leaves behind are in a circle
_CANCEL = b'{"do":"cancel"'


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is the controller's to handle
    gc.set_threshold(_COLLECT_EVERY)
    serve(sys.stdin.buffer, sys.stdout.fileno())


def serve(stdin: BinaryIO, out: int) -> None:
    """Hear what is asked for, and let it be done."""
    tell = _Telling(out)
    heads: dict[bytes, _Head] = {}
    crew = turn.Crew()
    for line in stdin:
        name, _, request = line.partition(b" ")
        if request.startswith(b"open "):
            head = heads[name] = _Head(name, tell)
            crew.do(lambda head=head, request=request: head.open(request[5:]))  # type: ignore[misc]
        elif name not in heads:
            continue
        elif request == b"close\n":
            # It may have to wait for a task.
            threading.Thread(target=heads.pop(name).close, daemon=True).start()
        elif request.startswith(_CANCEL):
            heads[name].cancel(request)
        else:
            crew.do(lambda head=heads[name], request=request: head.work(request))  # type: ignore[misc]
    for head in heads.values():
        head.close()


class _Telling:
    """Where all heads write to."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._lock = threading.Lock()

    def __call__(self, name: bytes, kind: bytes, data: bytes = b"") -> None:
        left = memoryview(b"%s %s %d\n%s" % (name, kind, len(data), data))
        with self._lock:
            while left:
                left = left[os.write(self._out, left) :]


class _Head:
    """One head. What a task says that is about one thing is told at once, at its end."""

    def __init__(self, name: bytes, tell: _Telling) -> None:
        self._name = name
        self._tell = tell
        self._agent: InlineAgent | None = None
        self._lock = threading.Lock()
        self._held: list[bytes] | None = None  # what is told at the end of a task

    def open(self, request: bytes) -> None:
        """Open its file, and greet."""
        asked = json.loads(request)
        try:
            with turn.taken():
                self._agent = InlineAgent.open(Path(asked["state"]), tuple(asked["pools"]), self._say)
        except AgentError as error:
            self._tell(self._name, b"failed", json.dumps([error.what, error.fix]).encode())
            return
        if self._agent is None:
            self._tell(self._name, b"refused")

    def cancel(self, request: bytes) -> None:
        """Take a request that is not waited for."""
        if self._agent is not None:
            self._agent.take(request)

    def work(self, request: bytes) -> None:
        """Take a request, and do what it asks for."""
        if self._agent is None:
            return
        with self._lock:
            self._held = []
        try:
            self._agent.take(request)
            self._agent.work()
        except (ValueError, KeyError, TypeError) as error:
            self._say(json.dumps({"event": "error", "what": repr(error)}).encode() + b"\n")
        with self._lock:
            self._let_go()

    def close(self) -> None:
        """End it."""
        if self._agent is not None:
            self._agent.close(_PATIENCE_S)

    def _say(self, data: bytes) -> None:
        with self._lock:
            if not data:
                self._let_go()
                self._tell(self._name, b"killed" if self._agent is not None and self._agent.is_dead else b"ended")
            elif self._held is not None:
                self._held.append(data)
            else:
                self._tell(self._name, b"said", data)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held:
            self._tell(self._name, b"said", b"".join(held))


if __name__ == "__main__":
    main()
