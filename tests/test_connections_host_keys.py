"""Host keys: known_hosts lines as pure text, and a real sshd that is known, unknown, changed and revoked."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.connections.host_keys import HostKey, KnownKey, Peer, check, kinds, parse, read
from lunops.errors import HostKeyError
from tests.support.site import TASK, Site
from tests.support.sshd import PROGRAM, fingerprint, keygen, make_key, public_key

needs_sshd = pytest.mark.skipif(not PROGRAM, reason="openssh-server is not installed")
KEY = HostKey(kind="ssh-ed25519", blob=b"one")
OTHER = HostKey(kind="ssh-ed25519", blob=b"two")
ONE, TWO = "ssh-ed25519 b25l", "ssh-ed25519 dHdv"
HEAD = Peer(address="head.example", port=22, files=(Path("kh"),))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Site(tmp_path) as site:
        yield site


def lines(text: str) -> tuple[KnownKey, ...]:
    return tuple(parse(text, Path("kh")))


@pytest.mark.parametrize(
    "line",
    [
        f"head.example {ONE}",
        f"HEAD.example {ONE} a comment",
        f"other,head.example {ONE}",
        f"*.example {ONE}",
        f"hea?.example {ONE}",
        f"  head.example\t{ONE}",
        f"# a comment\n\n@cert-authority *.example {TWO}\nnot a line\nhead.example ssh-ed25519 ???\nhead.example {ONE}",
        f"@revoked * {TWO}\nhead.example {ONE}",
        f"head.example {TWO}\nhead.example {ONE}",
    ],
)
def test_a_known_key_is_taken(line: str) -> None:
    check(lines(line), HEAD, KEY)


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("[10.0.0.1]:2222", Peer(address="10.0.0.1", port=2222)),
        ("10.0.0.1", Peer(address="10.0.0.1", port=2222)),
        ("[*]:2222", Peer(address="10.0.0.1", port=2222)),
        ("the-head", Peer(address="10.0.0.1", port=2222, alias="the-head")),
        ("fd00::1", Peer(address="fd00::1", port=22)),
        ("[fd00::1]:23", Peer(address="fd00::1", port=23)),
    ],
)
def test_a_peer_is_looked_up_under_the_name_that_openssh_uses(name: str, peer: Peer) -> None:
    check(lines(f"{name} {ONE}"), peer, KEY)


@pytest.mark.parametrize(
    "line",
    [
        f"head.example.org {ONE}",
        f"*,!head.example {ONE}",
        f"[head.example]:2222 {ONE}",
        f"hexd.example {ONE}",
        f"@cert-authority * {ONE}",
        f"|1|AAAA|AAAA {ONE}",
        f"|2|AAAA|AAAA {ONE}",
        f"|nonsense {ONE}",
    ],
)
def test_a_key_that_is_known_of_others_alone_is_unknown(line: str) -> None:
    with pytest.raises(HostKeyError, match="is unknown"):
        check(lines(line), HEAD, KEY)


def test_a_revoked_key_is_refused_wherever_it_is_trusted() -> None:
    with pytest.raises(HostKeyError, match="is revoked") as caught:
        check(lines(f"head.example {ONE}\n@revoked * {ONE}"), HEAD, KEY)
    assert caught.value.where == "kh line 2"


def test_a_changed_key_names_both_fingerprints_and_the_line() -> None:
    with pytest.raises(HostKeyError, match="CHANGED") as caught:
        check(lines(f"\nhead.example {TWO}"), HEAD, KEY)
    assert KEY.fingerprint in caught.value.what
    assert OTHER.fingerprint in caught.value.what
    assert caught.value.where == "kh line 2"
    assert "ssh-keygen -R 'head.example' -f kh" in caught.value.fix


def test_a_key_known_without_the_port_makes_one_of_another_port_unknown_not_changed() -> None:
    with pytest.raises(HostKeyError, match="is unknown"):
        check(lines(f"head.example {TWO}"), Peer(address="head.example", port=2222), KEY)


def test_an_unknown_key_says_what_else_is_known() -> None:
    with pytest.raises(HostKeyError, match=r"known of it is ssh-rsa SHA256:\S+ \(kh line 1\)"):
        check(lines("head.example ssh-rsa dHdv"), HEAD, KEY)
    with pytest.raises(HostKeyError, match=r"@cert-authority.* not supported"):
        check(lines(f"@cert-authority * {TWO}"), HEAD, KEY)


def test_the_kinds_to_ask_for_are_the_known_ones_in_order() -> None:
    known = lines(f"head.example ssh-rsa dHdv\n@revoked * ecdsa-sha2-nistp256 dHdv\nhead.example {ONE}")
    assert kinds(known, HEAD) == ("ssh-rsa", "ssh-ed25519")


def test_a_file_that_is_not_there_holds_no_keys_and_one_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert read([tmp_path / "none"]) == ()
    with pytest.raises(HostKeyError, match="cannot read"):
        read([tmp_path])


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_fingerprints_and_hashed_names_are_those_of_ssh_keygen(tmp_path: Path, kind: str) -> None:
    path = make_key(tmp_path / "key", kind)
    file = tmp_path / "kh"
    file.write_text(f"[head.example]:2222 {public_key(path)}")
    keygen("-H", "-f", str(file))
    (known,) = read([file])
    assert known.hosts.startswith("|1|")
    assert known.key.fingerprint == fingerprint(path)
    check([known], Peer(address="head.example", port=2222), known.key)
    with pytest.raises(HostKeyError, match="is unknown"):
        check([known], Peer(address="head.example", port=2223), known.key)


@needs_sshd
def test_an_unknown_head_is_refused_and_the_error_says_how_to_accept_it(site: Site) -> None:
    head = site.sshd(known=False)
    with pytest.raises(HostKeyError, match="is unknown: ssh-ed25519 SHA256:") as caught:
        site.connect(site.host(head))
    assert fingerprint(head.key()) in caught.value.what
    assert caught.value.where == f"jbod-01: {site.known_hosts}"
    assert not site.known_hosts.exists()
    command = caught.value.fix.split("`")[3]
    assert command.startswith("ssh-keyscan")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=30)
    assert site.connect(site.host(head)).run(TASK).head == "jbod-01"


@needs_sshd
def test_a_head_with_another_key_than_the_known_one_is_refused(site: Site) -> None:
    head = site.sshd(known=False)
    old = make_key(site.folder / "old")
    site.know("# first line\n")
    site.know(f"[127.0.0.1]:{head.port} {public_key(old)}")
    with pytest.raises(HostKeyError, match="CHANGED") as caught:
        site.connect(site.host(head))
    assert fingerprint(old) in caught.value.what
    assert fingerprint(head.key()) in caught.value.what
    assert caught.value.where == f"jbod-01: {site.known_hosts} line 2"
    remove, accept = caught.value.fix.split("`")[1::2]
    subprocess.run(["sh", "-c", f"{remove} && {accept}"], check=True, capture_output=True, timeout=30)
    site.connect(site.host(head))


@needs_sshd
def test_a_revoked_head_is_refused_though_it_is_known(site: Site) -> None:
    head = site.sshd()
    site.know(f"@revoked * {head.public_key()}\n")
    with pytest.raises(HostKeyError, match="is revoked"):
        site.connect(site.host(head))


@needs_sshd
def test_marked_lines_of_others_and_hashed_names_do_not_break_a_known_hosts_file(site: Site) -> None:
    stranger = public_key(make_key(site.folder / "stranger"))
    site.know(f"@cert-authority *.example {stranger}@revoked * {stranger}")
    head = site.sshd()
    keygen("-H", "-f", str(site.known_hosts))
    assert "127.0.0.1" not in site.known_hosts.read_text()
    site.connect(site.host(head))


@needs_sshd
def test_a_head_is_known_by_its_alias(site: Site) -> None:
    head = site.sshd(known=False)
    site.know(head.known_as("the-head"))
    site.configure("Host 127.0.0.1\n HostKeyAlias the-head\n")
    site.connect(site.host(head))


@needs_sshd
def test_an_unknown_alias_is_accepted_by_an_ssh_command(site: Site) -> None:
    head = site.sshd(known=False)
    site.configure("Host 127.0.0.1\n HostKeyAlias the-head\n IdentityFile {key}\n")
    with pytest.raises(HostKeyError, match="host key of the-head is unknown") as caught:
        site.connect(site.host(head))
    command = caught.value.fix.split("`")[3]
    # A user would answer yes; accept-new does that.
    command = command.replace("ssh ", "ssh -o StrictHostKeyChecking=accept-new ") + " true"
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=30)
    assert site.known_hosts.read_text().startswith("the-head ")
    site.connect(site.host(head))


@needs_sshd
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_the_kind_of_key_that_is_known_is_asked_for(site: Site, kind: str) -> None:
    head = site.sshd("head", known=False, kinds=("ed25519", "ecdsa", "rsa"))
    site.know(head.known_as(kind=kind))
    site.connect(site.host(head))
