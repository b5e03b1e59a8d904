"""`lunops heads`: how a service stands to its heads, and maintenance of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunops.cli.service import Access, json_option, opened, service_option, who

if TYPE_CHECKING:
    from lunops.store import HeadRow

_LOOK_S = 0.3


@click.group()
def heads() -> None:
    """See how a service stands to its heads; take one out for maintenance, and in again."""


@heads.command("list")
@service_option
@json_option
def list_command(config: Path, as_json: bool) -> int:
    """List the heads of the inventory: whether they take jobs, and what runs and waits there."""
    from lunops.cli.heads import plain
    from lunops.cli.jobs_text import table
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
    left = {head for head in known if not _is_usual(known[head])} | set(running) | set(waiting)
    for name in [*names, *sorted(left - set(names))]:
        head = known.get(name, HeadRow(name=name))
        said = [*_states(head, now), *([] if name in names else ["not in the inventory"])]
        rows.append((plain(name), str(running[name]), str(waiting[name]), plain("; ".join(said)) or "takes jobs"))
        more = {"running": running[name], "waiting": waiting[name], "in_inventory": name in names}
        found.append({**vars(head), **more})
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for line in table(rows):
            click.echo(line)
    return 0


def _states(head: HeadRow, now: float) -> Iterator[str]:
    """Say what keeps jobs from a head, and what else is known of it."""
    from lunops.cli.jobs_text import moment
    from lunops.jobs import common_name

    if head.drained_at is not None:
        why = f": {head.why}" if head.why else ""
        yield f"drained since {moment(head.drained_at)} by {common_name(head.drained_by)}{why}"
    if head.failures:
        times = "once" if head.failures == 1 else f"{head.failures} times in a row"
        when = f"next try {moment(head.retry_at)}" if head.retry_at > now else "one job goes ahead"
        yield f"not reached {times}, {when}: {head.error}"
    if head.wedged_at is not None:
        yield f"wedged since {moment(head.wedged_at)}: its kernel hangs in LIO work"


def _is_usual(head: HeadRow) -> bool:
    return head.drained_at is None and not head.failures and head.wedged_at is None


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
        told = 0
        while wait and (number := _busy(access, head)):
            if number != told:
                click.echo(f"{number} job{' is' if number == 1 else 's are'} still at work on {head}", err=True)
            told = number
            time.sleep(_LOOK_S)
        if wait:
            click.echo(f"nothing of a job runs on {head}")
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
