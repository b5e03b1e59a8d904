"""Check a peer's SSH host key against known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

Our own reader, since paramiko's gives up a whole file for one `@revoked` or `@cert-authority` line
(as of 5.1), knows no wildcards and cannot say which line a key stands in. Nothing here writes to the files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from lunops.errors import HostKeyError

REVOKED = "@revoked"
AUTHORITY = "@cert-authority"


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """A public key as it goes over the wire."""

    kind: str  # such as ssh-ed25519
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` writes it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def base64(self) -> str:
        """As it stands in known_hosts."""
        return base64.b64encode(self.blob).decode()

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


@dataclass(frozen=True, kw_only=True)
class KnownKey:
    """One line of a known_hosts file."""

    marker: str  # "", REVOKED or AUTHORITY
    hosts: str  # patterns with commas between, or one hashed name
    key: HostKey
    file: Path
    line: int

    def is_for(self, name: str) -> bool:
        """Return whether the patterns take in the name: `host`, `[host]:port` or a HostKeyAlias."""
        if self.hosts.startswith("|"):
            return _is_hash_of(name, self.hosts)
        found = False
        for pattern in self.hosts.lower().split(","):
            # fnmatch knows [sets], which known_hosts does not: the bracket of [host]:port is just that.
            plain = pattern.removeprefix("!").replace("[", "[[]")
            if fnmatchcase(name.lower(), plain):
                if pattern.startswith("!"):
                    return False
                found = True
        return found

    @property
    def place(self) -> str:
        """The file and line."""
        return f"{self.file} line {self.line}"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Under which name a peer's key is looked up, and how a user accepts it."""

    address: str
    port: int
    alias: str = ""  # HostKeyAlias
    head: str = ""  # the head's name in the inventory, under which `lunops trust` writes its keys
    files: tuple[Path, ...] = ()  # the first is where a new key belongs
    ssh: tuple[str, ...] = ()  # an ssh command that reaches it, where ssh-keyscan would not

    @property
    def name(self) -> str:
        """What known_hosts files call it."""
        if self.alias or self.port == 22:
            return self.bare_name
        return f"[{self.address}]:{self.port}"

    @property
    def bare_name(self) -> str:
        """Its name without the port; OpenSSH trusts a key that is known under it on any port."""
        return self.alias or self.address

    @property
    def file(self) -> Path:
        """Where a new key belongs."""
        return self.files[0] if self.files else Path("~/.ssh/known_hosts").expanduser()

    def accepting(self, key: HostKey) -> str:
        """Return a command line that puts the key, once confirmed, into the first file."""
        file = str(self.file)
        if self.head and self.alias == self.head:
            return shlex.join(("lunops", "trust", self.head))
        if self.ssh:
            return shlex.join((self.ssh[0], "-o", f"UserKnownHostsFile={file}", *self.ssh[1:]))
        kind = key.kind.removeprefix("ssh-").split("-")[0]
        return f"ssh-keyscan -p {self.port} -t {kind} {self.address} >> {shlex.quote(file)}"


def read(files: Iterable[Path]) -> tuple[KnownKey, ...]:
    """Return the lines of all files; one that is not there has none. Raises `HostKeyError`."""
    known: list[KnownKey] = []
    for file in files:
        try:
            text = file.read_text("utf-8", "replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostKeyError(f"cannot read {file}: {error.strerror}", fix="make it readable") from error
        known.extend(parse(text, file))
    return tuple(known)


def parse(text: str, file: Path) -> Iterable[KnownKey]:
    """Give the lines that hold a key; others are passed over, as OpenSSH does."""
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", REVOKED, AUTHORITY):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        key = HostKey(kind=fields[1], blob=blob)
        yield KnownKey(marker=marker, hosts=fields[0], key=key, file=file, line=number)


def as_known(known: Iterable[KnownKey], peer: Peer) -> Peer:
    """Return the peer by its head's name, as if that were its HostKeyAlias, if keys are known of that name."""
    if peer.alias or not any(not entry.marker and entry.is_for(peer.head) for entry in known if peer.head):
        return peer
    return replace(peer, alias=peer.head)


def kinds(known: Iterable[KnownKey], peer: Peer) -> tuple[str, ...]:
    """Return the kinds of key that are known of the peer: the ones to ask it for."""
    known = tuple(known)
    peer = as_known(known, peer)
    return tuple(
        dict.fromkeys(
            entry.key.kind
            for name in (peer.name, peer.bare_name)
            for entry in known
            if not entry.marker and entry.is_for(name)
        )
    )


def check(known: Sequence[KnownKey], peer: Peer, key: HostKey) -> None:
    """Return if the peer's key is known and not revoked; else raise `HostKeyError`, saying how to mend it."""
    if error := refusal(known, peer, key):
        raise error
    if place(known, peer, key):
        return
    peer = as_known(known, peer)
    others = [entry for entry in known if entry.is_for(peer.name) and not entry.marker]
    beside = "".join(f"; known of it is {entry.key} ({entry.place})" for entry in others[:1])
    if not others and any(entry.marker == AUTHORITY and entry.is_for(peer.name) for entry in known):
        beside = "; host certificates (@cert-authority) are not supported"
    accept = peer.accepting(key)
    trust = shlex.join(("lunops", "trust", peer.head)) if peer.head else accept
    raise HostKeyError(
        f"the host key of {peer.name} is unknown: {key}{beside}",
        where=", ".join(str(file) for file in peer.files),
        fix=f"compare it with `ssh-keygen -lf` on the machine itself, then accept it: `{accept}`"
        + (f", or `{trust}`" if trust != accept else ""),
    )


def place(known: Iterable[KnownKey], peer: Peer, key: HostKey) -> str:
    """Return file and line in which the peer's key is known, or the empty text."""
    known = tuple(known)
    peer = as_known(known, peer)
    return next(
        (
            entry.place
            for name in (peer.name, peer.bare_name)
            for entry in known
            if not entry.marker and entry.key == key and entry.is_for(name)
        ),
        "",
    )


def refusal(known: Sequence[KnownKey], peer: Peer, key: HostKey) -> HostKeyError | None:
    """Return the error of a key that is revoked, or that is another than the one known; None if it may be trusted."""
    peer = as_known(known, peer)
    mine = [entry for entry in known if entry.is_for(peer.name)]
    bare = [entry for entry in known if entry.is_for(peer.bare_name)]
    for entry in (*mine, *bare):
        if entry.marker == REVOKED and entry.key.blob == key.blob:
            return HostKeyError(
                f"the host key of {peer.name} is revoked: {key}",
                where=entry.place,
                fix="do not trust this machine before it has a new host key",
            )
    same_kind = [entry for entry in mine if not entry.marker and entry.key.kind == key.kind]
    if not same_kind or place(known, peer, key):
        return None
    old = same_kind[0]
    return HostKeyError(
        f"the host key of {peer.name} has CHANGED: known is {old.key}, but it shows {key.fingerprint}",
        where=old.place,
        fix="someone may be in between; only if its administrator confirms the new key: "
        f"`ssh-keygen -R '{peer.name}' -f {old.file}`, then `{peer.accepting(key)}`",
    )


def _is_hash_of(name: str, hashed: str) -> bool:
    """Return whether `|1|SALT|HASH` is the name's: HMAC-SHA1 keyed by the salt."""
    try:
        _, version, salt, digest = hashed.split("|")
        wanted = base64.b64decode(digest, validate=True)
        found = hmac.digest(base64.b64decode(salt, validate=True), name.lower().encode(), "sha1")
    except (ValueError, binascii.Error):
        return False
    return version == "1" and hmac.compare_digest(found, wanted)
