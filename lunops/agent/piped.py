"""A running command, one end of which is a pipe of ours: a `zfs send` that is read, a `zfs receive` that is fed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Sequence

_F_SETPIPE_SZ = 1031  # fcntl.h; Python names it from 3.10 on
_PIPE_BYTES = 1 << 20  # the most that an ordinary user may ask for: fewer changes between the two processes
_TAIL_BYTES = 4 << 10
_TAIL_S = 2.0


class Piped:
    """A command in a process group of its own; `fd` is what it writes to, or, if `feed`, what it reads from."""

    def __init__(self, argv: Sequence[str], *, feed: bool) -> None:
        """Start it; raises OSError if the program is not there."""
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feed else subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            start_new_session=True,
        )
        end = self._process.stdin if feed else self._process.stdout
        stderr = self._process.stderr
        if end is None or stderr is None:
            raise AssertionError("PIPE was asked for")
        self._end = end
        self._stderr = stderr
        self.fd = end.fileno()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.fd, _F_SETPIPE_SZ, _PIPE_BYTES)
        self._tail = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """Close our end: what is fed sees the end of its input, what is read is told by its next write."""
        self._end.close()

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code, negative for a signal; None if it does not end in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End its whole group; one that is stuck in the kernel does not even die of this."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def said(self) -> str:
        """Return the last of what it wrote to its standard error."""
        self._reader.join(_TAIL_S)
        return self._tail.decode("utf-8", "replace")

    def _read(self) -> None:
        while True:
            data = self._stderr.read(_TAIL_BYTES)
            if not data:
                self._stderr.close()
                return
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
