"""Serve a WSGI application over TLS with a required client certificate, safe on a hostile port.

    with Front(app, listen=("127.0.0.1", 8443), certificate=…, key=…, client_ca=…) as front:
        …                                                       # front.port, front.reload_tls()

cheroot runs the application (its workers, its request and response code); the loop of `front_loop` does all
that waits for clients. What the front needs of cheroot beyond its documented interface is held by a test.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cheroot import wsgi

from lunops.errors import SettingsError
from lunops.web.front_client import ClientCertificate
from lunops.web.front_connection import Connection
from lunops.web.front_limits import FrontLimits
from lunops.web.front_loop import Loop
from lunops.web.front_steps import Ports
from lunops.web.front_tls import TlsFiles, load_context

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["CLIENT", "ClientCertificate", "Front", "FrontLimits"]

CLIENT = "lunops.client"
"""The WSGI environ's key of the client's ClientCertificate."""

_log = logging.getLogger("lunops.web")


class Front:
    """A server in threads of its own. Start it once and stop it once."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        listen: tuple[str, int],
        certificate: Path,
        key: Path,
        client_ca: Path,
        limits: FrontLimits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read the TLS files; nothing listens yet. Raises CertificateError."""
        self._listen = listen
        self._files = TlsFiles(certificate=certificate, key=key, client_ca=client_ca)
        self._limits = limits or FrontLimits()
        self._context = load_context(self._files)
        self._server = _Server(app, listen, self._limits)
        self._now = now
        self._loop: Loop | None = None
        self._thread = threading.Thread(target=self._run, name="lunops-front", daemon=True)
        self._started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Listen and serve; return when connections are taken. Raises SettingsError if it cannot listen."""
        self._thread.start()
        failure = self._started.get()
        if isinstance(failure, OSError):
            host, port = self._listen
            raise SettingsError(
                f"cannot listen on {host}:{port}: {failure}",
                where="listen",
                fix="name an address of this machine and a free port, or end what listens there",
            ) from failure
        if failure is not None:
            raise failure

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Take no more requests, let those at work be answered, and end: in about `timeout_s` at most.

        Return whether all came to its end. If not, an application call is stuck: its client is cut off, and
        its daemon thread does not keep the process alive.
        """
        if self._loop is None:
            return True
        until = time.monotonic() + timeout_s
        self._loop.stop(timeout_s)
        self._thread.join(timeout_s + 1)
        # cheroot 11.1.2 waits for its workers without any bound: in a thread that can be left behind.
        ending = threading.Thread(target=self._server.stop, name="lunops-front-stop", daemon=True)
        ending.start()
        ending.join(max(0.5, until - time.monotonic()))
        ended = not (self._thread.is_alive() or ending.is_alive())
        if not ended:
            _log.warning("the front stopped, but a request was still at work after %s s", timeout_s)
        return ended

    def reload_tls(self) -> None:
        """Read the TLS files again, for new connections. Raises CertificateError, and then keeps the old.

        Established connections keep what they have shown; sessions from before cannot be resumed.
        """
        self._context = load_context(self._files)

    @property
    def port(self) -> int:
        """The port that is listened on: the one that the system chose, if it was asked to (0)."""
        return int(self._server.bind_addr[1])

    def __enter__(self) -> Front:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        # All in the daemon thread: cheroot's workers are daemons only if the thread that makes them is one.
        try:
            self._server.prepare()
            listener = self._server.socket
            listener.setblocking(False)
            ports = Ports(
                connect=lambda sock, address: Connection(self._server, sock, address, self._limits),
                dispatch=self._server.requests.put,
                context=lambda: self._context,
                environ=_environ,
                now=self._now,
            )
            loop = self._loop = self._server.loop = Loop(listener, ports, self._limits)
            # The loop closes the listener; cheroot's stop() would connect to it once more.
            self._server.socket = None
        except Exception as error:
            self._started.put(error)
            return
        self._started.put(None)
        loop.run()


class _Server(wsgi.Server):
    """cheroot's server with the loop in the place of its accepting and its connection manager."""

    loop: Loop | None = None

    def __init__(self, app: WSGIApplication, listen: tuple[str, int], limits: FrontLimits) -> None:
        super().__init__(
            listen,
            app,
            numthreads=limits.workers,
            server_name="lunops",
            request_queue_size=128,
            timeout=int(limits.idle_s),
            accepted_queue_size=limits.queued_requests,
            accepted_queue_timeout=0,  # the loop never waits for a worker
        )
        # None: wait for the workers. A number makes cheroot shut sockets down under the workers' hands, which
        # takes off the TLS layer: what they write next would go out in clear (SSLSocket.shutdown).
        self.shutdown_timeout = None

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: tuple[Any, ...]) -> socket.socket:
        """Bind; close the socket if that fails, which cheroot 11.1.2 leaves to the garbage collector."""
        try:
            socket_.bind(bind_addr)
        except BaseException:
            socket_.close()
            raise
        return socket_

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Tell whether a connection may be kept after its response."""
        return self.loop is not None and not self.loop.stopping

    def put_conn(self, conn: Connection) -> None:
        """Take a connection back that is kept for its next request; called by a worker."""
        conn.keep = True
        self.hand_back(conn)

    def hand_back(self, conn: Connection) -> None:
        """Give the connection to the loop, which sends the rest. An error here would end the worker."""
        if self.loop is not None:
            self.loop.hand_back(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log what cheroot says, never to the client."""
        _log.log(level, "%s", msg, exc_info=traceback)

    @property
    def interrupt(self) -> BaseException | None:
        """What made cheroot stop: nothing does."""
        return None

    @interrupt.setter
    def interrupt(self, error: BaseException) -> None:
        # A worker dies of what cannot happen. cheroot would stop the server; one new worker does less harm.
        _log.critical("a worker of the front died, another takes its place: %r", error)
        self.requests.grow(1)


class _ErrorStream:
    """The WSGI environ's `wsgi.errors`, for what an application or its framework writes there."""

    def write(self, text: str) -> int:
        if text.strip():
            _log.error("application: %s", text.rstrip())
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pass


def _environ(connection: Connection) -> dict[str, Any]:
    client = connection.client
    assert client is not None
    assert isinstance(connection.sock, ssl.SSLSocket)
    name, version, _ = connection.sock.cipher() or ("", "", 0)
    return {
        "wsgi.url_scheme": "https",
        "wsgi.errors": _ErrorStream(),
        "HTTPS": "on",
        "SSL_PROTOCOL": connection.sock.version() or version,
        "SSL_CIPHER": name,
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_S_DN": client.subject,
        "SSL_CLIENT_M_SERIAL": f"{client.serial:X}",
        CLIENT: client,
    }
