"""Open an SSH transport to one endpoint: handshake, host key, login, each with errors of its own."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import time

import paramiko

from lunops.connections import host_keys
from lunops.connections.base import Timeouts
from lunops.connections.host_keys import HostKey
from lunops.connections.identities import Identities
from lunops.connections.ssh_config import Endpoint
from lunops.connections.ssh_socket import open_stream
from lunops.connections.watchdog import Watchdog
from lunops.errors import DeadlineError, HeadError, UnreachableError

# GCM first: in Python it is the fastest by far. CBC modes, 3DES, MD5, SHA-1 and short MACs are left out.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_FIRST_PAUSE_S = 0.2

# paramiko logs every failure with a stack trace; ours are raised. Without a handler Python would print it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _TurnedAway(Exception):
    """The peer closed the connection before its banner, as sshd does when it has too many (MaxStartups)."""


def open_transport(
    endpoint: Endpoint,
    through: paramiko.Transport | None,
    resources: contextlib.ExitStack,
    timeouts: Timeouts,
) -> paramiko.Transport:
    """Return a transport that is logged in, `through` another one if it is given; `resources` will close it.

    Raises `UnreachableError`, `HostKeyError` or `DeadlineError`.
    """
    said = ""
    for attempt in range(timeouts.attempts):
        if attempt:
            # Those that were turned away together must not come back together.
            time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
        with contextlib.ExitStack() as mine:
            try:
                transport = _handshake(endpoint, open_stream(endpoint, through, mine, timeouts), mine, timeouts)
            except _TurnedAway as error:
                said = str(error)
                continue
            _log_in(transport, endpoint, timeouts)
            resources.push(mine.pop_all())
            return transport
    raise UnreachableError(
        f"{endpoint} closed the connection before its SSH banner, {timeouts.attempts} times"
        + (f" ({said})" if said else ""),
        fix="its sshd may have too many unfinished connections (MaxStartups in sshd_config), "
        "or refuse this address: see its log",
    )


def fetch_host_key(
    endpoint: Endpoint, through: paramiko.Transport | None, kinds: tuple[str, ...], timeouts: Timeouts
) -> HostKey | None:
    """Return the endpoint's host key of one of these kinds, whether it is known or not; None if it has none.

    The endpoint has proven by its signature that the key is its own. Nobody is logged in.
    Raises `UnreachableError` or `DeadlineError`.
    """
    with contextlib.ExitStack() as resources:
        stream = open_stream(endpoint, through, resources, timeouts)
        try:
            transport = _start(endpoint, stream, kinds, resources, timeouts, only=True)
        except _TurnedAway as error:
            raise UnreachableError(
                f"{endpoint} closed the connection before its SSH banner", fix="see its sshd's log"
            ) from error
        except UnreachableError as error:
            if isinstance(error.__cause__, paramiko.ssh_exception.IncompatiblePeer) and "host key" in str(error):
                return None
            raise
        return _host_key(transport)


def _handshake(
    endpoint: Endpoint,
    stream: socket.socket | paramiko.Channel,
    resources: contextlib.ExitStack,
    timeouts: Timeouts,
) -> paramiko.Transport:
    """Agree on keys with the endpoint's sshd and check its host key."""
    known = host_keys.read(endpoint.peer.files)
    transport = _start(endpoint, stream, host_keys.kinds(known, endpoint.peer), resources, timeouts)
    host_keys.check(known, endpoint.peer, _host_key(transport))
    transport.set_keepalive(max(1, int(timeouts.keepalive_s)))
    return transport


def _start(
    endpoint: Endpoint,
    stream: socket.socket | paramiko.Channel,
    kinds: tuple[str, ...],
    resources: contextlib.ExitStack,
    timeouts: Timeouts,
    *,
    only: bool = False,
) -> paramiko.Transport:
    """Agree on keys with the endpoint's sshd, asking first, or `only`, for these kinds of host key."""
    transport = paramiko.Transport(stream)
    resources.callback(transport.close)
    transport.banner_timeout = timeouts.handshake_s
    transport.handshake_timeout = timeouts.handshake_s
    transport.auth_timeout = timeouts.auth_s
    transport.channel_timeout = timeouts.channel_s
    _prefer(transport, kinds, only=only)
    begun = time.monotonic()
    with Watchdog(2 * timeouts.handshake_s, transport.close) as watchdog:
        try:
            transport.start_client()
        except (paramiko.SSHException, EOFError, OSError) as error:
            late = watchdog.barked or time.monotonic() - begun >= timeouts.handshake_s
            if not late and not transport.remote_version and "Indecipherable" not in str(error):
                raise _TurnedAway(str(error).replace("Error reading SSH protocol banner", "").strip()) from error
            raise _handshake_error(endpoint, error, late=late, timeouts=timeouts) from error
    return transport


def _host_key(transport: paramiko.Transport) -> HostKey:
    key = transport.get_remote_server_key()
    return HostKey(kind=key.get_name(), blob=key.asbytes())


def _handshake_error(endpoint: Endpoint, error: Exception, *, late: bool, timeouts: Timeouts) -> HeadError:
    if late:
        return DeadlineError(
            f"{endpoint} took the connection, but did not finish the SSH handshake within {timeouts.handshake_s:g} s",
            fix="see that it is an sshd that listens there, and that the machine is not stuck",
        )
    return UnreachableError(
        f"the SSH handshake with {endpoint} failed: {_text(error)}",
        fix="see sshd's log there; its algorithms must not all be older than SHA-2",
    )


def _prefer(transport: paramiko.Transport, kinds: tuple[str, ...], *, only: bool) -> None:
    """Ask for good ciphers, and first, or `only`, for these kinds of host key."""
    options = transport.get_security_options()
    options.ciphers = _CIPHERS
    options.digests = _MACS
    known = [name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))]
    order = [name for name in known if name in options.key_types]
    others = () if only else tuple(name for name in options.key_types if name not in order)
    options.key_types = (*order, *others)


def _log_in(transport: paramiko.Transport, endpoint: Endpoint, timeouts: Timeouts) -> None:
    """Try the keys one after the other."""
    identities = Identities(endpoint)
    tried: list[str] = []
    try:
        for identity in identities:
            tried.append(identity.label)
            with Watchdog(2 * timeouts.auth_s, transport.close):
                try:
                    missing = transport.auth_publickey(endpoint.user, identity.key)
                except paramiko.BadAuthenticationType as error:
                    raise UnreachableError(
                        f"{endpoint} takes no login by key, only by {', '.join(error.allowed_types)}",
                        fix="set PubkeyAuthentication yes in its sshd_config",
                    ) from error
                except (paramiko.SSHException, EOFError, OSError) as error:
                    if transport.is_active() and "timeout" not in str(error).lower():
                        continue
                    raise _hung_up(endpoint, error, tried) from error
            if missing:
                raise UnreachableError(
                    f"{endpoint} wants more than a key: {', '.join(missing)}",
                    fix="allow AuthenticationMethods publickey for this user in its sshd_config",
                )
            return
    finally:
        identities.close()
    problems = "".join(f"; {problem}" for problem in identities.problems)
    raise UnreachableError(
        f"{endpoint} refused {endpoint.user}; keys tried: {', '.join(tried) or 'none'}{problems}",
        fix="put the public key into ~/.ssh/authorized_keys there, or set the variables `user`, `private_key`",
    )


def _hung_up(endpoint: Endpoint, error: Exception, tried: list[str]) -> HeadError:
    if "timeout" in str(error).lower():
        return DeadlineError(
            f"{endpoint} did not answer the login of {endpoint.user} in time; tried: {', '.join(tried)}",
            fix="see that the machine is not stuck, and that its user database answers",
        )
    return UnreachableError(
        f"{endpoint} broke off the login of {endpoint.user}: {_text(error)}; keys tried: {', '.join(tried)}",
        fix="name one key (host variable `private_key`): many keys use up its MaxAuthTries",
    )


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
