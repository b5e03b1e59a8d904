"""`lunops jobs`: see the jobs of a service, follow them, cancel them, have them done again."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunops.cli.service import Access, F, json_option, no_job, opened, service_option, who

if TYPE_CHECKING:
    from lunops.model import Json

_STATES = ("queued", "running", "complete", "failed", "cancelled")
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _again_options(command: F) -> F:
    """Give a command what `repeat` and `retry` have in common."""
    for option in (
        click.option("--watch", is_flag=True, help="Follow it."),
        click.option("--priority", type=click.IntRange(-1000, 1000), help="The higher goes first."),
        click.argument("job"),
    ):
        command = option(command)
    return service_option(command)


@click.group()
def jobs() -> None:
    """See the jobs of a service, follow them, cancel them, have them done again."""


@jobs.command("list")
@service_option
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--kind", type=click.Choice(["create", "delete"]), help="Only these.")
@click.option("--client", default="", help="Only of this client: its common name, or all of its name.")
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
    from lunops.cli.jobs_read import listed
    from lunops.cli.jobs_text import job_table
    from lunops.store import Filter
    from lunops.store.rows import State

    wanted = Filter(
        states=tuple(State(each) for each in states), kind=kind or "", head=head, since_at=_since(since), most=most
    )
    with opened(config) as access:
        found = listed(access, wanted, client)
    if as_json:
        shown = [{**vars(each.job), "heads": each.heads, "done": each.done} for each in found]
        click.echo(json.dumps(shown, indent=2))
    else:
        for line in job_table(found, time.time()):
            click.echo(line)
    return 0


@jobs.command("show")
@service_option
@click.argument("job")
@json_option
def show_command(config: Path, job: str, as_json: bool) -> int:
    """Show all that is known of a JOB (its id, or the start of it), and why what waits of it waits."""
    from lunops.cli.job_text import job_lines
    from lunops.cli.jobs_read import around, job_json

    with opened(config) as access:
        job_id = access.job_id(job)
        record, request = access.store.record(job_id), access.store.request(job_id)
        if record is None or request is None:
            raise no_job(job)
        beside = around(access)
        if as_json:
            click.echo(json.dumps(job_json(record, request[1], beside), indent=2))
        else:
            for line in job_lines(record, beside):
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
    from lunops.cli.job_watch import watch_job

    with opened(config) as access:
        return watch_job(access, access.job_id(job), after, as_json=as_json)


@jobs.command("cancel")
@service_option
@click.argument("job")
@click.option("--keep", "how", flag_value="keep", default="keep", help="What is whole stays. (The default.)")
@click.option("--undo", "how", flag_value="undo", help="What it made is taken back.")
@click.option("--wait", is_flag=True, help="Follow it from here until it is over.")
def cancel_command(config: Path, job: str, how: str, wait: bool) -> int:
    """End a JOB between two items. A LUN is left whole, or not at all."""
    from lunops.cli.job_watch import watch_job
    from lunops.jobs import SteadyClock
    from lunops.store.rows import Cancel

    with opened(config) as access:
        job_id = access.job_id(job)
        known = access.store.state_of(job_id)
        clock = SteadyClock()
        access.store.cancel(job_id, Cancel(how), by=who(), at=clock.at(), at_s=clock.steady_s())
        click.echo(f"job {job_id} is to end, and to {how} what it made")
        return watch_job(access, job_id, known[1] if known else 0) if wait else 0


@jobs.command("repeat")
@_again_options
def repeat_command(config: Path, job: str, priority: int | None, watch: bool) -> int:
    """Run the whole request of a JOB once more, as a new job."""
    with opened(config) as access:
        job_id = access.job_id(job)
        known = access.store.request(job_id)
        if known is None:
            raise no_job(job)
        return _again(access, "repeat", job_id, *known, priority=priority, watch=watch)


@jobs.command("retry")
@_again_options
def retry_command(config: Path, job: str, priority: int | None, watch: bool) -> int:
    """Run what failed of a JOB once more, as a new job; the record of the first is kept."""
    with opened(config) as access:
        job_id = access.job_id(job)
        return _again(access, "retry", job_id, *access.jobs.failed_request(job_id), priority=priority, watch=watch)


def _again(
    access: Access, how: str, job_id: str, kind: str, request: Json, *, priority: int | None, watch: bool
) -> int:
    from lunops.cli.job_watch import watch_job
    from lunops.jobs import Again
    from lunops.web import v1_input

    new = v1_input.accept(
        access.jobs,
        kind,
        request,
        access.settings.items_max,
        client=who(),
        again=Again(how=how, job_id=job_id),
        priority=priority,
    )
    click.echo(new)
    return watch_job(access, new) if watch else 0


def _since(text: str) -> float:
    """Return the time that `2h` or a date means, in seconds since 1970; 0 for nothing."""
    if not text:
        return 0.0
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return time.time() - int(match[1]) * _SPANS[match[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time: write 90s, 5m, 2h, 3d, or a date such as 2026-01-31 or 2026-01-31T12:00",
            param_hint="--since",
        ) from None
