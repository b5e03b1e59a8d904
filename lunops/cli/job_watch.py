"""Follow a job by its events until it is over."""

from __future__ import annotations

import json
import time

import click

from lunops.cli.jobs_text import event_line
from lunops.cli.service import Access
from lunops.errors import JobError, StoreError
from lunops.store.rows import State
from lunops.web.events import as_json as json_of
from lunops.web.events import is_last

_LOOK_S = 0.3
_EXITS = {State.COMPLETE: 0, State.FAILED: 2, State.CANCELLED: 3}


def watch_job(access: Access, job_id: str, after: int = 0, *, as_json: bool = False) -> int:
    """Tell the events after this one until the job is over; return the exit code."""
    is_away = False
    while True:
        try:
            events = access.store.events(job_id, after=after)
            for event in events:
                after = event.number
                click.echo(json.dumps(json_of(event)) if as_json else event_line(event))
                if is_last(event):
                    return _EXITS[State(event.data["state"])]
            code = None if events else _exit_code(access, job_id, after)
            if code is not None:
                return code
            is_away = False
            if not events:
                time.sleep(_LOOK_S)
        except StoreError as error:  # its database restarts, perhaps; the job goes on meanwhile
            if not is_away:
                click.echo(f"lunops: waiting for the store: {error}", err=True)
            is_away = True
            time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            click.echo(f"\nthe job goes on: lunops jobs watch {job_id} --after {after}", err=True)
            raise


def _exit_code(access: Access, job_id: str, after: int) -> int | None:
    """Return the exit code if nothing more comes: for who asks for what is after its end."""
    known = access.store.state_of(job_id)
    if known is None:
        raise JobError(f"job {job_id} was removed, since it is old", fix="keep jobs longer: keep_days, keep_jobs")
    state, last = known
    return _EXITS[state] if state.is_over and after >= last else None
