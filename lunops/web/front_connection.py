"""Hold one client's connection: what was read, what is still to be sent, and cheroot's view of both.

A connection belongs to one thread at a time: to the loop, or, while it is WORKING, to the worker that answers
its request. While the loop runs, only the loop closes sockets: no descriptor is closed under someone's hands.
"""

from __future__ import annotations

import enum
import errno
import io
import select
import selectors
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from cheroot.server import HTTPConnection, HTTPRequest

from lunops.web.front_client import ClientCertificate
from lunops.web.front_head import Head, refusal
from lunops.web.front_limits import FrontLimits

_TLS_RECORD_BYTES = 16 * 1024


class State(enum.Enum):
    """Where a connection is in its life: see front_loop."""

    HELLO = "hello"
    HANDSHAKE = "handshake"
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    WORKING = "working"
    FLUSH = "flush"
    LINGER = "linger"
    CLOSED = "closed"


class ResponseWriter:
    """Take a response from a worker, send what the client takes at once, and keep the rest for the loop."""

    def __init__(self, sock: socket.socket, limits: FrontLimits) -> None:
        self.sock = sock
        self.broken = False
        self.bytes_written = 0
        self._limits = limits
        self._unsent = bytearray()

    def write(self, data: bytes) -> int:
        """Send or keep `data`; wait only while more than `unsent_bytes` are kept.

        Raises BrokenPipeError when the client is gone, or does not read within `write_s`: the one error that
        cheroot takes as an everyday event.
        """
        self._unsent += data
        wanted = self.pump()
        deadline = time.monotonic() + self._limits.write_s
        while wanted and len(self._unsent) > self._limits.unsent_bytes:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                self.broken = True
                break
            self._wait(wanted, left_s)
            wanted = self.pump()
        if self.broken:
            raise BrokenPipeError(errno.EPIPE, "the client went away, or does not read its response")
        self.bytes_written += len(data)
        return len(data)

    def pump(self) -> int:
        """Send what goes without waiting; return the selector event to wait for, 0 when done or broken."""
        while self._unsent and not self.broken:
            try:
                # After a would-block OpenSSL wants the same bytes again, and maybe more: the buffer's front.
                sent = self.sock.send(bytes(self._unsent[:_TLS_RECORD_BYTES]))
            except (ssl.SSLWantWriteError, BlockingIOError):
                return selectors.EVENT_WRITE
            except ssl.SSLWantReadError:
                return selectors.EVENT_READ
            except (OSError, ValueError):
                self.broken = True
                return 0
            del self._unsent[:sent]
        return 0

    def flush(self) -> None:
        """Do nothing: `write` sends at once, and the loop sends the rest."""

    def _wait(self, event: int, timeout_s: float) -> None:
        poll = select.poll()
        with suppress(OSError, ValueError):  # closed meanwhile: the next send says so
            poll.register(self.sock.fileno(), select.POLLOUT if event == selectors.EVENT_WRITE else select.POLLIN)
            poll.poll(timeout_s * 1000)


class Request(HTTPRequest):
    """A request whose head was read and judged by the loop already."""

    def header_reader(self, _rfile: object, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Take the fields that the loop has read; the request's file goes on with the body."""
        assert self.conn.head is not None
        fields.update(self.conn.head.fields)
        return fields

    def respond(self) -> None:
        """Call the application, and make each of its errors an error of this request alone.

        cheroot takes SystemExit as an order to the server, and any OSError as one of the client's connection:
        an application's TimeoutError would be answered with 408, its ConnectionRefusedError with nothing.
        """
        try:
            super().respond()
        except (SystemExit, KeyboardInterrupt) as error:
            raise RuntimeError(f"the application ended with {error!r}") from error
        except OSError as error:
            if self.conn.writer.broken:
                raise
            raise RuntimeError(f"the application failed with {error!r}") from error

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answer with an error of cheroot's own, in the form of all the front's refusals, and close."""
        self.close_connection = True
        self.sent_headers = True
        with suppress(BrokenPipeError):
            self.conn.wfile.write(refusal(str(status), msg or str(status)[4:]))


class Connection(HTTPConnection):
    """A client's connection, as the loop drives it and as cheroot's worker sees it."""

    RequestHandlerClass = Request

    def __init__(self, server: Any, sock: socket.socket, address: Any, limits: FrontLimits) -> None:
        self.writer = ResponseWriter(sock, limits)
        super().__init__(server, sock, makefile=self._make_file)
        # Caches on bound methods (11.1.2) are reference cycles: the TLS state would wait for the collector.
        for name in ("resolve_peer_creds", "get_peer_creds"):
            self.__dict__.pop(name, None)
        self.remote_addr, self.remote_port = address[0], address[1]
        self.ssl_env: dict[str, object] = {}
        self.client: ClientCertificate | None = None
        self.state = State.HELLO
        self.deadline = time.monotonic() + limits.handshake_s
        self.watched_events = 0
        self.inbox = bytearray()
        self.scanned = 0
        self.head: Head | None = None
        self.keep = False

    def __str__(self) -> str:
        name = f" ({self.client.subject})" if self.client else ""
        return f"{self.remote_addr}:{self.remote_port}{name}"

    @property
    def sock(self) -> socket.socket:
        """The socket: plain at first, then TLS, and plain again after the goodbye."""
        return self.writer.sock

    @sock.setter
    def sock(self, sock: socket.socket) -> None:
        self.writer.sock = sock

    def _make_file(self, _sock: object, mode: str, _size: int) -> object:
        return io.BytesIO() if "r" in mode else self.writer

    def begin_request(self, head: Head, body: bytes) -> None:
        """Lay out a whole request for the worker."""
        self.head = head
        self.keep = False
        self.rfile = io.BytesIO(head.request_line + b"\r\n" + body)

    def communicate(self) -> bool:
        """Answer the request; called by cheroot's worker. Return whether the connection may be kept."""
        # Cut off while it waited for a worker: nobody would read what its work came to.
        return not self.writer.broken and bool(super().communicate())  # type: ignore[no-untyped-call]  # 11.1.2

    def close(self) -> None:
        """Let the loop send the rest of the response and then close; called by cheroot's worker."""
        self.keep = False
        self.server.hand_back(self)

    def cut(self) -> None:
        """End the connection at the transport, whoever holds it: its next read or write fails."""
        self.writer.broken = True
        # Not SSLSocket.shutdown: it takes off the TLS layer, and the holder's next write would be in clear.
        with suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def say_goodbye(self) -> None:
        """Send close_notify and end our direction; the client may still be sending."""
        if isinstance(self.sock, ssl.SSLSocket):
            # It sends, and then raises: non-blocking, it cannot wait for the client's own close_notify.
            with suppress(OSError, ValueError):
                self.sock.unwrap()
            self.sock = socket.socket(fileno=self.sock.detach())
            self.sock.setblocking(False)
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def destroy(self) -> None:
        """Close the socket."""
        self.state = State.CLOSED
        with suppress(OSError):
            self.sock.close()
