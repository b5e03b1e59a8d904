"""The words of the command line. What a command needs is imported when it runs, so that `--version` is quick."""

from __future__ import annotations

from pathlib import Path

import click

import lunops
from lunops.cli.heads import on_heads, read_heads

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lunops.__version__, prog_name="lunops", message="%(prog)s %(version)s")
def root() -> None:
    """Turn golden images into many writable, access-controlled iSCSI disks on ZFS storage heads.

    Exit codes: 0 all is well; 1 another error; 2 a head failed; 4 a head is unreachable; 6 both; 5 a bad option;
    8 the plan, inventory or a template is invalid and nothing ran; 99 interrupted; 250 a bug of lunops.
    """


@root.command("run")
@click.argument("plan", type=_FILE)
@click.option("-i", "--inventory", required=True, type=_FILE, help="The inventory file.")
@click.option("-l", "--limit", help="Only these heads: names, groups, globs, joined by commas; !NAME takes one away.")
@click.option("-C", "--check", is_flag=True, help="Change nothing; say what would be changed.")
@click.option("-D", "--diff", is_flag=True, help="Show every change.")
@click.option("-e", "--extra-vars", multiple=True, help="NAME=VALUE (as JSON, else text), a JSON object, or @FILE.")
@click.option("-f", "--forks", default=8, show_default=True, type=click.IntRange(1, 1000), help="Heads at once.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON document, and nothing else.")
@click.option("-v", "--verbose", count=True, help="A line for every item; -vvv shows the trace of a bug.")
def run_command(
    plan: Path,
    inventory: Path,
    limit: str | None,
    check: bool,
    diff: bool,
    extra_vars: tuple[str, ...],
    forks: int,
    as_json: bool,
    verbose: int,
) -> int:
    """Run a PLAN (a playbook) on the heads of an inventory, and recap it.

    PLAN is a file, or the name of a playbook that ships with lunops, such as create-batch.yml.
    """
    from lunops.cli.run import Options, run

    return run(
        Options(
            plan=plan,
            inventory=inventory,
            limit=limit,
            check=check,
            diff=diff,
            extra_vars=extra_vars,
            forks=forks,
            as_json=as_json,
            verbose=verbose > 0,
        )
    )


@root.command("doctor")
@click.option("-i", "--inventory", required=True, type=_FILE, help="The inventory file.")
@click.option("-l", "--limit", help="Only these heads: names, groups, globs, joined by commas; !NAME takes one away.")
@click.option("-f", "--forks", default=8, show_default=True, type=click.IntRange(1, 1000), help="Heads at once.")
@click.option("--json", "as_json", is_flag=True, help="Print findings and facts as one JSON document.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is well, too.")
def doctor_command(inventory: Path, limit: str | None, forks: int, as_json: bool, verbose: bool) -> int:
    """Look for what is wrong on the heads of an inventory, and say how to mend it. Nothing is changed.

    Exit codes, by the worst finding: 0 notes at most; 1 warnings; 2 errors; 4 a head is unreachable; 6 both.
    """
    from lunops.cli.doctor import run

    return run(inventory, limit, forks=forks, as_json=as_json, verbose=verbose)


@root.command()
@on_heads
def drift(inventory: Path, limit: str | None, forks: int, as_json: bool) -> int:
    """Tell what is not as lunops recorded it, LUN by LUN; change nothing.

    Exit code 0: no drift, 1: drift; 2, 4, 6: a head could not be looked at.
    """
    from lunops.cli.drift import drift as tell

    return tell(read_heads(inventory, limit, forks), as_json=as_json)


@root.command()
@on_heads
@click.option("-C", "--check", is_flag=True, help="Change nothing; only show the plan.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", multiple=True, type=click.Choice(["written"]), help="Do what is refused for this reason.")
def reconcile(
    inventory: Path, limit: str | None, forks: int, as_json: bool, check: bool, yes: bool, force: tuple[str, ...]
) -> int:
    """Mend what drift finds, after showing the plan and asking; healthy LUNs are not touched.

    Exit code 0: nothing differs any more, 1: something is left; 2, 4, 6: a head failed or could not be reached.
    """
    from lunops.cli.drift import reconcile as mend

    return mend(read_heads(inventory, limit, forks), force=force, check=check, yes=yes, as_json=as_json)


@root.command()
@on_heads
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="All that can be adopted.")
@click.option("-C", "--check", is_flag=True, help="Change nothing; only show what would be set.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def adopt(
    inventory: Path,
    limit: str | None,
    forks: int,
    as_json: bool,
    names: tuple[str, ...],
    every: bool,
    check: bool,
    yes: bool,
) -> int:
    """Take LUNs that something else made into lunops' hands as they are: NAME is an IQN or a volume.

    Without NAME and --all, tell what could be adopted.
    """
    from lunops.cli.adopt import adopt as take_in

    return take_in(read_heads(inventory, limit, forks), names, every=every, check=check, yes=yes, as_json=as_json)


@root.command()
@click.argument("module", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")
def doc(module: str | None, as_json: bool) -> int:
    """Say what a MODULE does and takes, with an example; without one, list them all."""
    from lunops.cli.doc import run

    return run(module, as_json=as_json)


@root.command()
@click.option("--config", required=True, type=_FILE, help="The service's settings, a TOML file.")
def serve(config: Path) -> int:
    """Run the REST service."""
    from lunops.serve import serve as serve_forever

    serve_forever(config)
    return 0


@root.group()
def pki() -> None:
    """Make certificates for mutual TLS."""


@pki.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", "names", multiple=True, required=True, help="What clients call the service; may be repeated.")
def pki_init(directory: Path, names: tuple[str, ...]) -> int:
    """Make a CA and the service's certificate: ca.crt, ca.key, server.crt, server.key in DIRECTORY."""
    from datetime import UTC, datetime

    from lunops.pki import init

    made = init(directory, name=names, now=datetime.now(UTC))
    for pair in (made.ca, made.server):
        click.echo(f"made {pair.certificate} and {pair.key}")
    return 0


@pki.command("issue")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.argument("name")
def pki_issue(directory: Path, name: str) -> int:
    """Make a client's certificate, signed by the CA in DIRECTORY: NAME.crt and NAME.key there."""
    from datetime import UTC, datetime

    from lunops.pki import issue

    pair = issue(directory, name, now=datetime.now(UTC))
    click.echo(f"made {pair.certificate} and {pair.key}")
    return 0
