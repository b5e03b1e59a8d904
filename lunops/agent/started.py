"""A command that was started: its outputs as they come, to a bound, and how all of its processes are ended.

It leads a session of its own (setsid), so that whatever it starts can be found again by the session's number, unless
that makes a session of its own, as what is meant to outlive its task does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

from lunops.agent.processes import DIES_WITHIN_S, LOOK_S, seen

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import IO, Dict, List, Sequence

OUTPUT_BYTES = 10 << 20
_PIECE_BYTES = 64 << 10
_QUIET_S = 0.5  # how long the outputs are still read once the command has ended: a child of it may hold them open


class Stream:
    """What comes out of one pipe, to a bound; the rest is read and dropped, so that nobody waits for us."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.dropped = 0

    def take(self, piece: bytes) -> None:
        """Keep what there is still room for."""
        room = OUTPUT_BYTES - len(self.data)
        self.data += piece[:room]
        self.dropped += max(0, len(piece) - room)


class Started:
    """A running command."""

    def __init__(self, argv: Sequence[str], *, stdin: bytes, folder: str, environment: Dict[str, str]) -> None:
        """Start it in the folder ("" for where we are), give it the input; raises OSError if it cannot be."""
        self.out = Stream()
        self.err = Stream()
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder or None,
            env=environment,
            start_new_session=True,
        )
        self.pid = self._process.pid
        if stdin:
            threading.Thread(target=_feed, args=(self._process.stdin, stdin), daemon=True).start()
        self._readers = [
            threading.Thread(target=_read, args=(pipe, stream), daemon=True)
            for pipe, stream in ((self._process.stdout, self.out), (self._process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code, negative for a signal; None if it does not end in time."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        deadline = time.monotonic() + _QUIET_S
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        return code

    def stop(self, grace_s: float) -> List[str]:
        """End it and what it has started, first by SIGTERM; return what is left then, as `pid 12 (name)`."""
        self._signal(signal.SIGTERM)
        left = self._wait_for_end(grace_s)
        if left:
            left = self._wait_for_end(DIES_WITHIN_S, kill=True)
        return ["pid %d (%s)" % (pid, name) for pid, name in sorted(left.items())]

    def _wait_for_end(self, seconds: float, *, kill: bool = False) -> Dict[int, str]:
        deadline = time.monotonic() + seconds
        while True:
            if kill:  # again and again: one that forks may be a step ahead
                self._signal(signal.SIGKILL)
            self._process.poll()
            left = self._members()
            if not left or time.monotonic() >= deadline:
                return left
            time.sleep(LOOK_S)

    def _signal(self, number: int) -> None:
        for pid in self._members():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _members(self) -> Dict[int, str]:
        """Return the live processes of the session: pid → name."""
        return {each.pid: each.name for each in seen() if each.session == self.pid and not each.is_dead}


def _read(pipe: IO[bytes], stream: Stream) -> None:
    with contextlib.suppress(OSError, ValueError), pipe:
        while True:
            piece = os.read(pipe.fileno(), _PIECE_BYTES)
            if not piece:
                return
            stream.take(piece)


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError), pipe:
        pipe.write(data)
