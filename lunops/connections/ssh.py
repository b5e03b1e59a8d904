"""Run the agent on another machine over SSH: one TCP connection and one channel for all of a head's tasks."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paramiko

from lunops.agent_bundle import preamble
from lunops.connections.base import Timeouts
from lunops.connections.elevation import Elevation
from lunops.connections.inbox import Inbox, Tail
from lunops.connections.session import Session
from lunops.connections.ssh_config import route
from lunops.connections.ssh_transport import open_transport
from lunops.connections.watchdog import Watchdog
from lunops.errors import AgentError, DeadlineError, HeadError, UnreachableError
from lunops.model import Host

_CHUNK_BYTES = 1 << 16
_TICK_S = 0.5


def open_ssh(host: Host, *, timeouts: Timeouts, config_path: Path) -> Session:
    """Log in to the head, by jump hosts where the ssh configuration has them, and start the agent.

    Raises `UnreachableError`, `HostKeyError`, `PrivilegeError`, `AgentError` or `DeadlineError`.
    """
    began = time.monotonic()
    elevation = Elevation(host)
    argv = elevation.argv(host.python)
    try:
        endpoints = route(host, config_path)
        with contextlib.ExitStack() as resources:
            transport: paramiko.Transport | None = None
            for endpoint in endpoints:
                transport = open_transport(endpoint, transport, resources, timeouts)
            assert transport is not None  # a route has one endpoint at least
            channel = SshChannel(transport, shlex.join(argv), resources, timeouts)
            resources.pop_all()
    except HeadError as error:
        raise error.at(host.name) from error.__cause__
    known_as = replace(host, user=endpoints[-1].user)
    return Session(known_as, channel, preamble=preamble(), began=began, timeouts=timeouts, elevation=elevation)


class SshChannel:
    """A channel to a command on the other machine; closes the connection as well."""

    def __init__(
        self,
        transport: paramiko.Transport,
        command: str,
        resources: contextlib.ExitStack,
        timeouts: Timeouts,
    ) -> None:
        """Start the command; raises `UnreachableError` or `AgentError`."""
        self._transport = transport
        self._resources = resources.pop_all()
        self._timeouts = timeouts
        self._inbox = Inbox()
        self._tail = Tail()
        self._sending = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        with Watchdog(timeouts.channel_s, transport.close) as watchdog:
            try:
                self._channel = transport.open_session(timeout=timeouts.channel_s)
                self._channel.exec_command(command)
            except (paramiko.SSHException, EOFError, OSError) as error:
                self._resources.close()
                if watchdog.barked:
                    raise DeadlineError(f"sshd did not start the agent within {timeouts.channel_s:g} s") from error
                raise AgentError(
                    f"sshd did not start the agent: {error or type(error).__name__}",
                    fix="see sshd's log there: MaxSessions, ForceCommand and the user's shell",
                ) from error
        self._channel.settimeout(_TICK_S)
        self._pumps = [
            threading.Thread(target=self._pump, args=(self._channel.recv, self._inbox.put), daemon=True),
            threading.Thread(target=self._pump, args=(self._channel.recv_stderr, self._tail.put), daemon=True),
        ]
        for pump in self._pumps:
            pump.start()

    def send(self, data: bytes, timeout_s: float | None = None) -> None:
        """Send to the command's standard input."""
        patience_s = self._timeouts.send_s if timeout_s is None else timeout_s
        with self._sending:
            rest = memoryview(data)
            while rest:
                rest = rest[self._send_some(bytes(rest[:_CHUNK_BYTES]), patience_s) :]

    def receive(self, timeout_s: float) -> bytes | None:
        """Return bytes of the command's standard output."""
        data = self._inbox.get(timeout_s)
        if data == b"" and not self._channel.eof_received and self.exit_code() is None:
            raise self._lost()
        return data

    def hold_little(self) -> None:
        """Keep no more than a few MiB of its standard output unread."""
        self._inbox.hold_little()

    def stderr_tail(self) -> str:
        """Return the last lines of the command's standard error."""
        if self._channel.eof_received or self._channel.closed:
            self._pumps[1].join(_TICK_S)  # its last words may still be on their way
        return self._tail.text()

    def exit_code(self) -> int | None:
        """Return the command's exit code; None also if a signal ended it, which paramiko does not tell."""
        code = self._channel.exit_status
        return code if code >= 0 else None

    def close(self) -> None:
        """End the command's input, wait for it to go, and close the connection with all of its hops."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            with Watchdog(self._timeouts.close_s, self._transport.close):
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                    self._channel.shutdown_write()
                    self._channel.status_event.wait(self._timeouts.close_s)
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                    self._channel.close()
            self._resources.close()
            self._inbox.end()
            for pump in self._pumps:
                pump.join(2 * _TICK_S)

    def _send_some(self, data: bytes, patience_s: float) -> int:
        """Send as much as the window lets through; return how much that was."""
        deadline = time.monotonic() + patience_s
        # The deadline is for a full window; the watchdog for a full socket, on which paramiko waits for ever.
        with Watchdog(patience_s, self._transport.close) as watchdog:
            while not watchdog.barked and time.monotonic() < deadline:
                try:
                    if sent := self._channel.send(data):
                        return sent
                except TimeoutError:
                    continue
                except (paramiko.SSHException, EOFError, OSError) as error:
                    if not watchdog.barked:
                        raise self._lost() from error
                else:
                    if not watchdog.barked:
                        raise self._lost()
        raise DeadlineError(f"the head took no input for {patience_s:g} s")

    def _lost(self) -> UnreachableError:
        reason = self._transport.get_exception()
        said = str(reason) if reason is not None and str(reason) else "it was closed by the other side"
        return UnreachableError(f"the connection was lost: {said}")

    def _pump(self, receive: Callable[[int], bytes], put: Callable[[bytes], None]) -> None:
        """Move what comes on one stream until its end, or until the command has ended and nothing is left.

        Both streams share one window: what is not taken from stderr would in the end block stdout.
        """
        while True:
            ended = self._channel.exit_status_ready()
            try:
                data = receive(_CHUNK_BYTES)
            except TimeoutError:
                if ended:
                    break
                continue
            if not data:
                break
            put(data)
        if put == self._inbox.put:
            # Who reads the end asks for the exit code next; it comes as a message of its own.
            self._channel.status_event.wait(2 * _TICK_S)
            self._inbox.end()
