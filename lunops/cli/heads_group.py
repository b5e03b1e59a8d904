"""`lunops heads`: how a service stands to its heads, and maintenance of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import click

from lunops.cli.service import Access, json_option, opened, service_option, who

_LOOK_S = 0.3


@click.group()
def heads() -> None:
    """See how a service stands to its heads; take one out for maintenance, and in again."""


@heads.command("list")
@service_option
@json_option
def list_command(config: Path, as_json: bool) -> int:
    """List the heads of the inventory: whether they take jobs, and what runs and waits there."""
    from lunops.cli.jobs_text import moment, table
    from lunops.store import HeadRow
    from lunops.store.rows import State

    with opened(config) as access:
        known, queue = access.store.heads(), access.store.queue()
        names = list(access.inventory.hosts)
    now = time.time()
    running = Counter(part.head for part in queue if part.state is State.RUNNING)
    waiting = Counter(part.head for part in queue if part.state is State.QUEUED)
    rows = [("HEAD", "RUNNING", "WAITING", "STATE")]
    found = []
    for name in [*names, *sorted(set(known) - set(names))]:
        head = known.get(name, HeadRow(name=name))
        said = []
        if head.drained_at is not None:
            why = f": {head.why}" if head.why else ""
            said.append(f"drained since {moment(head.drained_at)} by {head.drained_by}{why}")
        if head.failures:
            when = f", next try {moment(head.retry_at)}" if head.retry_at > now else ""
            said.append(f"not reached {head.failures} times in a row{when}: {head.error}")
        if head.wedged_at is not None:
            said.append(f"wedged since {moment(head.wedged_at)}: its kernel hangs in LIO work")
        if name not in names:
            said.append("not in the inventory")
        rows.append((name, str(running[name]), str(waiting[name]), "; ".join(said) or "takes jobs"))
        found.append({**vars(head), "running": running[name], "waiting": waiting[name]})
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for line in table(rows):
            click.echo(line)
    return 0


@heads.command("drain")
@service_option
@click.argument("head")
@click.option("--why", default="", help="To be shown to whoever wonders.")
@click.option("--wait", is_flag=True, help="Until nothing of a job runs there any more.")
def drain_command(config: Path, head: str, why: str, wait: bool) -> int:
    """Begin nothing more on a HEAD: what runs there comes to its end, what comes later waits."""
    with opened(config) as access:
        _known(access, head)
        access.store.drain(head, at=time.time(), by=who(), why=why)
        click.echo(f"{head} takes no more jobs; lunops heads resume {head} lets it")
        while wait and (number := _busy(access, head)):
            click.echo(f"{number} jobs are still at work on {head}", err=True)
            time.sleep(_LOOK_S * 10)
    return 0


@heads.command("resume")
@service_option
@click.argument("head")
def resume_command(config: Path, head: str) -> int:
    """Take jobs on a HEAD again, at once, also if it could not be reached before."""
    with opened(config) as access:
        _known(access, head)
        access.store.resume(head)
        click.echo(f"{head} takes jobs")
    return 0


def _busy(access: Access, head: str) -> int:
    return sum(part.head == head and part.is_admitted for part in access.store.queue())


def _known(access: Access, head: str) -> None:
    from lunops.errors import InventoryError
    from lunops.near import hint

    known = [*access.inventory.hosts, *access.store.heads()]
    if head not in known:
        where = str(access.settings.inventory)
        raise InventoryError(f"there is no head {head!r}", where=where, fix=hint(head, known, "heads"))
