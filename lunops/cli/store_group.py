"""`lunops store`: look whether a service's store is well, make room in it, back it up, move it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunops.cli.service import Access, opened, service_option
from lunops.errors import InputError, LunopsError

if TYPE_CHECKING:
    from lunops.store import Store


@click.group()
def store() -> None:
    """Check a service's store, make room in it, back it up, move it to another database."""


@store.command("check")
@service_option
def check_command(config: Path) -> int:
    """Look whether the store is consistent; the service may run meanwhile. Exit code 2 if it is not."""
    with opened(config) as access:
        wrong = access.store.check()
        for finding in wrong:
            click.echo(f"{finding.what}\n  to mend it: {finding.fix}")
        if wrong:
            return 2
        click.echo(f"{access.store.database.shown} is well")
    return 0


@store.command("vacuum")
@service_option
def vacuum_command(config: Path) -> int:
    """Remove jobs by the settings keep_days and keep_jobs, and give the room back to the disk."""
    with opened(config) as access:
        before = access.store.size_bytes()
        keep_s = access.settings.keep_days * 86400
        before_at = time.time() - keep_s if keep_s else None
        removed = access.store.remove_old(before_at=before_at, keep_jobs=access.settings.keep_jobs)
        click.echo(f"removed {removed} job{'' if removed == 1 else 's'}")
        access.store.vacuum()
        click.echo(f"{access.store.database.shown}: {_mebibytes(before)}, now {_mebibytes(access.store.size_bytes())}")
    return 0


@store.command("export")
@service_option
@click.argument("file", default="-", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def export_command(config: Path, file: Path) -> int:
    """Write all of the store to FILE (- is standard output), as of one moment; the service may run meanwhile."""
    with opened(config) as access:
        try:
            if str(file) == "-":
                for line in access.store.export():
                    sys.stdout.write(line + "\n")
                sys.stdout.flush()
                return 0
            number = _write(access.store, file)
        except BrokenPipeError:
            raise  # its reader has had enough
        except OSError as error:
            where = "standard output" if str(file) == "-" else str(file)
            fix = "name a file in a folder that may be written, with room for it"
            raise LunopsError(f"the export cannot be written: {error}", where=where, fix=fix) from error
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
        if unfinished == "run":
            _refuse_old_engine(access)
        try:
            counts = access.store.import_lines(lines, unfinished=unfinished or "", at=now, at_s=now)
        except InputError as error:
            raise error.at(str(file)) if error.where else error from None
        click.echo(f"read {counts['jobs']} jobs with {counts['events']} events")
    return 0


def _write(store: Store, file: Path) -> int:
    """Write a backup, to be read by its owner only; return how many lines it has. Raises InputError, OSError."""
    file = Path(os.path.realpath(file))  # a link stays one
    if file.exists() and not file.is_file():  # it would be replaced: for root, /dev/null on the whole machine
        raise InputError(
            "an export replaces what is there only if that is a file",
            where=str(file),
            fix="name a file; or send standard output there: lunops store export - > …",
        )
    part = file.with_name(file.name + ".part")  # one that was cut off does not look like a backup
    part.unlink(missing_ok=True)
    number = 0
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            for number, line in enumerate(store.export(), 1):  # noqa: B007 - the last one is told
                out.write(line + "\n")
            out.flush()
            os.fsync(descriptor)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return number


def _refuse_old_engine(access: Access) -> None:
    from lunops.engine_place import remains

    left = remains(access.store.database)
    if left is not None:
        what, fix = left
        raise InputError(
            f"{what} is there, of an engine that may know these jobs already",
            where=access.store.database.shown,
            fix=f"stop the service, and take it away: {fix}",
        )


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"
