"""The words of `lunops trust` on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from lunops.cli.completion import complete_head
from lunops.errors import InventoryError
from lunops.near import hint

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("trust")
@click.argument("head", shell_complete=complete_head)
@click.option("-i", "--inventory", required=True, type=_FILE, help="The inventory file.")
@click.option("--fingerprint", "fingerprints", multiple=True, help="SHA256:…, as the head's administrator told it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; only together with --fingerprint.")
def trust_command(head: str, inventory: Path, fingerprints: tuple[str, ...], yes: bool) -> int:
    """Show the host keys of HEAD, and remember them under its name once they are confirmed.

    A key that is another than the known one is refused. Exit code 0: it is known now; 4: refused, or unreachable.
    """
    if yes and not fingerprints:
        raise click.UsageError("--yes needs --fingerprint SHA256:… to compare with: anyone may be in between")
    from lunops import inventory_files
    from lunops.cli.trust import trust

    hosts = inventory_files.load([str(inventory)]).hosts
    if head not in hosts:
        raise InventoryError(f"there is no head {head!r}", where=str(inventory), fix=hint(head, hosts, "heads"))
    return trust(hosts[head], fingerprints=fingerprints, yes=yes)
