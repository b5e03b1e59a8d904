"""Read from a service's store what `lunops jobs list` and `lunops jobs show` tell."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

import click

from lunops.cli.job_text import Around, reasons
from lunops.cli.jobs_text import Listed
from lunops.cli.service import Access
from lunops.errors import InputError
from lunops.jobs import common_name
from lunops.jobs.finished import finished_number
from lunops.model import Json
from lunops.store import Filter, Room
from lunops.store.rows import JobRecord, JobRow, State


def listed(access: Access, wanted: Filter, client: str) -> list[Listed]:
    """Return the jobs of a list, the latest first; `client`: a common name, or all of a client's name, or no filter."""
    if client:
        clients = [each for each in access.store.clients() if client in (each, common_name(each))]
        if not clients:
            return []
        wanted = Filter(**{**vars(wanted), "clients": clients})
    found = access.store.jobs(wanted)
    ids = [job.id for job in found]
    short, heads = access.short(ids), access.store.heads_of(ids)
    done = _done(access, found)
    return [
        Listed(
            job=job,
            short=short.get(job.id, job.id),
            client=common_name(job.client),
            heads=heads.get(job.id, []),
            done=done[job.id],
        )
        for job in found
    ]


def _done(access: Access, found: Sequence[JobRow]) -> dict[str, int]:
    """Return how many items of each job are done."""
    # Of what is complete all are, of what has not begun none: so most of a long list costs nothing here.
    outcomes = access.store.outcomes_of([job.id for job in found if job.state not in (State.COMPLETE, State.QUEUED)])
    done = {job.id: job.num_requested if job.state is State.COMPLETE else 0 for job in found}
    return done | {job.id: finished_number(job.kind, *outcomes[job.id]) for job in found if job.id in outcomes}


def job_json(record: JobRecord, request: Json, around: Around) -> dict[str, Json]:
    """Return all that is known of a job, as JSON: rows of the store, and what each part waits for."""
    waits = {each.head: reasons(each, around) for each in around.queue if each.job_id == record.job.id}
    whole: dict[str, Json] = {**asdict(record), "request": request}
    whole["parts"] = [
        {**asdict(part), "waits": waits.get(part.head, []) if part.state is State.QUEUED else []}
        for part in record.parts
    ]
    whole["runs"] = [{**asdict(run), "unaccounted_s": run.unaccounted_s} for run in record.runs]
    return whole


def around(access: Access) -> Around:
    """Return what there is beside a job; without an inventory, less of it is known, and that is said."""
    queue = access.store.queue()
    default = access.settings.jobs_per_head
    try:
        hosts = access.inventory.hosts
    except InputError as error:
        click.echo(f"lunops: what heads take is not known: {error}", err=True)
        hosts = {}
    return Around(
        queue=queue,
        heads=access.store.heads(),
        rooms={name: Room(limit=host.jobs_at_once or default, label=host.worker_label) for name, host in hosts.items()},
        workers=access.store.workers(),
        short=access.short([each.job_id for each in queue]),
        lease_s=access.settings.lease_s,
        now_at=time.time(),
    )
