"""`lunops jobs`: see the jobs of a service, follow them, cancel them, have them done again."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunops.cli.service import Access, json_option, opened, service_option, who

if TYPE_CHECKING:
    from lunops.model import Json

_LOOK_S = 0.3
_EXITS = {"complete": 0, "failed": 2, "cancelled": 3}
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group()
def jobs() -> None:
    """See the jobs of a service, follow them, cancel them, have them done again."""


@jobs.command("list")
@service_option
@click.option("--state", "states", multiple=True, type=click.Choice(["queued", "running", *_EXITS]), help="Only these.")
@click.option("--kind", type=click.Choice(["create", "delete"]), help="Only these.")
@click.option("--client", default="", help="Only of this client: all of its name, as `jobs show` has it.")
@click.option("--head", default="", help="Only those with a part on this head.")
@click.option("--since", default="", metavar="2h|DATE", help="Only those accepted since.")
@click.option("-n", "most", default=30, show_default=True, type=click.IntRange(1, 10_000), help="So many at most.")
@json_option
def list_command(
    config: Path,
    states: tuple[str, ...],
    kind: str | None,
    client: str,
    head: str,
    since: str,
    most: int,
    as_json: bool,
) -> int:
    """List jobs, the latest first."""
    from lunops.cli.jobs_text import job_table
    from lunops.jobs import common_name
    from lunops.store import Filter
    from lunops.store.rows import State

    wanted = Filter(
        states=tuple(State(each) for each in states),
        kind=kind or "",
        client=client,
        head=head,
        since_at=_since(since),
        most=most,
    )
    with opened(config) as access:
        found = access.store.jobs(wanted)
        heads = access.store.heads_of([job.id for job in found])
    if as_json:
        click.echo(json.dumps([{**vars(job), "heads": heads.get(job.id, [])} for job in found], indent=2))
    else:
        for line in job_table(found, heads, {job.id: common_name(job.client) for job in found}):
            click.echo(line)
    return 0


@jobs.command("show")
@service_option
@click.argument("job")
@json_option
def show_command(config: Path, job: str, as_json: bool) -> int:
    """Show all that is known of a JOB (its id, or the start of it), and why what waits of it waits."""
    from dataclasses import asdict

    from lunops.cli.jobs_text import job_lines

    with opened(config) as access:
        job_id = access.job_id(job)
        record, request = access.store.record(job_id), access.store.request(job_id)
        assert record is not None
        if as_json:
            click.echo(json.dumps({**asdict(record), "request": request[1] if request else None}, indent=2))
            return 0
        store = access.store
        for line in job_lines(record, store.queue(), store.heads(), store.workers(), time.time()):
            click.echo(line)
    return 0


@jobs.command("watch")
@service_option
@click.argument("job")
@click.option("--after", default=0, type=click.IntRange(0), help="Only events with a higher number.")
@json_option
def watch_command(config: Path, job: str, after: int, as_json: bool) -> int:
    """Follow the events of a JOB from its beginning until it is over. Ctrl-C ends the watching, not the job.

    Exit code 0: complete; 2: failed; 3: cancelled.
    """
    with opened(config) as access:
        return _watch(access, access.job_id(job), after, as_json=as_json)


@jobs.command("cancel")
@service_option
@click.argument("job")
@click.option("--keep", "how", flag_value="keep", default="keep", help="What is whole stays. (The default.)")
@click.option("--undo", "how", flag_value="undo", help="What it made is taken back.")
@click.option("--wait", is_flag=True, help="Follow it until it is over.")
def cancel_command(config: Path, job: str, how: str, wait: bool) -> int:
    """End a JOB between two items. A LUN is left whole, or not at all."""
    from lunops.store.rows import Cancel

    with opened(config) as access:
        job_id = access.job_id(job)
        access.jobs.cancel(job_id, Cancel(how), by=who())
        click.echo(f"job {job_id} is to end, and to {how} what it made")
        return _watch(access, job_id, 0, as_json=False) if wait else 0


@jobs.command("repeat")
@service_option
@click.argument("job")
@click.option("--priority", type=click.IntRange(-1000, 1000), help="The higher goes first.")
@click.option("--watch", is_flag=True, help="Follow it.")
def repeat_command(config: Path, job: str, priority: int | None, watch: bool) -> int:
    """Run the whole request of a JOB once more, as a new job."""
    with opened(config) as access:
        job_id = access.job_id(job)
        known = access.store.request(job_id)
        assert known is not None
        return _again(access, "repeat", job_id, *known, priority=priority, watch=watch)


@jobs.command("retry")
@service_option
@click.argument("job")
@click.option("--priority", type=click.IntRange(-1000, 1000), help="The higher goes first.")
@click.option("--watch", is_flag=True, help="Follow it.")
def retry_command(config: Path, job: str, priority: int | None, watch: bool) -> int:
    """Run what failed of a JOB once more, as a new job; the record of the first is kept."""
    with opened(config) as access:
        job_id = access.job_id(job)
        return _again(access, "retry", job_id, *access.jobs.failed_request(job_id), priority=priority, watch=watch)


def _again(
    access: Access, how: str, job_id: str, kind: str, request: Json, *, priority: int | None, watch: bool
) -> int:
    from lunops.jobs import Again
    from lunops.web import v1_input

    again = Again(how=how, job_id=job_id)
    most = access.settings.items_max
    if kind == "create":
        clones = v1_input.create_requests(request, access.inventory, most)
        new = access.jobs.create(clones, request=request, client=who(), again=again, priority=priority)
    else:
        gone = v1_input.delete_requests(request, access.inventory, most)
        new = access.jobs.delete(gone, request=request, client=who(), again=again, priority=priority)
    click.echo(new)
    return _watch(access, new, 0, as_json=False) if watch else 0


def _watch(access: Access, job_id: str, after: int, *, as_json: bool) -> int:
    from lunops.cli.jobs_text import event_line
    from lunops.web.events import as_json as json_of
    from lunops.web.events import is_last

    while True:
        for event in access.store.events(job_id, after=after):
            after = event.number
            click.echo(json.dumps(json_of(event)) if as_json else event_line(event))
            if is_last(event):
                return _EXITS[event.data["state"]]
        record = access.store.record(job_id)
        if record is not None and record.job.state.is_over and after >= record.job.events:
            return _EXITS[str(record.job.state)]  # asked for what comes after its end
        time.sleep(_LOOK_S)


def _since(text: str) -> float:
    """Return the time that `2h` or a date means, in seconds since 1970; 0 for nothing."""
    if not text:
        return 0.0
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return time.time() - int(match[1]) * _SPANS[match[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time: write 90s, 5m, 2h, 3d, or a date such as 2026-01-31 or 2026-01-31T12:00",
            param_hint="--since",
        ) from None
