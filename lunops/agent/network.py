"""Whether a port takes connections, and what it says first. Part of `System`."""

from __future__ import annotations

import contextlib
import time

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    import re
    import socket

_MOST_BYTES = 1 << 20


class Network:
    """What `System` can do with other machines, and with its own ports."""

    def reach(self, host: str, port: int, timeout_s: float, pattern: re.Pattern[str] | None = None) -> str | None:
        """Return what a port says until it fits the pattern, nothing without one; None if nobody takes connections."""
        import socket  # would cost every start of an agent

        try:
            with socket.create_connection((host, port), timeout_s) as connection:
                return _heard(connection, timeout_s, pattern) if pattern else ""
        except OSError:
            return None


def _heard(connection: socket.socket, timeout_s: float, pattern: re.Pattern[str]) -> str:
    heard = b""
    until = time.monotonic() + timeout_s
    with contextlib.suppress(OSError):
        while len(heard) < _MOST_BYTES and not pattern.search(heard.decode("utf-8", "replace")):
            connection.settimeout(max(0.01, until - time.monotonic()))
            piece = connection.recv(4096)
            if not piece:
                break
            heard += piece
    return heard.decode("utf-8", "replace")
