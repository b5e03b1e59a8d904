"""The TLS front on real sockets: who gets in, what a request may look like, and how things end."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from shutil import copy
from typing import Any

import cheroot.server
import cheroot.wsgi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from lunops import pki
from lunops.errors import CertificateError, SettingsError
from lunops.web.front import CLIENT, ClientCertificate, Front, FrontLimits
from lunops.web.front_head import Head, Refused, parse_head, take_head
from tests.front_support import (
    GUARD_S,
    PATIENT,
    Certificates,
    Recorder,
    ask,
    client_context,
    good_client_is_served,
    make_certificates,
    make_front,
    plain,
    read_response,
    read_to_end,
    request,
    tls,
)

pytestmark = pytest.mark.timeout(60)
TLS_VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def app() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.release.set()


@pytest.fixture
def front(certificates: Certificates, app: Recorder) -> Iterator[Front]:
    with make_front(certificates, app) as started:
        yield started
        app.release.set()


# ---- requests and who makes them


@pytest.mark.parametrize("version", TLS_VERSIONS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_with_its_body_reaches_the_application(
    front: Front, certificates: Certificates, app: Recorder, method: str, version: ssl.TLSVersion
) -> None:
    with tls(front, certificates, version=version) as sock:
        status, _, body = ask(sock, method, "/lun/api", b'{"clones": []}')
    assert (status, body) == (200, b'/lun/api alice {"clones": []}')
    assert app.calls == [(method, "/lun/api", b'{"clones": []}')]


def test_the_environ_says_who_the_client_is(front: Front, certificates: Certificates, app: Recorder) -> None:
    with tls(front, certificates, certificates.bob) as sock:
        ask(sock)
    environ = app.environs[0]
    client = environ[CLIENT]
    certificate = x509.load_pem_x509_certificate(certificates.bob.certificate.read_bytes())
    assert client.common_name == "bob@example.org"
    assert client.emails == ("bob@example.org",)
    assert client.serial == certificate.serial_number
    assert client.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()
    assert client.not_after == certificate.not_valid_after_utc
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert environ["SSL_CLIENT_S_DN"] == "CN=bob@example.org"
    assert (environ["wsgi.url_scheme"], environ["HTTPS"], environ["REMOTE_ADDR"]) == (
        "https",
        "on",
        "127.0.0.1",
    )
    assert environ["SSL_PROTOCOL"] == "TLSv1.3"


def test_a_client_cannot_pretend_with_header_fields(front: Front, certificates: Certificates, app: Recorder) -> None:
    with tls(front, certificates) as sock:
        ask(
            sock,
            "GET",
            "/",
            b"",
            "SSL_CLIENT_S_DN: CN=root",
            "X_Forwarded_For: 1.2.3.4",
            "SSL-CLIENT-VERIFY: NO",
        )
    environ = app.environs[0]
    assert environ["SSL_CLIENT_S_DN"] == "CN=alice"
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert "HTTP_SSL_CLIENT_S_DN" not in environ
    assert "HTTP_X_FORWARDED_FOR" not in environ


def _certificate(names: list[x509.NameAttribute[str]], *extensions: x509.ExtensionType) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")]))
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_comma_in_a_common_name_stays_within_the_name() -> None:
    der = _certificate([x509.NameAttribute(NameOID.COMMON_NAME, "x,CN=admin")])
    client = ClientCertificate.from_der(der)
    assert (client.common_name, client.subject) == ("x,CN=admin", r"CN=x\,CN=admin")


def test_two_common_names_are_none() -> None:
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, "guest"),
        x509.NameAttribute(NameOID.COMMON_NAME, "admin"),
    ]
    assert ClientCertificate.from_der(_certificate(names)).common_name == ""


def test_alternative_names_of_all_kinds_are_read() -> None:
    san = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier("spiffe://lab/scheduler"),
            x509.DNSName("scheduler.example.org"),
            x509.RFC822Name("ops@example.org"),
        ]
    )
    client = ClientCertificate.from_der(_certificate([], san))
    assert client.uris == ("spiffe://lab/scheduler",)
    assert client.dns_names == ("scheduler.example.org",)
    assert client.emails == ("ops@example.org",)
    assert client.common_name == ""


def test_a_certificate_that_cannot_be_read_is_an_error_of_ours() -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        ClientCertificate.from_der(b"\x30\x03junk")


# ---- who does not get in


@pytest.mark.parametrize(
    ("who", "alerts"),
    [
        ("nobody", {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"}),
        ("stranger", {"TLSV1_ALERT_UNKNOWN_CA"}),
        ("expired", {"SSLV3_ALERT_CERTIFICATE_EXPIRED"}),
        ("server", {"SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "SSLV3_ALERT_BAD_CERTIFICATE"}),
    ],
)
@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_a_wrong_certificate_is_refused_with_a_tls_alert(
    front: Front,
    certificates: Certificates,
    app: Recorder,
    who: str,
    alerts: set[str],
    version: ssl.TLSVersion,
) -> None:
    pair = None if who == "nobody" else getattr(certificates, who)

    def knock() -> None:
        with tls(front, certificates, pair, version=version, anonymous=pair is None) as sock:
            sock.sendall(request())  # TLS 1.3 tells a client with its first read, not in its handshake
            read_to_end(sock)

    with pytest.raises(ssl.SSLError) as caught:
        knock()
    assert caught.value.reason in alerts
    assert app.calls == []
    assert good_client_is_served(front, certificates)


def test_tls_1_1_is_refused_with_a_tls_alert(front: Front, certificates: Certificates) -> None:
    context = client_context(certificates.ca, certificates.alice)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with plain(front) as raw, pytest.raises(ssl.SSLError) as caught:
        context.wrap_socket(raw, server_hostname="localhost")
    assert caught.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_plain_http_is_told_so(front: Front, app: Recorder) -> None:
    with plain(front) as sock:
        sock.sendall(request("POST", "/", b"x" * 100_000))
        status, fields, body = read_response(sock)
        assert sock.recv(1) == b""
    assert (status, fields["connection"]) == (400, "close")
    assert "https://" in json.loads(body)["message"]
    assert app.calls == []


def test_a_certificate_that_expires_while_connected_is_refused_at_the_next_request(
    certificates: Certificates, app: Recorder
) -> None:
    clock = [datetime.now(UTC)]
    with make_front(certificates, app, now=lambda: clock[0]) as front, tls(front, certificates) as sock:
        assert ask(sock)[0] == 200
        clock[0] += timedelta(days=pki.LEAF_DAYS + 1)
        status, _, body = ask(sock)
        assert sock.recv(1) == b""
    assert (status, len(app.calls)) == (403, 1)
    assert "not valid any more" in json.loads(body)["message"]


# ---- what a request may look like

_MALFORMED = {
    "two Content-Length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two Content-Length that differ": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\ncontent-length: 0\r\n\r\n",
    "Content-Length in a list": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
    "Content-Length and chunked": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc",
    "a plus sign": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
    "an underscore": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1_0\r\n\r\nabcdefghij",
    "a negative length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\nabc",
    "an empty length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
    "digits of another script": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \xd9\xa3\r\n\r\nabc",
    "a folded line": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "a fold in the first line": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "a bare CR in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n",
    "a bare CR in the first line": b"GET / HTTP/1.1\rHost: h\r\n\r\n",
    "a bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "a bare LF between fields": b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "a NUL in a name": b"GET / HTTP/1.1\r\nHost: h\r\nX\0: b\r\n\r\n",
    "two Content-Types": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    "a Host that is none": b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
    "a line without a colon": b"GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n",
    "an empty name": b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\nHost: h\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    "a lower-case method": b"get / HTTP/1.1\r\nHost: h\r\n\r\n",
    "a whole URL": b"GET https://elsewhere/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "a path of an authority": b"GET //[ HTTP/1.1\r\nHost: h\r\n\r\n",
    "a fragment": b"GET /#x HTTP/1.1\r\nHost: h\r\n\r\n",
    "raw UTF-8 in the path": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "CONNECT": b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    "empty lines": b"\r\n\r\n\r\n\r\n",
}


@pytest.mark.parametrize("sent", _MALFORMED.values(), ids=_MALFORMED.keys())
def test_a_request_that_two_servers_could_read_differently_is_refused(
    front: Front, certificates: Certificates, app: Recorder, sent: bytes
) -> None:
    with tls(front, certificates) as sock:
        sock.sendall(sent + request("GET", "/smuggled"))
        status, fields, body = read_response(sock)
        assert sock.recv(1) == b""
    assert (status, fields["connection"]) == (400, "close")
    assert json.loads(body)["status"] == "error"
    assert app.calls == []


def test_a_bare_lf_is_refused_at_once_and_not_waited_upon(front: Front, certificates: Certificates) -> None:
    with tls(front, certificates) as sock:
        sock.sendall(b"GET / HTTP/1.1\nHost: h\n\n")
        assert read_response(sock)[0] == 400


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "Content-Length"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "OPTIONS"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417, "100-continue"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", 431, "100 header fields"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, "32768 bytes"),
        (b"GET /" + b"a" * 40_000, 431, "32768 bytes"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n", 413, "1048576 bytes"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999999\r\n\r\n", 413, "1048576 bytes"),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            400,
            "number of bytes",
        ),
    ],
)
def test_what_is_not_taken_is_refused_with_its_own_status(
    front: Front, certificates: Certificates, app: Recorder, sent: bytes, status: int, says: str
) -> None:
    with tls(front, certificates) as sock:
        sock.sendall(sent)
        got, _, body = read_response(sock)
        assert sock.recv(1) == b""
    assert got == status
    assert says in json.loads(body)["message"]
    assert app.calls == []


_FRAGMENTS = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"\r\n",
        b"Host: h",
        b"\n",
        b"\r",
        b"Content-Length: 3",
        b"\r\n\r\n",
        b": ",
        b"\0",
        b" ",
        b"abc",
    ]
)
_SENT = st.lists(_FRAGMENTS | st.binary(max_size=6), max_size=12).map(b"".join)


def _take(data: bytes, piece: int) -> tuple[Head | None, bytes] | str:
    """Read as the loop does, in pieces: the head and what is left, or the status of the refusal."""
    limits = FrontLimits(header_bytes=60, header_fields=3)
    buffer, scanned = bytearray(), 0
    head = None
    try:
        for start in range(0, len(data), piece):
            buffer += data[start : start + piece]
            if head is None:
                head = take_head(buffer, scanned, limits)
                scanned = len(buffer)
    except Refused as refused:
        return refused.status
    return head, bytes(buffer)


@given(_SENT, st.integers(1, 9))
@example(b"\r\n\r\n\r\n", 1)
@example(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nabc", 1)
def test_a_head_reads_the_same_however_it_is_cut(sent: bytes, piece: int) -> None:
    whole, pieces = _take(sent, max(1, len(sent))), _take(sent, piece)
    if isinstance(whole, str) or isinstance(pieces, str):
        assert isinstance(whole, str) or whole[0] is None
        assert isinstance(pieces, str) or pieces[0] is None
    else:
        assert whole == pieces


@given(_SENT.filter(lambda sent: b"\r\n\r\n" not in sent))
def test_a_head_that_is_taken_has_no_second_reading(fields: bytes) -> None:
    try:
        head = parse_head(b"POST /x HTTP/1.1\r\nHost: h\r\n" + fields, FrontLimits())
    except Refused:
        return
    for name, value in head.fields.items():
        assert re.fullmatch(rb"[^\x00-\x20:_\x7f-\xff]+", name)
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value)
    assert head.content_length == int(head.fields.get(b"Content-Length", b"0"))
    assert b"Transfer-Encoding" not in head.fields


def test_a_client_reads_why_although_it_goes_on_sending(front: Front, certificates: Certificates) -> None:
    with tls(front, certificates) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
        assert read_response(sock)[0] == 413


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_requests_may_come_in_pieces_and_in_a_row(
    front: Front, certificates: Certificates, app: Recorder, piece: int
) -> None:
    both = request("POST", "/a", b"one") + b"\r\n" + request("DELETE", "/b", b"two") + request("GET", "/c")
    with tls(front, certificates) as sock:
        for start in range(0, len(both), piece):
            sock.sendall(both[start : start + piece])
        answers = b""
        while b"/c alice " not in answers:
            answers += sock.recv(65536)
    assert app.calls == [("POST", "/a", b"one"), ("DELETE", "/b", b"two"), ("GET", "/c", b"")]
    assert re.findall(rb"/\w alice (?:one|two)?", answers) == [b"/a alice one", b"/b alice two", b"/c alice "]


def test_a_body_as_long_as_is_allowed_is_taken(front: Front, certificates: Certificates, app: Recorder) -> None:
    body = os.urandom(PATIENT.body_bytes)
    with tls(front, certificates) as sock:
        assert ask(sock, "POST", "/", body)[0] == 200
    assert app.calls[0][2] == body


def test_a_client_that_asks_first_is_told_to_go_on(front: Front, certificates: Certificates, app: Recorder) -> None:
    head = b"PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with tls(front, certificates) as sock:
        sock.sendall(head)
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert read_response(sock)[0] == 200
    assert app.calls == [("PUT", "/x", b"hello")]


@pytest.mark.parametrize("option", ["close", "Close", "foo, close"])
def test_a_connection_ends_with_close_notify(front: Front, certificates: Certificates, option: str) -> None:
    with tls(front, certificates) as sock:
        status, fields, _ = ask(sock, "GET", "/", b"", f"Connection: {option}")
        assert (status, fields["connection"]) == (200, "close")
        assert sock.recv(1) == b""  # without close_notify this is an SSLEOFError


def test_a_client_that_ends_first_is_answered_with_close_notify(front: Front, certificates: Certificates) -> None:
    with tls(front, certificates) as sock:
        assert ask(sock)[0] == 200
        sock.unwrap().close()  # waits for the server's close_notify, and raises without


# ---- errors of the application


@pytest.mark.parametrize(
    "error",
    [
        ValueError("canary"),
        SystemExit("canary"),
        ConnectionRefusedError(111, "canary"),
        TimeoutError("canary"),
    ],
)
def test_an_error_of_the_application_is_answered_without_its_words(
    front: Front,
    certificates: Certificates,
    app: Recorder,
    error: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app.raises["/bad"] = error
    for _ in range(PATIENT.workers + 1):  # were a worker lost each time, none would be left
        with tls(front, certificates) as sock:
            sock.sendall(request("GET", "/bad"))
            answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"canary" not in answer
        assert b"Traceback" not in answer
    assert good_client_is_served(front, certificates)
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert logged
    assert all(record.exc_info and record.name == "lunops.web" for record in logged)


def test_what_the_application_writes_to_wsgi_errors_is_logged(
    certificates: Certificates, app: Recorder, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    with tls(front, certificates) as sock:
        ask(sock)
    app.environs[0]["wsgi.errors"].write("something odd\n")
    assert ("lunops.web", logging.ERROR, "application: something odd") in caplog.record_tuples


def test_normal_disconnects_make_no_noise(
    certificates: Certificates,
    app: Recorder,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO, logger="lunops.web")
    app.big = b"x" * 8_000_000
    with make_front(certificates, app) as front:
        plain(front).close()
        tls(front, certificates).close()
        with tls(front, certificates) as sock:
            ask(sock)
        reset = tls(front, certificates)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.sendall(request("GET", "/big"))
        app.arrived.acquire(timeout=GUARD_S)
        reset.close()
        assert good_client_is_served(front, certificates)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_dies_is_replaced(front: Front, certificates: Certificates) -> None:
    class Deadly:
        """A connection that does what none of ours does: it raises while it is closed."""

        remote_addr = remote_port = "nowhere"

        def communicate(self) -> bool:
            return False

        def close(self) -> None:
            raise RuntimeError("cannot happen")

    for _ in range(PATIENT.workers):
        front._server.requests.put(Deadly())
    assert good_client_is_served(front, certificates)
    assert good_client_is_served(front, certificates)


# ---- certificates change


def test_new_tls_files_hold_for_new_connections_and_no_old_session_gets_in(
    certificates: Certificates, app: Recorder, tmp_path: Path
) -> None:
    ours = replace(
        certificates,
        ca=Path(copy(certificates.ca, tmp_path)),
        server=pki.KeyPair(
            certificate=Path(copy(certificates.server.certificate, tmp_path)),
            key=Path(copy(certificates.server.key, tmp_path)),
        ),
    )
    context = client_context(ours.ca, ours.alice, ssl.TLSVersion.TLSv1_2)
    with make_front(ours, app) as front:
        with context.wrap_socket(plain(front), server_hostname="localhost") as sock:
            assert ask(sock)[0] == 200
            session = sock.session
        with context.wrap_socket(plain(front), server_hostname="localhost", session=session) as sock:
            assert sock.session_reused  # it could get in, were the context only changed
        copy(certificates.other.ca.certificate, ours.ca)
        copy(certificates.other.server.certificate, ours.server.certificate)
        copy(certificates.other.server.key, ours.server.key)
        front.reload_tls()

        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        blind.maximum_version = ssl.TLSVersion.TLSv1_2
        blind.load_cert_chain(ours.alice.certificate, ours.alice.key)
        with plain(front) as raw, pytest.raises(ssl.SSLError, match="unknown ca"):
            blind.wrap_socket(raw, server_hostname="localhost")
        with plain(front) as raw, pytest.raises(ssl.SSLError):
            context.wrap_socket(raw, server_hostname="localhost", session=session)
        theirs = replace(certificates, ca=certificates.other.ca.certificate, alice=certificates.stranger)
        assert good_client_is_served(front, theirs)


def test_bad_new_tls_files_change_nothing(certificates: Certificates, app: Recorder, tmp_path: Path) -> None:
    ours = replace(certificates, ca=Path(copy(certificates.ca, tmp_path)))
    with make_front(ours, app) as front:
        ours.ca.write_text("half a certificate")
        with pytest.raises(CertificateError, match=re.escape(str(ours.ca))):
            front.reload_tls()
        assert good_client_is_served(front, certificates)


@pytest.mark.parametrize(
    ("part", "content", "says"),
    [
        ("certificate", None, "certificate cannot be read: No such file"),
        ("key", None, "key cannot be read: No such file"),
        ("client_ca", None, "client CA certificate cannot be read: No such file"),
        ("client_ca", b"", "client CA is not a PEM certificate"),
        ("certificate", b"junk", "cannot be used together"),
        ("key", b"junk", "cannot be used together"),
        ("key", "other", "cannot be used together: KEY_VALUES_MISMATCH"),
        ("key", "encrypted", "the key is encrypted"),
    ],
)
def test_tls_files_that_do_not_work_are_named(
    certificates: Certificates, tmp_path: Path, part: str, content: bytes | str | None, says: str
) -> None:
    if content == "other":
        content = certificates.alice.key.read_bytes()
    if content == "encrypted":
        key = serialization.load_pem_private_key(certificates.server.key.read_bytes(), None)
        content = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    path = tmp_path / "file.pem"
    if isinstance(content, bytes):
        path.write_bytes(content)
    files: dict[str, Any] = {
        "certificate": certificates.server.certificate,
        "key": certificates.server.key,
        "client_ca": certificates.ca,
    }
    with pytest.raises(CertificateError, match=says) as caught:
        Front(Recorder(), listen=("127.0.0.1", 0), **{**files, part: path})
    assert str(path) in caught.value.where
    assert caught.value.fix


# ---- start and stop


def test_an_address_in_use_is_an_error_that_names_it(front: Front, certificates: Certificates, app: Recorder) -> None:
    second = Front(
        app,
        listen=("127.0.0.1", front.port),
        certificate=certificates.server.certificate,
        key=certificates.server.key,
        client_ca=certificates.ca,
    )
    with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{front.port}"):
        second.start()
    assert second.stop()


def test_stop_lets_the_request_at_work_be_answered(certificates: Certificates, app: Recorder) -> None:
    front = make_front(certificates, app)
    front.start()
    with tls(front, certificates) as sock, tls(front, certificates) as idle:
        ask(idle)
        app.arrived.acquire(timeout=GUARD_S)
        sock.sendall(request("GET", "/wait"))
        app.arrived.acquire(timeout=GUARD_S)
        ended: list[bool] = []
        stopping = threading.Thread(target=lambda: ended.append(front.stop(GUARD_S)))
        stopping.start()
        assert idle.recv(1) == b""  # an idle connection ends at once, and properly
        app.release.set()
        status, fields, _ = read_response(sock)
        assert (status, fields["connection"]) == (200, "close")
        assert sock.recv(1) == b""
    stopping.join(GUARD_S)
    assert ended == [True]
    with pytest.raises(ConnectionRefusedError):
        plain(front)
    assert front.stop()  # once more does no harm


def test_stop_tells_a_client_in_the_middle_of_its_request(certificates: Certificates, app: Recorder) -> None:
    front = make_front(certificates, app)
    front.start()
    with tls(front, certificates) as sock:
        assert ask(sock)[0] == 200
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        stopping = threading.Thread(target=front.stop)
        stopping.start()
        assert read_response(sock)[0] == 503
    stopping.join(GUARD_S)
    assert not stopping.is_alive()


def test_stop_does_not_wait_for_ever_for_a_stuck_application(certificates: Certificates, app: Recorder) -> None:
    front = make_front(certificates, app)
    front.start()
    with tls(front, certificates) as sock:
        sock.sendall(request("GET", "/wait"))
        app.arrived.acquire(timeout=GUARD_S)
        assert front.stop(0.3) is False
        with pytest.raises((ssl.SSLError, ConnectionError)):  # cut off: nobody may take this for an answer
            read_to_end(sock)


def test_no_thread_of_the_front_outlives_it(certificates: Certificates, app: Recorder) -> None:
    before = set(threading.enumerate())
    with make_front(certificates, app) as front:
        assert good_client_is_served(front, certificates)
        threads = set(threading.enumerate()) - before
        assert len(threads) == 1 + PATIENT.workers
        assert all(thread.daemon for thread in threads)  # a stuck one does not keep the process alive
    assert not any(thread.is_alive() for thread in threads)


# ---- cheroot


def test_cheroot_still_has_what_the_front_builds_on() -> None:
    assert (11, 1, 2) <= tuple(map(int, version("cheroot").split("."))) < (12,), (
        "cheroot is not the one that the front was written for: read its changes against lunops/web/front*.py"
    )
    for owner, name in [
        (cheroot.server.HTTPConnection, "communicate"),
        (cheroot.server.HTTPConnection, "close"),
        (cheroot.server.HTTPRequest, "header_reader"),
        (cheroot.server.HTTPRequest, "simple_response"),
        (cheroot.server.HTTPRequest, "respond"),
        (cheroot.server.HTTPServer, "prepare"),
        (cheroot.server.HTTPServer, "put_conn"),
        (cheroot.server.HTTPServer, "can_add_keepalive_connection"),
        (cheroot.server.HTTPServer, "error_log"),
        (cheroot.server.HTTPServer, "interrupt"),
        (cheroot.wsgi.Server, "stop"),
    ]:
        assert hasattr(owner, name), f"{owner.__name__}.{name} is gone: the front overrides or calls it"
