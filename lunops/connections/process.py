"""A channel to an agent that runs as a child process of ours."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from lunops.connections.inbox import Inbox, Tail
from lunops.errors import AgentError, DeadlineError, UnreachableError

_CHUNK_BYTES = 1 << 16
_SIGNAL_GRACE_S = 2.0  # from TERM to KILL, and from KILL to giving up on a process that is stuck in the kernel
_TICK_S = 0.5


class ProcessChannel:
    """Starts argv in a session and process group of its own: a Ctrl-C at our terminal is ours alone."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        send_s: float,
        close_s: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; raises `AgentError` when the program is not there."""
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise AgentError(f"cannot start {argv[0]}: {error.strerror}") from error
        self._send_s = send_s
        self._close_s = close_s
        self._inbox = Inbox()
        self._tail = Tail()
        self._sending = threading.Lock()
        self._closed = False
        self._stdin, self._stdout, self._stderr = self._pipes()
        os.set_blocking(self._stdin.fileno(), False)
        self._pumps = [
            threading.Thread(target=self._pump, args=(self._stdout, self._inbox.put), daemon=True),
            threading.Thread(target=self._pump, args=(self._stderr, self._tail.put), daemon=True),
        ]
        for pump in self._pumps:
            pump.start()

    @property
    def pid(self) -> int:
        """The process's id, which is its group's as well."""
        return self._process.pid

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        """Write to its standard input."""
        patience_s = self._send_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + patience_s
        with self._sending:
            rest = memoryview(data)
            while rest:
                if self._closed:
                    raise UnreachableError("the connection to the agent was closed")
                try:
                    rest = rest[os.write(self._stdin.fileno(), rest) :]
                    deadline = time.monotonic() + patience_s
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DeadlineError(f"the agent took no input for {patience_s:g} s") from None
                    poll = select.poll()
                    poll.register(self._stdin.fileno(), select.POLLOUT)
                    poll.poll(_TICK_S * 1000)
                except OSError as error:  # EPIPE: it has ended
                    raise UnreachableError(f"the agent takes no more input: {error.strerror}") from error

    def receive(self, timeout_s: float) -> bytes | None:
        """Return bytes of its standard output."""
        return self._inbox.get(timeout_s)

    def hold_little(self) -> None:
        """Keep no more than a few MiB of its standard output unread."""
        self._inbox.hold_little()

    def stderr_tail(self) -> str:
        """Return the last lines of its standard error."""
        if self.exit_code() is not None:
            self._pumps[1].join(_TICK_S)  # its last words may still be on their way
        return self._tail.text()

    def exit_code(self) -> int | None:
        """Return its exit code; -N: ended by signal N."""
        return self._process.poll()

    def close(self) -> None:
        """End its input and wait; TERM, then KILL to its group if it does not go."""
        self._closed = True
        with self._sending:
            self._stdin.close()
        if not self._ends_in(self._close_s):
            for number in (signal.SIGTERM, signal.SIGKILL):
                # PermissionError: it runs under sudo; the end of its input has to do.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
                if self._ends_in(_SIGNAL_GRACE_S):
                    break
        self._inbox.end()
        for pump, pipe in zip(self._pumps, (self._stdout, self._stderr), strict=True):
            pump.join(2 * _TICK_S)
            if not pump.is_alive():
                pipe.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise AssertionError("PIPE was asked for all three")
        return stdin, stdout, stderr

    def _ends_in(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _pump(self, pipe: IO[bytes], put: Callable[[bytes], None]) -> None:
        """Move what comes from one pipe until its end, or until the process has ended and nothing is left.

        The second is for a grandchild that holds the pipe open.
        """
        poll = select.poll()
        poll.register(pipe.fileno(), select.POLLIN)
        while True:
            ended = self._process.poll() is not None
            if poll.poll(_TICK_S * 1000):
                data = os.read(pipe.fileno(), _CHUNK_BYTES)
                if not data:
                    break
                put(data)
            elif ended:
                break
        if pipe is self._stdout:
            # Who reads the end asks for the exit code next; it comes a moment after the pipes are closed.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_TICK_S)
            self._inbox.end()
