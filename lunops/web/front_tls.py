"""Make the TLS context of the front: TLS 1.2 or newer, a client certificate required."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from lunops.errors import CertificateError


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """The PEM files of the front: its certificate (with any intermediates), key, and the clients' CA."""

    certificate: Path
    key: Path
    client_ca: Path


class _KeyIsEncrypted(Exception):
    """The key file asks for a pass phrase."""


def load_context(files: TlsFiles) -> ssl.SSLContext:
    """Read the files into a new context. Raises CertificateError.

    New each time, never an old one changed: a session resumed under the same context is not checked again,
    so a CA taken away, or a revocation added, would not reach who was connected before.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_RENEGOTIATION
    # One ticket rather than two; none at all costs a client with Nagle's algorithm on 40 ms per connection.
    context.num_tickets = 1
    context.set_alpn_protocols(["http/1.1"])
    for path, what in (
        (files.certificate, "certificate"),
        (files.key, "key"),
        (files.client_ca, "client CA certificate"),
    ):
        _must_be_readable(path, what)
    try:
        context.load_verify_locations(cafile=files.client_ca)
    except ssl.SSLError as error:
        raise CertificateError(
            "the client CA is not a PEM certificate",
            where=str(files.client_ca),
            fix="give the CA's certificate (not its key) as PEM",
        ) from error
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_pass_phrase)
    except _KeyIsEncrypted as error:
        raise CertificateError(
            "the key is encrypted",
            where=str(files.key),
            fix="give a key without pass phrase, readable by its owner",
        ) from error
    except ssl.SSLError as error:
        raise CertificateError(
            f"certificate and key cannot be used together: {error.reason or error}",
            where=f"{files.certificate}, {files.key}",
            fix="give the PEM certificate and the PEM key that was made with it",
        ) from error
    return context


def _refuse_pass_phrase() -> str:
    # Without a callback OpenSSL asks at the terminal, and the service hangs at its start.
    raise _KeyIsEncrypted


def _must_be_readable(path: Path, what: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise CertificateError(
            f"the {what} cannot be read: {error.strerror}",
            where=str(path),
            fix="make it with `lunops pki init`, or name the right file in the settings",
        ) from error
