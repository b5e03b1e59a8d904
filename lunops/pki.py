"""Make a small PKI for mutual TLS: a CA, the service's certificate, one certificate per client.

Keys are EC P-256. A key file is readable by its owner alone from its first byte on, and no file is ever
written over. Extensions are as RFC 5280 asks, so that strict verifiers take them.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lunops.errors import CertificateError

CA_DAYS = 3650
LEAF_DAYS = 825

_BACKDATE = timedelta(hours=1)  # a head's or client's clock may be behind ours
_RESERVED = ("ca", "server")
_CLIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?")
_DNS_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """The files of one certificate and its key, PEM both."""

    certificate: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Pki:
    """What `init` has made."""

    ca: KeyPair
    server: KeyPair


@dataclass(frozen=True, kw_only=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def init(
    directory: Path,
    *,
    name: str | Sequence[str],
    now: datetime,
    ca_days: int = CA_DAYS,
    leaf_days: int = LEAF_DAYS,
) -> Pki:
    """Make a CA and the service's certificate: `ca.crt ca.key server.crt server.key` in `directory`.

    `name` is what clients will call the service: DNS names and IP addresses; the first is the subject too.
    The directory is made if it is missing. Raises CertificateError, and then leaves none of the files.
    """
    names = [name] if isinstance(name, str) else list(name)
    if not names:
        raise CertificateError("the server has no name", fix="give the name that clients will use, as --name")
    alternative_names = [_server_name(each) for each in names]
    pki = Pki(ca=_pair(directory, "ca"), server=_pair(directory, "server"))
    _refuse_existing(pki.ca, pki.server)
    ca = _make_ca(now, ca_days)
    server_key = ec.generate_private_key(ec.SECP256R1())
    # A common name has 64 characters at most (RFC 5280, ub-common-name); verifiers read the SAN only.
    server = _sign(ca, server_key, names[0][:64], alternative_names, ExtendedKeyUsageOID.SERVER_AUTH, now, leaf_days)
    _make_directory(directory)
    _write_all(
        [
            (pki.ca.key, _key_pem(ca.key), 0o600),
            (pki.ca.certificate, _certificate_pem(ca.certificate), 0o644),
            (pki.server.key, _key_pem(server_key), 0o600),
            (pki.server.certificate, _certificate_pem(server), 0o644),
        ]
    )
    return pki


def issue(directory: Path, name: str, *, now: datetime, leaf_days: int = LEAF_DAYS) -> KeyPair:
    """Make a client's certificate, signed by the CA in `directory`: `NAME.crt NAME.key` there.

    `name` is the subject's common name and the files' name; one that is an e-mail address is that as well.
    Raises CertificateError, and then leaves neither file.
    """
    if not _CLIENT_NAME.fullmatch(name) or len(name) > 64:
        raise CertificateError(
            f"{name!r} cannot name a client",
            where="NAME",
            fix="use up to 64 letters, digits and . _ -, a letter or digit first, or an e-mail address",
        )
    if name.lower() in _RESERVED:
        raise CertificateError(
            f"{name!r} is the name of the {'CA' if name.lower() == 'ca' else 'server'}'s own files",
            where="NAME",
            fix="choose another name for the client",
        )
    pair = _pair(directory, name)
    _refuse_existing(pair)
    ca = _load_ca(_pair(directory, "ca"), now)
    key = ec.generate_private_key(ec.SECP256R1())
    emails = [x509.RFC822Name(name)] if "@" in name else []
    certificate = _sign(ca, key, name, emails, ExtendedKeyUsageOID.CLIENT_AUTH, now, leaf_days)
    _write_all([(pair.key, _key_pem(key), 0o600), (pair.certificate, _certificate_pem(certificate), 0o644)])
    return pair


# ---- certificates


def _make_ca(now: datetime, days: int) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    # Two CAs of one name would make "unable to verify" errors that say nothing: each has a name of its own.
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lunops"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lunops CA {secrets.token_hex(4)}"),
        ]
    )
    certificate = (
        _builder(subject, subject, key.public_key(), now, now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Signer(certificate=certificate, key=key)


def _sign(
    ca: _Signer,
    key: ec.EllipticCurvePrivateKey,
    name: str,
    alternative_names: Sequence[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    now: datetime,
    days: int,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    # Never beyond the CA's end: such a certificate looks good on paper and fails in use.
    end = min(now + timedelta(days=days), ca.certificate.not_valid_after_utc)
    builder = (
        _builder(subject, ca.certificate.subject, key.public_key(), now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    if alternative_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    if now.tzinfo is None:
        raise CertificateError("`now` has no time zone", fix="give an aware datetime")
    start = now.astimezone(UTC) - _BACKDATE
    if end <= now:
        raise CertificateError("the certificate would end before it begins", fix="give a number of days above 0")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority_key_identifier(ca: _Signer) -> x509.AuthorityKeyIdentifier:
    try:
        # As the CA has it, which may not be as we would compute it: the CA need not be of our making.
        identifier = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _server_name(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    labels = name.removeprefix("*.").split(".")
    if len(name) > 253 or not all(_DNS_LABEL.fullmatch(label) for label in labels):
        raise CertificateError(
            f"{name!r} is neither a DNS name nor an IP address",
            where="--name",
            fix="give a name such as storage.example.org, 192.0.2.7 or 2001:db8::7, without a port",
        )
    return x509.DNSName(name)


def _load_ca(pair: KeyPair, now: datetime) -> _Signer:
    fix = "make a CA with `lunops pki init`, or name the directory that holds one"
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    except OSError as error:
        raise _file_error("read", pair.certificate, error, fix) from error
    except ValueError as error:
        raise CertificateError("this is not a PEM certificate", where=str(pair.certificate), fix=fix) from error
    try:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except OSError as error:
        raise _file_error("read", pair.key, error, fix) from error
    except (ValueError, TypeError) as error:
        raise CertificateError("this is not a PEM key without a pass phrase", where=str(pair.key), fix=fix) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CertificateError(
            "the CA's key is not the one of its certificate", where=f"{pair.certificate}, {pair.key}", fix=fix
        )
    if certificate.not_valid_after_utc <= now:
        raise CertificateError(
            f"the CA has expired on {certificate.not_valid_after_utc:%Y-%m-%d}",
            where=str(pair.certificate),
            fix="make a new CA in another directory with `lunops pki init`",
        )
    return _Signer(certificate=certificate, key=key)


# ---- files


def _pair(directory: Path, stem: str) -> KeyPair:
    return KeyPair(certificate=directory / f"{stem}.crt", key=directory / f"{stem}.key")


def _refuse_existing(*pairs: KeyPair) -> None:
    for path in (path for pair in pairs for path in (pair.certificate, pair.key)):
        if os.path.lexists(path):
            raise _exists(path)


def _exists(path: Path) -> CertificateError:
    return CertificateError(
        "the file is there already, and is not written over",
        where=str(path),
        fix="choose another name or directory, or move the file away if nothing uses it any more",
    )


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _file_error("make", directory, error, "name a directory that you may write to") from error


def _write_all(files: Sequence[tuple[Path, bytes, int]]) -> None:
    """Write all files, or none of them."""
    written: list[Path] = []
    try:
        for path, content, mode in files:
            _write_new(path, content, mode)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file under another name and then link it: it appears whole, and never in place of another."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)  # whatever the umask
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise _file_error("write", path, error, "name a directory that you may write to") from error


def _file_error(verb: str, path: Path, error: OSError, fix: str) -> CertificateError:
    return CertificateError(f"cannot {verb} this: {error.strerror or error}", where=str(path), fix=fix)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
