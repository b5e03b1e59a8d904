"""`lunops trust`: show a head's host keys, have them confirmed, and remember them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click

from lunops.cli.heads import is_agreed, plain
from lunops.connections.base import Timeouts
from lunops.connections.trust import HeadKeys, Shown, look, write
from lunops.errors import HostKeyError, InputError
from lunops.model import Host

_REFUSED = 5
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?\Z")


def trust(
    host: Host,
    *,
    fingerprints: Sequence[str],
    yes: bool,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
    ssh_config: Path = Path("~/.ssh/config"),
) -> int:
    """Show the head's keys, ask, write those that are new; return the exit code.

    With fingerprints only keys that have one of them are written, and it is an error if none has.
    """
    wanted = [_fingerprint(each) for each in fingerprints]
    if host.connection != "ssh":
        raise InputError(
            f"{host.name} is not reached by SSH (connection={host.connection}), so it has no host keys",
            where=host.name,
            fix="name a head whose connection is ssh",
        )
    found = look(host, timeouts=timeouts, config_path=ssh_config.expanduser())
    click.echo(f"{plain(host.name)} ({found.endpoint}) shows:")
    for each in found.keys:
        click.echo(f"  {each.key}" + (f"  known: {each.place}" if each.place else ""))
    new = [each.key for each in _confirmed(found, wanted) if not each.place]
    if not new:
        click.echo("nothing to do: it is known")
        return 0
    if not wanted:
        click.echo("compare with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the machine itself")
    if not yes and not is_agreed(f"write {len(new)} to {found.file}, under the name {found.name}?"):
        return _REFUSED
    write(found, new)
    click.echo(f"written to {found.file}, under the name {found.name}")
    return 0


def _confirmed(found: HeadKeys, wanted: Sequence[str]) -> tuple[Shown, ...]:
    """Return the keys that have a wanted fingerprint, or all if none is wanted."""
    if not wanted:
        return found.keys
    confirmed = tuple(each for each in found.keys if each.key.fingerprint in wanted)
    if not confirmed:
        raise HostKeyError(
            f"no host key of {found.name} has the fingerprint {' or '.join(wanted)}; it shows "
            + ", ".join(str(each.key) for each in found.keys),
            where="--fingerprint",
            fix="someone may be in between: read it off on the machine itself, with `ssh-keygen -lf`",
        )
    return confirmed


def _fingerprint(text: str) -> str:
    if not _FINGERPRINT.match(text):
        raise InputError(
            f"{text!r} is not a fingerprint", where="--fingerprint", fix="write SHA256:… as `ssh-keygen -lf` shows it"
        )
    return text.rstrip("=")
