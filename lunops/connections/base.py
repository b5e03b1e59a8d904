"""What every connection is to the session above it: a byte pipe to one running agent, and its deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Every wait that a connection and its session may do, in seconds."""

    connect_s: float = 10.0  # one TCP connection
    handshake_s: float = 15.0  # the peer's SSH banner, and the key exchange
    auth_s: float = 15.0  # one key's acceptance
    channel_s: float = 10.0  # a channel's opening
    attempts: int = 5  # connections tried while sshd refuses them for being too many (MaxStartups)
    keepalive_s: float = 5.0  # between packets on an idle ssh connection
    hello_s: float = 30.0  # from the start of the agent's process to its first word
    send_s: float = 30.0  # for the peer to take what is sent
    idle_s: float = 30.0  # without any word of the agent, `alive` included, while a task runs
    margin_s: float = 15.0  # on top of a task's own timeout
    undo_s: float = 600.0  # one undo
    lock_wait_s: float = 60.0  # for names on the head that another run holds
    quiet_s: float = 0.0  # without a word of this side, after which the agent ends; 0: it waits for ever
    close_s: float = 5.0  # for the agent to end by itself when its input ends


class Channel(Protocol):
    """A byte pipe to one running agent."""

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        """Send all of it; `timeout_s` is another one than that of the connection.

        Raises `UnreachableError` when the pipe is broken, `DeadlineError` when nobody takes it in time.
        """

    def receive(self, timeout_s: float) -> bytes | None:
        """Return some bytes; b"" at the end of the stream; None when nothing came in time.

        Raises `UnreachableError` when it is the connection that ended, not the agent.
        """

    def hold_little(self) -> None:
        """Keep no more than a few MiB unread from now on: a stream comes."""

    def stderr_tail(self) -> str:
        """Return the last lines that the agent's process wrote to its standard error."""

    def exit_code(self) -> int | None:
        """Return the process's exit code once it is known; negative: the signal that ended it."""

    def close(self) -> None:
        """End what runs there, bounded in time; may be called twice, and from any thread."""
