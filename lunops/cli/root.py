"""The words of the command line. What a command needs is imported when it runs, so that `--version` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import lunops
from lunops.cli.completion import complete_playbook, completion_command
from lunops.cli.config import config_command, use_defaults
from lunops.cli.heads import in_inventory, on_heads, read_heads
from lunops.cli.heads_group import heads
from lunops.cli.jobs_group import jobs
from lunops.cli.run_options import how_options, options, run_options, what_options
from lunops.cli.store_group import store
from lunops.cli.trust_command import trust_command
from lunops.cli.vault_group import key_options, vault

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lunops.__version__, prog_name="lunops", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """Turn golden images into many writable, access-controlled iSCSI disks on ZFS storage heads.

    Exit codes: 0 all is well; 1 another error; 2 a head failed; 4 a head is unreachable; 6 both; 5 a bad option;
    8 the plan, inventory or a template is invalid and nothing ran; 99 interrupted; 250 a bug of lunops.
    """
    use_defaults(context)


root.add_command(vault)
root.add_command(jobs)
root.add_command(heads)
root.add_command(store)
root.add_command(trust_command)
root.add_command(config_command)
root.add_command(completion_command)


@root.command("run")
@run_options
@what_options
@how_options
def run_command(**given: Any) -> int:
    """Run a PLAN (a playbook) on the heads of an inventory, and recap it.

    PLAN is a file, or the name of a playbook that ships with lunops, such as create-batch.yml.
    """
    from lunops.cli.run import run

    found = options(given)
    if not found.resume:
        if found.plan is None:
            raise click.UsageError("Missing argument 'PLAN'.")
        if not found.inventory:
            raise click.UsageError(
                "Missing option '-i' / '--inventory'; LUNOPS_INVENTORY and lunops-cli.toml set it, too."
            )
    return run(found)


@root.command("plan")
@click.argument("plan", metavar="PLAYBOOK", type=_FILE, shell_complete=complete_playbook)
@click.option("-o", "--output", required=True, type=_FILE, metavar="FILE", help="Where to save it.")
@what_options
@how_options
def plan_command(output: Path, **given: Any) -> int:
    """Show what a run of PLAYBOOK would do, and save it for `lunops apply`. Nothing is changed.

    The file holds what the plan was made from, too: digests of all files, and the state of the heads.
    """
    from lunops.cli.plan import plan

    return plan(options(given), output)


@root.command("apply")
@click.argument("file", metavar="FILE", type=_FILE)
@how_options
def apply_command(file: Path, **given: Any) -> int:
    """Do what `lunops plan` has saved in FILE, after showing it and asking.

    It is refused, with exit code 8 and nothing run, where a file or a head is not as it was, and where a new check
    run does not say the same.
    """
    from lunops.cli.apply import apply

    return apply(options(given), file)


@root.command("explain")
@click.argument("variable", metavar="VAR")
@click.argument("host", metavar="HOST")
@click.argument("plan", metavar="[PLAYBOOK]", required=False, type=_FILE, shell_complete=complete_playbook)
@click.option("-i", "--inventory", multiple=True, metavar="SOURCE", help="A file, a folder of them; may be repeated.")
@click.option("-e", "--extra-vars", multiple=True, help="NAME=VALUE, a JSON object, or @FILE.")
@key_options
def explain_command(variable: str, host: str, **given: Any) -> int:
    """Say what VAR is on HOST, and every place that gives it, the weakest first; `*` marks the one that counts.

    With a PLAYBOOK, in each of its plays that HOST is in; `~` marks what counts only in the tasks that it names.
    """
    from lunops.cli.explain_plays import explain_command as explain

    return explain(options(given), variable, host)


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


_CONFIG = click.option("--config", required=True, type=_FILE, help="The service's settings, a TOML file.")


@root.command()
@_CONFIG
@click.option("--no-worker", is_flag=True, help="Take jobs, and leave doing them to `lunops worker`.")
def serve(config: Path, no_worker: bool) -> int:
    """Run the REST service."""
    from lunops.serve import serve as serve_forever

    serve_forever(config, has_worker=not no_worker)
    return 0


@root.command()
@_CONFIG
@click.option("--label", "labels", multiple=True, help="Only jobs on heads with this worker_label; may be repeated.")
def worker(config: Path, labels: tuple[str, ...]) -> int:
    """Do the jobs of a store, beside the service; any number of these, on any machine that reaches it."""
    from lunops.serve import work

    work(config, labels)
    return 0


@root.group("inventory")
def inventory_group() -> None:
    """Show what an inventory comes to, as ansible-inventory does."""


@inventory_group.command("list")
@in_inventory
@click.option("-l", "--limit", help="Only these heads.")
def inventory_list(sources: tuple[str, ...], playbook_dir: Path | None, limit: str | None) -> int:
    """Print groups and the variables of all heads, as JSON in the shape of `ansible-inventory --list`."""
    from lunops.cli.inventory import as_json, listing
    from lunops.inventory_files import load

    click.echo(as_json(listing(load(sources, playbook_folder=playbook_dir), limit)))
    return 0


@inventory_group.command("graph")
@in_inventory
@click.argument("group", default="all")
@click.option("--vars", "with_variables", is_flag=True, help="Show variables, too.")
def inventory_graph(sources: tuple[str, ...], playbook_dir: Path | None, group: str, with_variables: bool) -> int:
    """Draw the groups and heads below a GROUP, or all."""
    from lunops.cli.inventory import graph
    from lunops.inventory_files import load

    for line in graph(load(sources, playbook_folder=playbook_dir), group, with_variables=with_variables):
        click.echo(line)
    return 0


@inventory_group.command("host")
@in_inventory
@click.argument("name")
def inventory_host(sources: tuple[str, ...], playbook_dir: Path | None, name: str) -> int:
    """Print the variables of a head, as JSON."""
    from lunops.cli.inventory import as_json
    from lunops.inventory_files import load

    click.echo(as_json(load(sources, playbook_folder=playbook_dir).given(name)))
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
