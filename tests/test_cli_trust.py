"""`lunops trust` against a real sshd: what it shows, what it writes, and what it refuses."""

from __future__ import annotations

import io
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.cli import BAD_INPUT, BAD_OPTION, UNREACHABLE, run
from lunops.cli.trust import trust
from lunops.connections import host_keys
from lunops.connections.host_keys import HostKey, Peer
from lunops.errors import HostKeyError, InputError
from lunops.model import Host
from tests.support.site import QUICK, TASK, Site
from tests.support.sshd import PROGRAM, Sshd, fingerprint, make_key, public_key

needs_sshd = pytest.mark.skipif(not PROGRAM, reason="openssh-server is not installed")
ALL = ("ed25519", "ecdsa", "rsa")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Site(tmp_path) as site:
        yield site


def trusting(site: Site, host: Host, fingerprints: Sequence[str] = (), *, yes: bool = False) -> int:
    return trust(host, fingerprints=fingerprints, yes=yes, timeouts=QUICK, ssh_config=site.config)


def inventory(site: Site, head: Sshd) -> str:
    path = site.folder / "inventory"
    path.write_text(
        f"jbod-01 host=127.0.0.1 port={head.port} known_hosts={site.known_hosts} private_key={site.key}\n"
        "jbod-02 connection=local\n"
    )
    return str(path)


@needs_sshd
def test_all_keys_are_shown_and_the_confirmed_one_is_written_under_the_heads_name(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    head = site.sshd(known=False, kinds=ALL)
    site.known_hosts.write_text("# a comment without a newline")
    wanted = fingerprint(head.key())
    assert run(["trust", "jbod-01", "-i", inventory(site, head), "--fingerprint", wanted, "--yes"]) == 0
    said = capsys.readouterr().out
    for kind in ALL:
        assert fingerprint(head.key(kind)) in said
    assert site.known_hosts.read_text() == f"# a comment without a newline\njbod-01 {head.public_key()}\n"
    assert site.connect(site.host(head)).run(TASK).head == "jbod-01"
    # And OpenSSH takes it, by that alias.
    words = ("-F", "/dev/null", "-o", "HostKeyAlias=jbod-01", "-o", f"UserKnownHostsFile={site.known_hosts}")
    more = ("-o", "StrictHostKeyChecking=yes", "-i", str(site.key), "-p", str(head.port), "127.0.0.1", "true")
    subprocess.run(["ssh", *words, *more], check=True, stdin=subprocess.DEVNULL, timeout=30)
    assert run(["trust", "jbod-01", "-i", inventory(site, head), "--fingerprint", wanted, "--yes"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert site.known_hosts.read_text().count("jbod-01") == 1


@needs_sshd
def test_without_a_terminal_nothing_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    head = site.sshd(known=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert trusting(site, site.host(head)) == BAD_OPTION
    assert not site.known_hosts.exists()


@needs_sshd
@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_it_asks(site: Site, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    head = site.sshd(known=False, kinds=ALL)
    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    file = site.folder / "new" / "known_hosts"
    host = site.host(head, known_hosts=file)
    assert trusting(site, host) == (0 if answer == "y" else BAD_OPTION)
    if answer == "y":
        assert [line.split()[0] for line in file.read_text().splitlines()] == ["jbod-01"] * 3
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        site.connect(host)
    else:
        assert not file.exists()


@needs_sshd
def test_another_fingerprint_than_the_one_told_is_refused_naming_both(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    head = site.sshd(known=False)
    told = fingerprint(make_key(site.folder / "other"))
    assert run(["trust", "jbod-01", "-i", inventory(site, head), "--fingerprint", told, "--yes"]) == UNREACHABLE
    said = capsys.readouterr().err
    assert told in said
    assert fingerprint(head.key()) in said
    assert not site.known_hosts.exists()


@needs_sshd
@pytest.mark.parametrize("by_name", [True, False])
def test_a_changed_key_is_refused_with_both_fingerprints_the_line_and_the_remedy(site: Site, by_name: bool) -> None:
    head = site.sshd(known=False)
    old = make_key(site.folder / "old")
    name = "jbod-01" if by_name else f"[127.0.0.1]:{head.port}"
    site.know(f"# first\n{name} {public_key(old)}")
    with pytest.raises(HostKeyError, match="CHANGED") as caught:
        trusting(site, site.host(head), [fingerprint(head.key())], yes=True)
    assert fingerprint(old) in caught.value.what
    assert fingerprint(head.key()) in caught.value.what
    assert caught.value.where == f"jbod-01: {site.known_hosts} line 2"
    remove, again = caught.value.fix.split("`")[1::2]
    assert again == "lunops trust jbod-01" if by_name else again.startswith("ssh-keyscan")
    subprocess.run(["sh", "-c", remove], check=True, capture_output=True, timeout=30)
    assert trusting(site, site.host(head), [fingerprint(head.key())], yes=True) == 0
    site.connect(site.host(head))


@needs_sshd
def test_a_revoked_key_is_refused(site: Site) -> None:
    head = site.sshd(known=False)
    site.know(f"@revoked * {head.public_key()}\n")
    with pytest.raises(HostKeyError, match="is revoked"):
        trusting(site, site.host(head), [fingerprint(head.key())], yes=True)


@needs_sshd
def test_a_head_behind_a_jump_host_is_asked_through_it(site: Site) -> None:
    jump, head = site.sshd("jump"), site.sshd("head", known=False)
    site.configure(
        f"Host head\n HostName 127.0.0.1\n Port {head.port}\n ProxyJump jump\n"
        f"Host jump\n HostName 127.0.0.1\n Port {jump.port}\n"
        "Host *\n IdentityFile {key}\n UserKnownHostsFile {known_hosts}\n"
    )
    host = replace(site.host(), address="head")
    assert trusting(site, host, [fingerprint(head.key())], yes=True) == 0
    assert site.known_hosts.read_text().endswith(f"jbod-01 {head.public_key()}\n")
    assert "Connection from" in jump.log
    site.connect(host)


@needs_sshd
def test_an_alias_of_the_ssh_configuration_is_the_name_that_is_written(site: Site) -> None:
    head = site.sshd(known=False)
    site.configure("Host 127.0.0.1\n HostKeyAlias The-Head\n")
    assert trusting(site, site.host(head), [fingerprint(head.key())], yes=True) == 0
    assert site.known_hosts.read_text() == f"the-head {head.public_key()}\n"
    site.connect(site.host(head))


def test_what_cannot_be_trusted_says_so_before_anything_is_asked(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    path = site.folder / "inventory"
    path.write_text("jbod-01 connection=local\n")
    assert run(["trust", "jbod-01", "-i", str(path), "--yes"]) == BAD_OPTION
    assert "--yes needs --fingerprint" in capsys.readouterr().err
    assert run(["trust", "jbod-1", "-i", str(path)]) == BAD_INPUT
    assert "did you mean 'jbod-01'?" in capsys.readouterr().err
    assert run(["trust", "jbod-01", "-i", str(path)]) == BAD_INPUT
    assert "is not reached by SSH" in capsys.readouterr().err
    for wrong in ("MD5:aa:bb", "SHA256:short", "x"):
        with pytest.raises(InputError, match="is not a fingerprint"):
            trusting(site, Host(name="x"), [wrong])


def test_a_key_that_is_known_by_the_heads_name_counts_before_one_of_its_address() -> None:
    peer = Peer(address="10.0.0.1", port=22, files=(Path("kh"),), head="jbod-01")
    key = HostKey(kind="ssh-ed25519", blob=b"one")
    by_address, by_name = "10.0.0.1 ssh-ed25519 b25l\n", "jbod-01 ssh-ed25519 dHdv\n"
    host_keys.check(tuple(host_keys.parse(by_address, Path("kh"))), peer, key)
    with pytest.raises(HostKeyError, match="host key of jbod-01 has CHANGED"):
        host_keys.check(tuple(host_keys.parse(by_address + by_name, Path("kh"))), peer, key)
    with pytest.raises(HostKeyError, match=r"or `lunops trust jbod-01`"):
        host_keys.check((), peer, key)
