"""Take one connection from each state to the next; nothing here waits.

The caller (front_loop) calls `step` when the socket is ready, `take_back` when a worker is done with it, and
`time_is_up` when its deadline has passed. An OSError means that the client is gone.
"""

from __future__ import annotations

import logging
import queue
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from lunops.errors import CertificateError
from lunops.web.front_client import ClientCertificate
from lunops.web.front_connection import Connection, State
from lunops.web.front_head import Refused, take_head
from lunops.web.front_limits import FrontLimits

_log = logging.getLogger("lunops.web")
_READS_PER_TURN = 16
_READ_BYTES = 64 * 1024
_TLS_HANDSHAKE_BYTE = b"\x16"
_STOPPING = "the service is stopping"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What the loop and its steps need from the server around them.

    `connect` makes the connection of an accepted socket; `dispatch` gives a connection with a whole request
    to a worker, or raises queue.Full; `context` is the TLS context of the moment; `environ` are the WSGI
    variables of a connection whose handshake is done; `now` is the time of day, aware.
    """

    connect: Callable[[socket.socket, tuple[str, int]], Connection]
    dispatch: Callable[[Connection], None]
    context: Callable[[], ssl.SSLContext]
    environ: Callable[[Connection], dict[str, object]]
    now: Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the steps ask of the loop: watch for events (0: none), drop, come again soon; is it stopping?"""

    watch: Callable[[Connection, int], None]
    drop: Callable[[Connection], None]
    again: Callable[[Connection], None]
    stopping: Callable[[], bool]


class Steps:
    """The life of a connection, state by state."""

    def __init__(self, ports: Ports, hooks: Hooks, limits: FrontLimits) -> None:
        self._ports = ports
        self._hooks = hooks
        self._limits = limits
        self._by_state = {
            State.HELLO: self._hello,
            State.HANDSHAKE: self._handshake,
            State.IDLE: self._read,
            State.HEAD: self._read,
            State.BODY: self._read,
            State.FLUSH: self._flush,
            State.LINGER: self._linger,
        }

    def step(self, connection: Connection) -> None:
        """Go on where the connection stands; not at all while a worker has it."""
        if connection.state is not State.WORKING:
            self._by_state[connection.state](connection)

    def take_back(self, connection: Connection) -> None:
        """Go on with a connection whose request a worker has answered."""
        connection.keep = connection.keep and not self._hooks.stopping()
        self._start_flushing(connection)

    def time_is_up(self, connection: Connection) -> None:
        """End what took too long: say so to a client that was asking something."""
        if connection.state is State.IDLE:
            self._say_goodbye(connection)
        elif connection.state in (State.HEAD, State.BODY):
            part = "header" if connection.state is State.HEAD else "body"
            refused = Refused("408 Request Timeout", f"the request's {part} did not come in time")
            _log.info("%s: refused: %s", connection, refused)
            self._refuse(connection, refused)
        else:
            _log.debug("%s: dropped, its %s took too long", connection, connection.state.value)
            self._hooks.drop(connection)

    def stop(self, connection: Connection) -> None:
        """End what has not become a request; let a response that is being sent be the last one."""
        if connection.state in (State.HELLO, State.HANDSHAKE):
            self._hooks.drop(connection)
        elif connection.state is State.IDLE:
            self._say_goodbye(connection)
        elif connection.state in (State.HEAD, State.BODY):
            self._refuse(connection, Refused("503 Service Unavailable", _STOPPING))
        elif connection.state is State.FLUSH:
            connection.keep = False

    # ---- handshake

    def _hello(self, connection: Connection) -> None:
        try:
            first = connection.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._hooks.watch(connection, selectors.EVENT_READ)
            return
        if not first:
            self._hooks.drop(connection)
        elif first != _TLS_HANDSHAKE_BYTE:
            self._refuse(connection, Refused("400 Bad Request", "this port speaks HTTPS only: use https://"))
        else:
            # The descriptor stays the same, and so does what the selector knows of it.
            connection.sock = self._ports.context().wrap_socket(
                connection.sock, server_side=True, do_handshake_on_connect=False
            )
            connection.state = State.HANDSHAKE
            self._handshake(connection)

    def _handshake(self, connection: Connection) -> None:
        sock = connection.sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._hooks.watch(connection, selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self._hooks.watch(connection, selectors.EVENT_WRITE)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            self._hooks.drop(connection)
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", None) or error.reason or error
            _log.info("%s: TLS handshake refused: %s", connection, reason)
            # OpenSSL has sent its alert; closed at once, unread bytes would turn it into a reset.
            self._say_goodbye(connection)
        else:
            self._admit(connection, sock)

    def _admit(self, connection: Connection, sock: ssl.SSLSocket) -> None:
        try:
            connection.client = ClientCertificate.from_der(sock.getpeercert(binary_form=True) or b"")
        except CertificateError as error:
            _log.info("%s: refused: %s", connection, error)
            self._refuse(connection, Refused("403 Forbidden", str(error)))
            return
        connection.ssl_env = self._ports.environ(connection)
        self._await_request(connection)

    # ---- reading

    def _await_request(self, connection: Connection) -> None:
        connection.state = State.IDLE
        connection.deadline = time.monotonic() + self._limits.idle_s
        connection.scanned = 0
        # A pipelined request may be in memory already, ours or OpenSSL's: no event would tell.
        if not (connection.inbox and self._progress(connection)):
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        for _ in range(_READS_PER_TURN):
            try:
                data = connection.sock.recv(_READ_BYTES)
            except ssl.SSLWantReadError:
                self._hooks.watch(connection, selectors.EVENT_READ)
                return
            except ssl.SSLWantWriteError:
                self._hooks.watch(connection, selectors.EVENT_WRITE)
                return
            if not data:
                self._say_goodbye(connection)
                return
            connection.inbox += data
            if self._progress(connection):
                return
        # The others' turn. OpenSSL may hold more, of which no event would tell.
        self._hooks.again(connection)

    def _progress(self, connection: Connection) -> bool:
        """Look at what was read; return True if the connection is not to be read any more for now."""
        try:
            return self._advance(connection)
        except Refused as refused:
            _log.info("%s: refused: %s", connection, refused)
            self._refuse(connection, refused)
            return True

    def _advance(self, connection: Connection) -> bool:
        if connection.state is State.IDLE:
            if self._hooks.stopping():
                raise Refused("503 Service Unavailable", _STOPPING)
            connection.state = State.HEAD
            connection.deadline = time.monotonic() + self._limits.headers_s
        if connection.state is State.HEAD:
            connection.head = take_head(connection.inbox, connection.scanned, self._limits)
            if connection.head is None:
                connection.scanned = len(connection.inbox)
                return False
            connection.state = State.BODY
            connection.deadline = time.monotonic() + self._limits.body_s
            if connection.head.wants_continue and len(connection.inbox) < connection.head.content_length:
                connection.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.head is not None
        length = connection.head.content_length
        if len(connection.inbox) < length:
            return False
        # The handshake has checked the dates, but a connection can be kept for longer than they last.
        if connection.client is None or not connection.client.valid_at(self._ports.now()):
            raise Refused("403 Forbidden", "the client certificate is not valid any more")
        body = bytes(connection.inbox[:length])
        del connection.inbox[:length]
        connection.begin_request(connection.head, body)
        self._hooks.watch(connection, 0)
        connection.state = State.WORKING
        try:
            self._ports.dispatch(connection)  # from here on it is the worker's
        except queue.Full:
            raise Refused("503 Service Unavailable", "too many requests are waiting") from None
        return True

    # ---- answering and closing

    def _refuse(self, connection: Connection, refused: Refused) -> None:
        connection.keep = False
        with suppress(BrokenPipeError):  # _flush sees it too
            connection.writer.write(refused.response())
        self._start_flushing(connection)

    def _start_flushing(self, connection: Connection) -> None:
        connection.state = State.FLUSH
        connection.deadline = time.monotonic() + self._limits.write_s
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        wanted = connection.writer.pump()
        if connection.writer.broken:
            self._hooks.drop(connection)
        elif wanted:
            self._hooks.watch(connection, wanted)
        elif connection.keep:
            self._await_request(connection)
        else:
            self._say_goodbye(connection)

    def _say_goodbye(self, connection: Connection) -> None:
        self._hooks.watch(connection, 0)
        connection.say_goodbye()
        connection.state = State.LINGER
        connection.deadline = time.monotonic() + self._limits.linger_s
        self._linger(connection)

    def _linger(self, connection: Connection) -> None:
        """Throw away what the client still sends: closed with bytes unread, a reset would undo our answer."""
        for _ in range(_READS_PER_TURN):
            try:
                data = connection.sock.recv(_READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                self._hooks.drop(connection)
                return
        self._hooks.watch(connection, selectors.EVENT_READ)
