"""The PKI: files that only their owner reads, never written over, and that strict verifiers take."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from lunops import pki
from lunops.errors import CertificateError
from tests.front_support import Certificates, Recorder, make_front

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# ---- what is in the certificates


def test_init_writes_a_ca_and_a_server_certificate_signed_by_it(tmp_path: Path) -> None:
    made = pki.init(tmp_path / "new" / "pki", name="localhost", now=NOW)
    assert names_in(tmp_path / "new" / "pki") == {"ca.crt", "ca.key", "server.crt", "server.key"}
    ca, server = read(made.ca.certificate), read(made.server.certificate)
    ca.verify_directly_issued_by(ca)
    server.verify_directly_issued_by(ca)
    for pair in (made.ca, made.server):
        key = load_pem_private_key(pair.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert key.public_key() == read(pair.certificate).public_key()


def test_the_ca_can_sign_certificates_and_nothing_else(tmp_path: Path) -> None:
    ca = read(pki.init(tmp_path, name="localhost", now=NOW).ca.certificate)
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)


def test_a_leaf_serves_one_side_of_a_connection_only(tmp_path: Path) -> None:
    server = pki.init(tmp_path, name="localhost", now=NOW).server
    client = pki.issue(tmp_path, "alice", now=NOW)
    ca_identifier = read(tmp_path / "ca.crt").extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for pair, usage in (
        (server, ExtendedKeyUsageOID.SERVER_AUTH),
        (client, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        extensions = read(pair.certificate).extensions
        assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        assert extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
        assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert authority.key_identifier == ca_identifier.key_identifier


def test_names_become_dns_names_and_addresses(tmp_path: Path) -> None:
    names = ["storage.example.org", "192.0.2.7", "2001:db8::7", "*.lab.example.org"]
    server = read(pki.init(tmp_path, name=names, now=NOW).server.certificate)
    san = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["storage.example.org", "*.lab.example.org"]
    assert san.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("192.0.2.7"),
        ipaddress.ip_address("2001:db8::7"),
    ]
    assert server.subject.rfc4514_string() == "CN=storage.example.org"


def test_validity_is_counted_from_the_given_time(tmp_path: Path) -> None:
    made = pki.init(tmp_path, name="localhost", now=NOW, ca_days=100, leaf_days=50)
    client = pki.issue(tmp_path, "alice", now=NOW + timedelta(days=90), leaf_days=50)
    ca, server = read(made.ca.certificate), read(made.server.certificate)
    assert ca.not_valid_before_utc <= NOW < ca.not_valid_after_utc == NOW + timedelta(days=100)
    assert server.not_valid_after_utc == NOW + timedelta(days=50)
    assert read(client.certificate).not_valid_after_utc == ca.not_valid_after_utc  # never longer than its CA


def test_by_default_a_ca_lasts_ten_years_and_a_leaf_825_days(tmp_path: Path) -> None:
    made = pki.init(tmp_path, name="localhost", now=NOW)
    assert read(made.ca.certificate).not_valid_after_utc == NOW + timedelta(days=3650)
    assert read(made.server.certificate).not_valid_after_utc == NOW + timedelta(days=825)


def test_a_client_that_is_named_by_its_address_has_it_as_alternative_name(tmp_path: Path) -> None:
    pki.init(tmp_path, name="localhost", now=NOW)
    certificate = read(pki.issue(tmp_path, "ops@example.org", now=NOW).certificate)
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.RFC822Name) == ["ops@example.org"]


def test_no_two_certificates_share_a_serial_number_and_no_two_cas_a_name(tmp_path: Path) -> None:
    first = pki.init(tmp_path / "1", name="localhost", now=NOW)
    second = pki.init(tmp_path / "2", name="localhost", now=NOW)
    clients = [pki.issue(tmp_path / "1", f"client-{number}", now=NOW) for number in range(5)]
    pairs = [first.ca, first.server, second.ca, second.server, *clients]
    assert len({read(pair.certificate).serial_number for pair in pairs}) == len(pairs)
    assert read(first.ca.certificate).subject != read(second.ca.certificate).subject


# ---- verifiers


@pytest.mark.parametrize(("name", "purpose"), [("server", "sslserver"), ("alice", "sslclient")])
def test_openssl_verifies_strictly(tmp_path: Path, name: str, purpose: str) -> None:
    now = datetime.now(UTC)
    pki.init(tmp_path, name="localhost", now=now)
    pki.issue(tmp_path, "alice", now=now)
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", str(tmp_path / "ca.crt"), "-purpose"]
    good = subprocess.run([*verify, purpose, str(tmp_path / f"{name}.crt")], capture_output=True, text=True, timeout=20)
    assert good.returncode == 0, good.stderr
    other = {"sslserver": "sslclient", "sslclient": "sslserver"}[purpose]
    bad = subprocess.run([*verify, other, str(tmp_path / f"{name}.crt")], capture_output=True, text=True, timeout=20)
    assert bad.returncode != 0


@pytest.mark.timeout(60)
def test_curl_and_the_front_take_each_others_certificates(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    made = pki.init(tmp_path, name=["localhost", "127.0.0.1"], now=now)
    alice = pki.issue(tmp_path, "alice", now=now)
    certificates = Certificates(
        directory=tmp_path,
        server=made.server,
        ca=made.ca.certificate,
        alice=alice,
        bob=alice,
        expired=alice,
        stranger=alice,
        other=made,
    )
    with make_front(certificates, Recorder()) as front:
        for host in ("localhost", "127.0.0.1"):
            command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(made.ca.certificate)]
            command += [
                "--cert",
                str(alice.certificate),
                "--key",
                str(alice.key),
                "-X",
                "DELETE",
                "-d",
                "{}",
                f"https://{host}:{front.port}/x",
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
            assert (done.stdout, done.stderr) == ("/x alice {}", "")


def test_python_loads_a_pair_as_it_is(tmp_path: Path) -> None:
    made = pki.init(tmp_path, name="localhost", now=NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server.certificate, made.server.key)
    context.load_verify_locations(made.ca.certificate)


# ---- files


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_keys_are_for_their_owner_only_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    tmp_path.chmod(0o755)
    with umask(mask):
        pki.init(tmp_path, name="localhost", now=NOW)
        pki.issue(tmp_path, "alice", now=NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {f"{stem}.key": 0o600 for stem in ("ca", "server", "alice")} | {
        f"{stem}.crt": 0o644 for stem in ("ca", "server", "alice")
    }


def test_a_new_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    with umask(0o022):
        pki.init(tmp_path / "pki", name="localhost", now=NOW)
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


@pytest.mark.parametrize("existing", ["ca.crt", "ca.key", "server.crt", "server.key"])
def test_init_writes_nothing_if_one_of_its_files_is_there(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("precious")
    with pytest.raises(CertificateError, match="is there already, and is not written over") as caught:
        pki.init(tmp_path, name="localhost", now=NOW)
    assert caught.value.where == str(tmp_path / existing)
    assert caught.value.fix
    assert names_in(tmp_path) == {existing}
    assert (tmp_path / existing).read_text() == "precious"


@pytest.mark.parametrize("existing", ["alice.crt", "alice.key"])
def test_issue_writes_nothing_if_one_of_its_files_is_there(tmp_path: Path, existing: str) -> None:
    pki.init(tmp_path, name="localhost", now=NOW)
    (tmp_path / existing).symlink_to(tmp_path / "nowhere")  # a dangling link counts, and is not followed
    before = names_in(tmp_path)
    with pytest.raises(CertificateError, match="not written over"):
        pki.issue(tmp_path, "alice", now=NOW)
    assert names_in(tmp_path) == before


def test_two_at_once_make_one_pair_that_belongs_together(tmp_path: Path) -> None:
    pki.init(tmp_path, name="localhost", now=NOW)
    start = threading.Barrier(4)
    outcomes: list[pki.KeyPair | CertificateError] = []

    def issue() -> None:
        start.wait(10)
        try:
            outcomes.append(pki.issue(tmp_path, "alice", now=NOW))
        except CertificateError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=issue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CertificateError"] * 3 + ["KeyPair"]
    key = load_pem_private_key((tmp_path / "alice.key").read_bytes(), password=None)
    assert key.public_key() == read(tmp_path / "alice.crt").public_key()
    assert names_in(tmp_path) == {f"{s}.{e}" for s in ("ca", "server", "alice") for e in ("crt", "key")}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateError, match="cannot make this") as caught:
        pki.init(tmp_path / "file" / "pki", name="localhost", now=NOW)
    assert caught.value.where == str(tmp_path / "file" / "pki")


# ---- bad words


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../alice", "a/b", "/etc/x", ".hidden", "-rf", "a b", "a\n", "ä", "a\0", "a@b@c", "@a", "a" * 65],
)
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    pki.init(tmp_path, name="localhost", now=NOW)
    before = names_in(tmp_path)
    with pytest.raises(CertificateError, match="cannot name a client") as caught:
        pki.issue(tmp_path, name, now=NOW)
    assert repr(name) in str(caught.value)
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("name", ["ca", "server", "CA", "Server"])
def test_a_client_cannot_take_the_name_of_the_ca_or_the_server(tmp_path: Path, name: str) -> None:
    with pytest.raises(CertificateError, match="own files"):
        pki.issue(tmp_path, name, now=NOW)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "https://host",
        "host:8443",
        "host/",
        "-host",
        "a..b",
        "*",
        "a.*.b",
        "höst",
        "h\n",
        "x" * 64,
        "1.2.3.4/8",
    ],
)
def test_a_server_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CertificateError, match="neither a DNS name nor an IP address"):
        pki.init(tmp_path / "pki", name=["localhost", name], now=NOW)
    assert not (tmp_path / "pki").exists()


def test_a_server_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="no name"):
        pki.init(tmp_path, name=[], now=NOW)


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="no time zone"):
        pki.init(tmp_path, name="localhost", now=datetime(2026, 1, 1))


def test_no_days_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="would end before it begins"):
        pki.init(tmp_path, name="localhost", now=NOW, leaf_days=0)
    assert names_in(tmp_path) == set()


# ---- a CA that does not serve


def test_issue_without_a_ca_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="lunops pki init") as caught:
        pki.issue(tmp_path, "alice", now=NOW)
    assert caught.value.where == str(tmp_path / "ca.crt")


def test_a_ca_that_has_expired_signs_nothing(tmp_path: Path) -> None:
    pki.init(tmp_path, name="localhost", now=NOW)
    with pytest.raises(CertificateError, match="the CA has expired on 2036-11-20"):
        pki.issue(tmp_path, "alice", now=NOW + timedelta(days=3651))
    assert "alice.key" not in names_in(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("ca.crt", b"junk", "not a PEM certificate"),
        ("ca.key", b"junk", "not a PEM key"),
        ("ca.key", None, "not the one of its certificate"),
    ],
)
def test_a_broken_ca_is_named(tmp_path: Path, file: str, content: bytes | None, says: str) -> None:
    pki.init(tmp_path, name="localhost", now=NOW)
    (tmp_path / file).write_bytes(content or (tmp_path / "server.key").read_bytes())
    with pytest.raises(CertificateError, match=says) as caught:
        pki.issue(tmp_path, "alice", now=NOW)
    assert str(tmp_path / file) in caught.value.where
