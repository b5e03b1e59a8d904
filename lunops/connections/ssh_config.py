"""Work out by which hops a head is reached, and with what, from inventory and the user's ssh_config(5)."""

from __future__ import annotations

import getpass
import glob
import io
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from paramiko.config import SSHConfig
from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

from lunops.connections.host_keys import Peer
from lunops.errors import UnreachableError
from lunops.model import Host

_HOPS_MAX = 8
_INCLUDES_MAX = 16  # as OpenSSH: READCONF_MAX_DEPTH
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_GLOBAL_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
# [user@]host[:port], with or without ssh://; the host may be [IPv6]
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.%]+\]|[^:\s@/]+)(?::(?P<port>\d+))?/?\Z")
# Words that may end up in a shell line (ProxyCommand): strict, as OpenSSH is since CVE-2023-51385.
_SAFE = re.compile(r"[A-Za-z0-9_.:%@][A-Za-z0-9_.:%@-]*\Z")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One sshd on the way to a head, or the head's own."""

    alias: str  # as it is written in the inventory, or in ProxyJump
    address: str
    port: int
    user: str
    peer: Peer
    key_files: tuple[Path, ...] = ()  # named ones, to be tried before the ssh agent's
    default_key_files: tuple[Path, ...] = ()  # tried after them
    only_named_keys: bool = False
    proxy_command: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


def route(host: Host, config_path: Path) -> tuple[Endpoint, ...]:
    """Return the hops to a head, outermost first, the head last.

    Raises `UnreachableError` for a configuration that cannot be used.
    """
    alias = host.address or host.name
    hops = _hops(alias, host.user, host.port, config_path, 0)
    head = replace(hops[-1], peer=replace(hops[-1].peer, head=host.name))
    if host.known_hosts is not None:
        files = (host.known_hosts,)
        head = replace(head, peer=replace(head.peer, files=files))
    if host.private_key is not None:
        # One key named for one head is meant: more would only use up sshd's MaxAuthTries.
        head = replace(head, key_files=(host.private_key,), default_key_files=(), only_named_keys=True)
    return (*hops[:-1], head)


def _hops(alias: str, user: str, port: int | None, config_path: Path, depth: int) -> tuple[Endpoint, ...]:
    if depth > _HOPS_MAX:
        raise UnreachableError(
            f"the way by ProxyJump is longer than {_HOPS_MAX} hops, or a loop",
            where=f"{config_path}, {alias}",
            fix="let no ProxyJump lead back to a host that it serves",
        )
    settings = _settings(alias, user, port, config_path)
    jumps = settings.text("proxyjump")
    before: tuple[Endpoint, ...] = ()
    for jump in jumps.split(",") if jumps.lower() not in ("", "none") else ():
        match = _JUMP.match(jump.strip())
        if match is None:
            raise UnreachableError(
                f"ProxyJump {jump!r} cannot be read",
                where=f"{config_path}, {alias}",
                fix="write [USER@]HOST[:PORT], several with commas between",
            )
        jump_port = int(match["port"]) if match["port"] else None
        hops = _hops(match["host"].strip("[]"), match["user"] or "", jump_port, config_path, depth + 1)
        # Only the first of a list may have a way of its own: each other is reached by the one before it.
        before += hops[-1:] if before else hops
    return (*before, _endpoint(alias, settings, config_path, is_direct=not before))


class _Settings:
    """What an ssh_config says of one host; keys in lower case."""

    def __init__(self, values: Mapping[str, str | list[str] | None]) -> None:
        self._values = values

    def text(self, key: str) -> str:
        """Return a value; empty if it is not set."""
        value = self._values.get(key)
        return value if isinstance(value, str) else ""

    def several(self, key: str) -> tuple[str, ...]:
        """Return the values of a key that may stand there more than once."""
        value = self._values.get(key)
        return tuple(value) if isinstance(value, list) else ()


def _settings(alias: str, user: str, port: int | None, config_path: Path) -> _Settings:
    """Return what the file says of a host, with user and port of the inventory before its own."""
    own = f"Host *\n{f'User {user}' if user else ''}\n{f'Port {port}' if port else ''}\n"
    for word in filter(None, (alias, user)):
        if not _SAFE.match(word):
            raise UnreachableError(
                f"{word!r} cannot be the name of a host or user",
                fix="use letters, digits and _ . : - @ % only",
            )
    config = SSHConfig()
    try:
        # In ssh_config the first value wins; and only so do %r and %p stand for what is really used.
        config.parse(io.StringIO(own))
        config.parse(io.StringIO("\n".join(_lines(config_path, 0))))
        return _Settings(dict(config.lookup(alias)))
    except (ConfigParseError, CouldNotCanonicalize, KeyError, ValueError, OSError) as error:
        raise UnreachableError(
            f"cannot use the ssh configuration: {error}",
            where=f"{config_path}, {alias}",
            fix="see that `ssh -G` takes it",
        ) from error


def _lines(path: Path, depth: int) -> Iterator[str]:
    """Give a file's lines, those of included files in their place (paramiko knows no Include)."""
    if depth > _INCLUDES_MAX:
        raise ValueError(f"{path} is included too deep, or includes itself")
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return
    is_in_section = False
    for line in text.splitlines():
        key, _, value = line.strip().replace("=", " ", 1).partition(" ")
        is_in_section = is_in_section or key.lower() in ("host", "match")
        if key.lower() == "match" and {"exec", "!exec"} & set(value.lower().split()):
            raise ValueError(f"`Match exec` in {path} is not supported")
        if key.lower() != "include":
            yield line
            continue
        if is_in_section:
            raise ValueError(f"an Include inside a Host or Match section of {path} is not supported")
        for pattern in shlex.split(value):
            full = Path("~/.ssh").expanduser() / Path(pattern).expanduser()
            for name in sorted(glob.glob(str(full))):
                yield from _lines(Path(name), depth + 1)
                yield "Host *"  # what follows belongs to no section of the included file


def _endpoint(alias: str, settings: _Settings, config_path: Path, *, is_direct: bool) -> Endpoint:
    where = f"{config_path}, {alias}"
    address = settings.text("hostname") or alias
    user = settings.text("user") or getpass.getuser()
    try:
        port = int(settings.text("port") or 22)
    except ValueError:
        raise UnreachableError(f"{settings.text('port')!r} is not a port", where=where, fix="write a number") from None
    _refuse_unsafe(address, user, where=where)
    key_alias, command = settings.text("hostkeyalias"), settings.text("proxycommand")
    ssh = ("ssh", "-F", str(config_path), "-p", str(port), f"{user}@{alias}")
    peer = Peer(
        address=address,
        port=port,
        alias=key_alias,
        files=_known_hosts(settings),
        ssh=() if is_direct and not key_alias and not command else ssh,
    )
    keys = tuple(Path(name).expanduser() for name in settings.several("identityfile") if name != "none")
    return Endpoint(
        alias=alias,
        address=address,
        port=port,
        user=user,
        peer=peer,
        key_files=keys,
        default_key_files=() if keys else tuple(Path("~/.ssh").expanduser() / name for name in _DEFAULT_KEYS),
        only_named_keys=settings.text("identitiesonly").lower() == "yes",
        proxy_command=command,
    )


def _refuse_unsafe(*words: str, where: str) -> None:
    for word in words:
        if not _SAFE.match(word):
            raise UnreachableError(
                f"{word!r} cannot be the name of a host or user",
                where=where,
                fix="use letters, digits and _ . : - @ % only",
            )


def _known_hosts(settings: _Settings) -> tuple[Path, ...]:
    named = shlex.split(settings.text("userknownhostsfile")) or ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
    home = str(Path.home())
    return (
        *(Path(name.replace("%d", home)).expanduser() for name in named if name != "none"),
        _GLOBAL_KNOWN_HOSTS,
    )
