"""A simulated command with a pipe to it: a thread that reads or writes the other end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from lunops.agent.piped import Piped
from lunops.sim.faults import Struck
from lunops.sim.options import CommandError


class Command:
    """What the command itself sees: its standard input or output."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.is_killed = False

    def write(self, data: bytes) -> None:
        """Write all of it; raises BrokenPipeError if nobody reads any more."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def read(self, most: int) -> bytes:
        """Read as much, or less at the end of the input."""
        data = bytearray()
        while len(data) < most and (more := os.read(self._fd, most - len(data))):
            data += more
        return bytes(data)

    def close(self) -> None:
        """End the command's side."""
        with contextlib.suppress(OSError):
            os.close(self._fd)


class SimulatedPiped(Piped):
    """Runs `do` in a thread; what it raises is how the command ends."""

    def __init__(self, do: Callable[[Command], None], *, feed: bool) -> None:  # no process: not the other's __init__
        readable, writable = os.pipe()
        self.fd = writable if feed else readable
        self._command = Command(readable if feed else writable)
        self._do = do
        self._code: int | None = None
        self._said = ""
        self._over = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Close our end."""
        os.close(self.fd)

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code; None if it does not end in time."""
        return self._code if self._over.wait(timeout_s) else None

    def kill(self) -> None:
        """End it: it does nothing more, and is heard no more."""
        self._command.is_killed = True
        self._ended(-9, "")

    def said(self) -> str:
        """Return what it wrote to its standard error."""
        return self._said

    def _run(self) -> None:
        try:
            self._do(self._command)
            self._ended(0, "")
        except CommandError as error:
            self._ended(error.code, error.text)
        except Struck as struck:
            self._ended(struck.fault.code, struck.fault.stderr or "simulated fault")
        except BrokenPipeError:
            self._ended(-13, "")
        except OSError as error:
            self._ended(1, str(error))
        finally:
            self._command.close()

    def _ended(self, code: int, said: str) -> None:
        if not self._over.is_set():
            self._code, self._said = code, said
            self._over.set()
