"""The user's ssh configuration: jump hosts, names, keys, certificates and the ssh agent, against real sshds."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.connections.ssh_config import route
from lunops.errors import HeadError, HostKeyError, UnreachableError
from lunops.model import Host
from tests.support.site import QUICK, TASK, Site
from tests.support.sshd import PROGRAM, keygen, make_key, public_key, ssh_agent

needs_sshd = pytest.mark.skipif(not PROGRAM, reason="openssh-server is not installed")
ME = getpass.getuser()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Site(tmp_path) as site:
        yield site


def hops(site: Site, text: str, **host: object) -> list[str]:
    """Return the way to a host called `head` under a configuration."""
    site.config.write_text(text)
    return [str(endpoint) for endpoint in route(Host(name="head", **host), site.config)]  # type: ignore[arg-type]


# What the file says


def test_without_a_file_a_head_is_its_name_on_port_22_as_the_user_that_we_are(site: Site) -> None:
    (endpoint,) = route(Host(name="head"), site.folder / "none")
    assert str(endpoint) == f"{ME}@head:22"
    assert [path.name for path in endpoint.default_key_files] == ["id_ed25519", "id_ecdsa", "id_rsa"]
    assert endpoint.peer.files[0] == site.folder / ".ssh" / "known_hosts"


@pytest.mark.parametrize(
    ("text", "host", "way"),
    [
        ("Host head\n HostName 10.0.0.1\n Port 2222\n User ops", {}, ["ops@10.0.0.1:2222"]),
        ("Host head\n HostName 10.0.0.1\n Port 2222\n User ops", {"port": 23, "user": "root"}, ["root@10.0.0.1:23"]),
        ("Host 10.0.0.9\n Port 2222", {"address": "10.0.0.9", "user": "a"}, ["a@10.0.0.9:2222"]),
        ("User a\nHost *\n Port 2222\nHost head\n Port 1", {}, ["a@head:2222"]),
        ("User a\nHost head\n ProxyJump j", {}, ["a@j:22", "a@head:22"]),
        ("User a\nHost head\n ProxyJump b@j:24", {}, ["b@j:24", "a@head:22"]),
        ("User a\nHost head\n ProxyJump ssh://b@[fd00::1]:24", {}, ["b@fd00::1:24", "a@head:22"]),
        ("User a\nHost head\n ProxyJump j,k", {}, ["a@j:22", "a@k:22", "a@head:22"]),
        ("User a\nHost head\n ProxyJump k\nHost k\n ProxyJump j", {}, ["a@j:22", "a@k:22", "a@head:22"]),
        ("User a\nHost head\n ProxyJump j,k\nHost k\n ProxyJump x", {}, ["a@j:22", "a@k:22", "a@head:22"]),
        ("User a\nHost head\n ProxyJump none", {}, ["a@head:22"]),
        ("User a\nMatch host head\n Port 5", {}, ["a@head:5"]),
    ],
)
def test_the_way_to_a_head(site: Site, text: str, host: dict[str, object], way: list[str]) -> None:
    assert hops(site, text, **host) == way


def test_included_files_stand_in_their_place(site: Site) -> None:
    (site.folder / "more").mkdir()
    (site.folder / "more" / "1").write_text("Host head\n Port 2\nHost other\n Port 1\n")
    (site.folder / "more" / "2").write_text("Port 3\n")
    assert hops(site, f"Include {site.folder}/more/*\nUser late\nHost head\n Port 4\n") == ["late@head:2"]


@pytest.mark.parametrize(
    ("text", "host", "what"),
    [
        ("Host head\n ProxyJump head\n", {}, "longer than 8 hops, or a loop"),
        ("Host head\n ProxyJump a b\n", {}, "ProxyJump 'a b' cannot be read"),
        ("Host head\n Port ssh\n", {}, "'ssh' is not a port"),
        ("Host head\n Include more\n", {}, "Include inside a Host or Match section"),
        ("Match host x exec true\n Port 4\n", {}, "`Match exec` in .* is not supported"),
        ("what is this\n= =\n", {}, "cannot use the ssh configuration"),
        ("", {"user": "a\nProxyCommand evil"}, "cannot be the name of a host or user"),
        ("", {"address": "-oProxyCommand=evil"}, "cannot be the name of a host or user"),
        ("Host head\n HostName $(evil)\n ProxyCommand nc %h %p\n", {}, r"'\$\(evil\)' cannot be the name"),
        ("Include {config}\n", {}, "includes itself"),
    ],
)
def test_what_cannot_be_used_is_refused(site: Site, text: str, host: dict[str, object], what: str) -> None:
    with pytest.raises(UnreachableError, match=what):
        hops(site, text.replace("{config}", str(site.config)), **host)


def test_a_key_of_the_inventory_is_the_only_one(site: Site) -> None:
    site.config.write_text("IdentityFile ~/.ssh/a\nIdentityFile %d/.ssh/b\n")
    (with_config,) = route(Host(name="head"), site.config)
    (with_own,) = route(Host(name="head", private_key=Path("/k")), site.config)
    assert [path.name for path in with_config.key_files] == ["a", "b"]
    assert with_config.default_key_files == ()
    assert (with_own.key_files, with_own.default_key_files, with_own.only_named_keys) == ((Path("/k"),), (), True)


# What it does to connections


@needs_sshd
def test_name_port_user_key_and_known_hosts_may_all_come_from_the_file(site: Site) -> None:
    head = site.sshd()
    site.configure(
        "Host jbod-*\n HostName 127.0.0.1\n"
        f" Port {head.port}\n User {ME}\n"
        " IdentityFile {key}\n UserKnownHostsFile {known_hosts}\n"
    )
    assert site.connect(site.host()).run(TASK).head == "jbod-01"


@needs_sshd
def test_a_head_behind_two_jump_hosts_is_reached_with_each_host_key_checked(site: Site) -> None:
    outer, inner, head = site.sshd("outer"), site.sshd("inner", known=False), site.sshd("head", known=False)
    site.configure(
        f"Host outer\n HostName 127.0.0.1\n Port {outer.port}\n"
        f"Host inner\n HostName 127.0.0.1\n Port {inner.port}\n HostKeyAlias inner\n"
        f"Host jbod-01\n HostName 127.0.0.1\n Port {head.port}\n ProxyJump outer,inner\n"
        "Host *\n IdentityFile {key}\n UserKnownHostsFile {known_hosts}\n"
    )
    with pytest.raises(HostKeyError, match="host key of inner is unknown"):
        site.connect(site.host())
    site.know(inner.known_as("inner"))
    with pytest.raises(HostKeyError, match=rf"host key of \[127.0.0.1\]:{head.port} is unknown"):
        site.connect(site.host())
    site.know(head.known_as())
    session = site.connect(site.host())
    assert session.run(TASK).times.connect_s > 0
    assert [sshd.log.count("Starting session") for sshd in (outer, inner, head)] == [0, 0, 1]
    session.close()
    assert head.log.count("Accepted publickey") == 1


@needs_sshd
def test_a_jump_host_with_an_unknown_key_is_refused_before_any_login(site: Site) -> None:
    jump, head = site.sshd("jump", known=False), site.sshd("head")
    site.configure(
        f"Host 127.0.0.1\n ProxyJump {ME}@localhost:{jump.port}\n"
        "Host *\n IdentityFile {key}\n UserKnownHostsFile {known_hosts}\n"
    )
    with pytest.raises(HostKeyError, match=rf"host key of \[localhost\]:{jump.port} is unknown"):
        site.connect(site.host(head))
    assert "Accepted" not in jump.log
    assert "Connection from" not in head.log


@needs_sshd
@pytest.mark.parametrize("reason", ["Administratively prohibited", "Connect failed"])
def test_a_jump_host_that_does_not_get_through_is_named(site: Site, reason: str) -> None:
    jump = site.sshd("jump", *(["AllowTcpForwarding no"] if reason != "Connect failed" else []))
    head = site.sshd("head")
    head.stop()
    site.configure(
        f"Host 127.0.0.1\n ProxyJump {ME}@localhost:{jump.port}\n"
        "Host *\n IdentityFile {key}\n UserKnownHostsFile {known_hosts}\n"
    )
    site.know(jump.known_as(f"[localhost]:{jump.port}"))
    with pytest.raises(UnreachableError, match=f"jump host cannot reach 127.0.0.1:{head.port}: .*{reason}.*"):
        site.connect(site.host(head))


@needs_sshd
def test_a_jump_host_that_dies_takes_the_connection_with_it(site: Site) -> None:
    jump, head = site.sshd("jump"), site.sshd("head")
    site.configure(
        f"Host 127.0.0.1\n ProxyJump {ME}@localhost:{jump.port}\n"
        "Host *\n IdentityFile {key}\n UserKnownHostsFile {known_hosts}\n"
    )
    site.know(jump.known_as(f"[localhost]:{jump.port}"))
    session = site.connect(site.host(head))
    jump.stop()
    with pytest.raises(UnreachableError, match="lost") as caught:
        session.run(TASK)
    assert caught.value.where == "jbod-01, task 01:wait_for_device wait"


@needs_sshd
def test_a_proxy_command_is_a_way_in(site: Site) -> None:
    head = site.sshd()
    site.configure(f"Host 127.0.0.1\n ProxyCommand {PROGRAM} -i -f {head.config} -E {site.folder}/inetd.log\n")
    session = site.connect(site.host(head))
    assert session.run(TASK).head == "jbod-01"
    assert "Connection from" not in head.log


@needs_sshd
def test_a_proxy_command_that_fails_is_an_error(site: Site) -> None:
    head = site.sshd()
    site.configure("Host 127.0.0.1\n ProxyCommand exit 1\n")
    with pytest.raises(UnreachableError, match="closed the connection before its SSH banner, 2 times"):
        site.connect(site.host(head))


# Keys


@needs_sshd
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_beside_the_key_opens_a_head_that_knows_only_the_authority(site: Site, kind: str) -> None:
    authority = make_key(site.folder / "authority")
    key = make_key(site.folder / "id_cert", kind)
    head = site.sshd("head", f"TrustedUserCAKeys {authority}.pub")
    with pytest.raises(UnreachableError, match=f"keys tried: {key}"):
        site.connect(site.host(head, private_key=key))
    keygen("-s", str(authority), "-I", "test", "-n", ME, "-V", "+1h", f"{key}.pub")
    assert site.connect(site.host(head, private_key=key)).run(TASK).head == "jbod-01"
    assert "Accepted certificate ID" in head.log or "ED25519-CERT" in head.log or "-CERT " in head.log


@needs_sshd
def test_a_certificate_that_is_refused_leaves_the_key_itself_to_be_tried(site: Site) -> None:
    head = site.sshd("head", f"TrustedUserCAKeys {make_key(site.folder / 'authority')}.pub")
    other = make_key(site.folder / "other")
    keygen("-s", str(other), "-I", "test", "-n", ME, "-V", "+1h", f"{site.key}.pub")
    assert (site.folder / "id_user-cert.pub").exists()
    site.connect(site.host(head))
    (site.folder / "authorized_keys").write_text("")
    with pytest.raises(UnreachableError, match=r"id_user with its certificate, \S+id_user \(ssh-ed25519"):
        site.connect(site.host(head))


@needs_sshd
def test_an_encrypted_key_says_so_and_works_by_the_ssh_agent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(site.folder / "id_secret", passphrase="secret")
    head = site.sshd()
    (site.folder / "authorized_keys").write_text(public_key(key))
    with pytest.raises(UnreachableError, match=rf"{key} is encrypted, .*: ssh-add {key}"):
        site.connect(site.host(head, private_key=key))
    with ssh_agent(site.folder, site.key, key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        site.connect(site.host(head, private_key=key)).close()
        assert head.log.count("Failed publickey") == 0  # the agent's other key was not offered


@needs_sshd
def test_the_ssh_agents_keys_are_tried_unless_only_named_ones_are_wanted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = site.sshd()
    with ssh_agent(site.folder, site.key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        site.connect(site.host(head, private_key=None)).close()
        site.configure("Host *\n IdentitiesOnly yes\n")
        with pytest.raises(UnreachableError, match="keys tried: none"):
            site.connect(site.host(head, private_key=None))


@needs_sshd
def test_the_usual_files_are_tried_when_none_is_named(site: Site) -> None:
    head = site.sshd()
    folder = site.folder / ".ssh"
    folder.mkdir()
    make_key(folder / "id_ecdsa", "ecdsa")
    site.key.rename(folder / "id_rsa")  # by its content it is what it is
    site.connect(site.host(head, private_key=None))
    assert head.log.count("Accepted publickey") == 1


@needs_sshd
def test_a_file_that_is_no_key_says_so(site: Site) -> None:
    rubbish = site.folder / "rubbish"
    rubbish.write_text("not a key\n")
    with pytest.raises(HeadError, match=f"{rubbish} is not a usable private key"):
        site.connect(site.host(site.sshd(), private_key=rubbish), QUICK)
