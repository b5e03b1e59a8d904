"""Say who a client is, from its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from lunops.errors import CertificateError


@dataclass(frozen=True, kw_only=True)
class ClientCertificate:
    """What a verified client certificate says.

    Decide on `fingerprint`, `uris` or `emails`: a subject alone is only as good as the CA's care with names.
    `subject` and `issuer` are RFC 4514 strings, escaped, so that a comma within a name stays within it.
    `common_name` is empty if there is none, or more than one. `fingerprint` is the SHA-256 of the DER in
    lower-case hex; both dates are in UTC.
    """

    common_name: str
    subject: str
    issuer: str
    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    serial: int
    fingerprint: str
    not_before: datetime
    not_after: datetime

    @classmethod
    def from_der(cls, der: bytes) -> ClientCertificate:
        """Read a certificate. Raises CertificateError if a part of it cannot be read."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = [_text(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            san = _alternative_names(certificate)
            return cls(
                common_name=names[0] if len(names) == 1 else "",
                subject=certificate.subject.rfc4514_string(),
                issuer=certificate.issuer.rfc4514_string(),
                uris=tuple(san.get_values_for_type(x509.UniformResourceIdentifier)),
                dns_names=tuple(san.get_values_for_type(x509.DNSName)),
                emails=tuple(san.get_values_for_type(x509.RFC822Name)),
                serial=certificate.serial_number,
                fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
            )
        except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
            raise CertificateError(
                f"the client certificate cannot be read: {error}",
                fix="have it issued again, in DER as in RFC 5280",
            ) from error

    def valid_at(self, now: datetime) -> bool:
        """Tell whether `now` (aware) lies within the certificate's dates, both included."""
        return self.not_before <= now <= self.not_after


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()
