"""Start real fronts with real certificates, and be their clients, good and bad."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunops import pki
from lunops.web.front import CLIENT, ClientCertificate, Front, FrontLimits

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

GUARD_S = 20.0
"""No client waits for longer: a test that hangs fails instead."""

PATIENT = FrontLimits(
    handshake_s=300,
    headers_s=300,
    body_s=300,
    idle_s=300,
    write_s=300,
    linger_s=1,
    workers=2,
    queued_requests=20,
)
"""Deadlines that no test reaches, so that an attack is on for as long as the test wants it."""


@dataclass(frozen=True)
class Certificates:
    """One CA in use with two clients, one that is not, and what may not enter."""

    directory: Path
    server: pki.KeyPair
    ca: Path
    alice: pki.KeyPair
    bob: pki.KeyPair
    expired: pki.KeyPair
    stranger: pki.KeyPair
    other: pki.Pki


def make_certificates(directory: Path) -> Certificates:
    """Make everything with the project's own PKI."""
    now = datetime.now(UTC)
    # The CA is old enough to have had a client whose certificate has expired.
    made = pki.init(directory / "ours", name=["localhost", "127.0.0.1"], now=now - timedelta(days=30))
    other = pki.init(directory / "theirs", name="localhost", now=now)
    return Certificates(
        directory=directory,
        server=made.server,
        ca=made.ca.certificate,
        alice=pki.issue(directory / "ours", "alice", now=now),
        bob=pki.issue(directory / "ours", "bob@example.org", now=now),
        expired=pki.issue(directory / "ours", "old", now=now - timedelta(days=20), leaf_days=10),
        stranger=pki.issue(directory / "theirs", "stranger", now=now),
        other=other,
    )


@dataclass
class Recorder:
    """An application that answers with what it was asked, and does some special things by path."""

    calls: list[tuple[str, str, bytes]] = field(default_factory=list)
    environs: list[dict[str, Any]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    release: threading.Event = field(default_factory=threading.Event)
    raises: dict[str, BaseException] = field(default_factory=dict)
    big: bytes = b""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read()
        self.calls.append((environ["REQUEST_METHOD"], path, body))
        self.environs.append(dict(environ))
        self.arrived.release()
        if path in self.raises:
            raise self.raises[path]
        if path == "/wait":
            self.release.wait(2 * GUARD_S)  # longer than any client waits
        client: ClientCertificate = environ[CLIENT]
        answer = self.big if path == "/big" else f"{path} {client.common_name} ".encode() + body
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
        return [answer]


def make_front(
    certificates: Certificates,
    app: Recorder,
    limits: FrontLimits = PATIENT,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Front:
    """Make a front on a free port of the loopback."""
    return Front(
        app,
        listen=("127.0.0.1", 0),
        certificate=certificates.server.certificate,
        key=certificates.server.key,
        client_ca=certificates.ca,
        limits=limits,
        now=now,
    )


def client_context(ca: Path, pair: pki.KeyPair | None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Make a client's TLS context, as strict about the server as Python can be."""
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def plain(front: Front) -> socket.socket:
    """Connect without a word."""
    return socket.create_connection(("127.0.0.1", front.port), timeout=GUARD_S)


def tls(
    front: Front,
    certificates: Certificates,
    pair: pki.KeyPair | None = None,
    *,
    version: ssl.TLSVersion | None = None,
    anonymous: bool = False,
) -> ssl.SSLSocket:
    """Connect as `pair` (alice unless told), shaking hands; an end without close_notify is an error."""
    shown = None if anonymous else pair or certificates.alice
    context = client_context(certificates.ca, shown, version)
    return context.wrap_socket(plain(front), server_hostname="localhost", suppress_ragged_eofs=False)


def request(method: str = "GET", path: str = "/", body: bytes = b"", *extra: str) -> bytes:
    """Render a request, with a Content-Length if there is a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *extra]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_response(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response with a Content-Length: status, fields with names in lower case, body."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = int(fields.get("content-length", "0"))
    rest = bytearray(body)
    while len(rest) < length:
        rest += _some(sock)
    assert len(rest) == length, "more came than one response"
    return int(first.split()[1]), fields, bytes(rest)


def read_to_end(sock: socket.socket) -> bytes:
    """Read until the server's close; on TLS that must be a close_notify."""
    data = bytearray()
    while chunk := sock.recv(65536):
        data += chunk
    return bytes(data)


def ask(sock: socket.socket, *args: Any) -> tuple[int, dict[str, str], bytes]:
    """Send a request and read its response."""
    sock.sendall(request(*args))
    return read_response(sock)


def good_client_is_served(front: Front, certificates: Certificates) -> bool:
    """Make a fresh connection and one request, as any honest client would."""
    with tls(front, certificates) as sock:
        return ask(sock, "GET", "/good")[0] == 200


def send_slowly(sock: socket.socket, data: bytes, stop: threading.Event, pause_s: float = 0.05) -> threading.Thread:
    """Send byte by byte from a thread until done, told to stop, or cut off."""

    def drip() -> None:
        with suppress(OSError):
            for byte in data:
                if stop.wait(pause_s):
                    return
                sock.sendall(bytes([byte]))

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    return thread


def client_hello() -> bytes:
    """Make the first bytes that a TLS client says."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    conversation = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        conversation.do_handshake()
    return outgoing.read()


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    assert data, "the server closed in the middle of a response"
    return data
