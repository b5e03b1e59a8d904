"""Open the byte stream on which SSH is spoken with an endpoint, each failure told apart."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess

import paramiko

from lunops.connections.base import Timeouts
from lunops.connections.ssh_config import Endpoint
from lunops.errors import UnreachableError


class PromptSocket(socket.socket):
    """A TCP socket that acknowledges at once what it receives.

    A jump host's sshd has Nagle's algorithm on (OpenSSH turns it off when a session begins, and a mere
    forwarding is none), so each but the first of an agent's short messages waits for our acknowledgement,
    which the kernel would hold back for 40 ms. Linux forgets the option with every packet.
    """

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, and acknowledge."""
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


def open_stream(
    endpoint: Endpoint,
    through: paramiko.Transport | None,
    resources: contextlib.ExitStack,
    timeouts: Timeouts,
) -> socket.socket | paramiko.Channel:
    """Return a byte stream to the endpoint's sshd: `through` a transport, by ProxyCommand, or by TCP.

    Raises `UnreachableError`; `resources` will close it.
    """
    if through is not None:
        return _through(endpoint, through, timeouts)
    if endpoint.proxy_command:
        return _by_command(endpoint.proxy_command, resources)
    return _tcp(endpoint, resources, timeouts)


def _tcp(endpoint: Endpoint, resources: contextlib.ExitStack, timeouts: Timeouts) -> socket.socket:
    try:
        plain = socket.create_connection((endpoint.address, endpoint.port), timeouts.connect_s)
    except TimeoutError as error:
        raise UnreachableError(
            f"{endpoint.address}:{endpoint.port} did not answer within {timeouts.connect_s:g} s",
            fix="see that the head is on, and that no firewall drops the packets",
        ) from error
    except socket.gaierror as error:
        raise UnreachableError(
            f"the name {endpoint.address} is not known: {error.strerror}",
            fix="set the host variable `host` to a name or address that is",
        ) from error
    except ConnectionRefusedError as error:
        raise UnreachableError(
            f"{endpoint.address} refused port {endpoint.port}",
            fix="see that sshd runs there, and on this port",
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{endpoint.address}:{endpoint.port} cannot be reached: {error.strerror}",
            fix="see the network between here and the head",
        ) from error
    made = PromptSocket(fileno=plain.detach())
    resources.callback(made.close)
    # Two small writes in a row cost 40 ms each without this: Nagle's algorithm waits for a delayed ACK.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A write to a peer that is gone fails after this, not after the kernel's quarter of an hour.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeouts.idle_s * 1000))
    return made


def _through(endpoint: Endpoint, through: paramiko.Transport, timeouts: Timeouts) -> paramiko.Channel:
    target = (endpoint.address, endpoint.port)
    try:
        return through.open_channel("direct-tcpip", target, ("127.0.0.1", 0), timeout=timeouts.connect_s)
    except (paramiko.SSHException, EOFError, OSError) as error:
        said = error.text if isinstance(error, paramiko.ChannelException) else str(error) or type(error).__name__
        raise UnreachableError(
            f"the jump host cannot reach {endpoint.address}:{endpoint.port}: {said}",
            fix="see that sshd runs there, and that the jump host's AllowTcpForwarding lets it",
        ) from error


def _by_command(command: str, resources: contextlib.ExitStack) -> socket.socket:
    """Return a socket whose other end is the command's standard input and output.

    The shell is meant: a ProxyCommand is a shell line by its definition, and the user's own.
    """
    ours, its = socket.socketpair()
    resources.callback(ours.close)
    with its:
        process = subprocess.Popen(
            ["/bin/sh", "-c", "exec " + command.removeprefix("exec ")],
            stdin=its.fileno(),
            stdout=its.fileno(),
            start_new_session=True,
        )
    resources.callback(_end, process)
    return ours


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return
