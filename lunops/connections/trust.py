"""Look at the host keys that a head shows, and write those that a person has confirmed to known_hosts."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import paramiko

from lunops.connections import host_keys
from lunops.connections.base import Timeouts
from lunops.connections.host_keys import HostKey
from lunops.connections.ssh_config import Endpoint, route
from lunops.connections.ssh_transport import fetch_host_key, open_transport
from lunops.errors import HeadError, HostKeyError
from lunops.model import Host

_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("ssh-rsa",),
)
# What known_hosts would not take for a pattern, a list, a marker, a comment or a hash.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*\Z")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A key that a head shows, and where it is known, if it is."""

    key: HostKey
    place: str


@dataclass(frozen=True, kw_only=True)
class HeadKeys:
    """All keys that a head shows."""

    endpoint: Endpoint
    keys: tuple[Shown, ...]

    @property
    def file(self) -> Path:
        """Where new ones belong."""
        return self.endpoint.peer.file

    @property
    def name(self) -> str:
        """The name to write them under: a HostKeyAlias of the user's, or that of the inventory."""
        peer = self.endpoint.peer
        return (peer.alias or peer.head).lower()


def look(host: Host, *, timeouts: Timeouts, config_path: Path) -> HeadKeys:
    """Ask the head for its host keys, by jump hosts where the ssh configuration has them.

    Raises `HostKeyError` for a key that is revoked or has changed, and `UnreachableError` or `DeadlineError`.
    """
    try:
        endpoints = route(host, config_path)
        with contextlib.ExitStack() as resources:
            through: paramiko.Transport | None = None
            for hop in endpoints[:-1]:
                through = open_transport(hop, through, resources, timeouts)
            fetched = [fetch_host_key(endpoints[-1], through, kinds, timeouts) for kinds in _KINDS]
        return _judged(endpoints[-1], [key for key in fetched if key is not None])
    except HeadError as error:
        raise error.at(host.name) from error.__cause__


def write(found: HeadKeys, keys: Iterable[HostKey]) -> None:
    """Add the keys to known_hosts, which is made if need be. Raises `HostKeyError`."""
    if not _NAME.match(found.name):
        raise HostKeyError(
            f"known_hosts cannot hold the name {found.name!r}",
            fix="set HostKeyAlias for it in ~/.ssh/config, or name the head with letters, digits and _ . -",
        )
    text = "".join(f"{found.name} {key.kind} {key.base64}\n" for key in keys)
    try:
        found.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(found.file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else f"\n{text}"
            file.write(text.encode())
    except OSError as error:
        raise HostKeyError(
            f"cannot write this: {error.strerror or error}", where=str(found.file), fix="make it writable"
        ) from error


def _judged(endpoint: Endpoint, keys: list[HostKey]) -> HeadKeys:
    known = host_keys.read(endpoint.peer.files)
    for key in keys:
        if error := host_keys.refusal(known, endpoint.peer, key):
            raise error
    if not keys:
        raise HostKeyError(
            f"{endpoint} shows no host key that can be trusted",
            fix="make it an Ed25519 host key: `ssh-keygen -A` there",
        )
    shown = tuple(Shown(key=key, place=host_keys.place(known, endpoint.peer, key)) for key in keys)
    return HeadKeys(endpoint=endpoint, keys=shown)
