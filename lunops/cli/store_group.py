"""`lunops store`: look whether a service's store is well, make room in it, back it up, move it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from lunops.cli.service import opened, service_option


@click.group()
def store() -> None:
    """Check a service's store, make room in it, back it up, move it to another database."""


@store.command("check")
@service_option
def check_command(config: Path) -> int:
    """Look whether the store is consistent; the service may run meanwhile. Exit code 2 if it is not."""
    with opened(config) as access:
        wrong = access.store.check()
        for line in wrong:
            click.echo(line)
        if wrong:
            click.echo("to mend it: go back to a backup (lunops store import), and report this", err=True)
            return 2
        click.echo(f"{access.store.database.shown} is well")
    return 0


@store.command("vacuum")
@service_option
def vacuum_command(config: Path) -> int:
    """Remove jobs by the settings keep_days and keep_jobs, and give the room back to the disk."""
    with opened(config) as access:
        keep_s = access.settings.keep_days * 86400
        before_at = time.time() - keep_s if keep_s else None
        removed = access.store.remove_old(before_at=before_at, keep_jobs=access.settings.keep_jobs)
        access.store.vacuum()
        click.echo(f"removed {removed} jobs")
    return 0


@store.command("export")
@service_option
@click.argument("file", default="-", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def export_command(config: Path, file: Path) -> int:
    """Write all of the store to FILE (- is standard output), as of one moment; the service may run meanwhile."""
    with opened(config) as access:
        if str(file) == "-":
            for line in access.store.export():
                sys.stdout.write(line + "\n")
            return 0
        part = file.with_name(file.name + ".part")  # a backup that was cut off does not look like one
        number = 0
        with part.open("w", encoding="utf-8") as out:
            for number, line in enumerate(access.store.export(), 1):  # noqa: B007 - the last one is told
                out.write(line + "\n")
        part.chmod(0o600)
        part.replace(file)
        click.echo(f"wrote {number} lines to {file}")
    return 0


@store.command("import")
@service_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--unfinished",
    type=click.Choice(["run", "fail"]),
    help="What becomes of jobs that are not over; without it they are an error.",
)
def import_command(config: Path, file: Path, unfinished: str | None) -> int:
    """Read what `lunops store export` wrote to FILE into an empty store, all or nothing."""
    now = time.time()
    with opened(config, may_be_new=True) as access, file.open(encoding="utf-8") as lines:
        counts = access.store.import_lines(lines, unfinished=unfinished or "", at=now, at_s=now)
        click.echo(f"read {counts['jobs']} jobs with {counts['events']} events")
    return 0
