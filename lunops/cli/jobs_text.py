"""Jobs in words, for a terminal: a list of them, all that is known of one, and its events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from lunops.cli.heads import plain
from lunops.jobs.finished import unfinished_places
from lunops.model import Json
from lunops.store import HeadRow, WorkerRow
from lunops.store.reading import Waiting
from lunops.store.rows import Event, JobRecord, JobRow, State

_SHORT = 8  # letters of an id: enough for people, and the start of it is taken everywhere


def moment(at: float | None) -> str:
    """Return a time by the wall clock, local, or `-`."""
    return "-" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


def span(seconds: float | None) -> str:
    """Return a duration, or `-`."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def job_table(jobs: Sequence[JobRow], heads: Mapping[str, Sequence[str]], clients: Mapping[str, str]) -> list[str]:
    """Return a table of jobs; `heads` and the clients' common names by job."""
    rows = [("ID", "STATE", "KIND", "ITEMS", "HEADS", "CLIENT", "ACCEPTED", "WAITED", "RAN")]
    for job in jobs:
        waited = None if job.started_s is None else job.started_s - job.accepted_s
        ran = None if job.started_s is None or job.ended_s is None else job.ended_s - job.started_s
        mine = heads.get(job.id, ())
        shown = ",".join(mine) if len(mine) < 4 else f"{mine[0]} and {len(mine) - 1} more"
        rows.append(
            (
                job.id[:_SHORT],
                str(job.state),
                job.kind,
                str(job.num_requested),
                plain(shown),
                plain(clients.get(job.id, "")),
                moment(job.accepted_at),
                span(waited),
                span(ran),
            )
        )
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns of equal width."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def job_lines(
    record: JobRecord,
    queue: Sequence[Waiting],
    heads: Mapping[str, HeadRow],
    workers: Sequence[WorkerRow],
    now_at: float,
) -> Iterator[str]:
    """Give all that is known of a job."""
    job = record.job
    left = unfinished_places(record)
    yield f"job {job.id}: {job.state}"
    yield f"  {job.kind} {job.num_requested}, {job.num_requested - len(left)} done, for {plain(job.client)}"
    if job.again:
        yield f"  {'the same request as' if job.again == 'repeat' else 'what failed of'} job {job.of_job}"
    if job.cancel:
        yield f"  cancelled by {plain(job.cancelled_by)}, to {job.cancel} what was made"
    if job.priority:
        yield f"  priority {job.priority}"
    yield f"  accepted {moment(job.accepted_at)}, ended {moment(job.ended_at)}"
    waiting = {each.head: each for each in queue if each.job_id == job.id}
    for part in record.parts:
        yield f"head {part.head}: {part.state}" + (f", attempt {part.attempt}" if part.attempt > 1 else "")
        if part.head in waiting and part.state is State.QUEUED:
            yield f"  waits {_why(waiting[part.head], heads.get(part.head), workers, now_at)}"
        if part.error:
            yield f"  {plain(part.error)}"
        if part.error and part.fix:
            yield f"  to mend it: {plain(part.fix)}"
        rows: list[tuple[str, ...]] = [
            ("  TASK", "RUN", "STATUS", "TOOK", "WAIT", "CONNECT", "HEAD", "TRANSFER", "OTHER", "WORKER")
        ]
        for run in record.runs:
            if run.head == part.head:
                took = None if run.ended_s is None else run.ended_s - run.started_s
                times = (took, run.wait_s, run.connect_s, run.run_s, run.transfer_s, run.unaccounted_s)
                status = run.status or ("cut off" if run.ended_s is None and part.state.is_over else "-")
                rows.append((f"  {run.task_id}", str(run.run), status, *(span(each) for each in times), run.worker))
        if len(rows) > 1:
            yield from table(rows)
    bad = {(each.head, each.key): each for each in record.outcomes if each.status.is_bad}
    for item in record.items:
        outcome = bad.get((item.head, item.key))
        if item.place in left and outcome is not None:
            yield f"item {item.place}, {plain(item.key)}: {plain(outcome.error)}"
            if outcome.fix:
                yield f"  to mend it: {plain(outcome.fix)}"
            yield from (f"  left behind, to be done by hand: {plain(line)}" for line in outcome.left_behind)


def _why(part: Waiting, head: HeadRow | None, workers: Sequence[WorkerRow], now_at: float) -> str:
    """Say what a part waits for."""
    if part.waits_for:
        return f"for jobs on the same names: {', '.join(each[:_SHORT] for each in part.waits_for)}"
    if head is not None and head.drained_at is not None:
        return f"since the head is drained{f': {plain(head.why)}' if head.why else ''}"
    if head is not None and head.retry_at > now_at:
        return f"until {moment(head.retry_at)}, when the head is tried again: {plain(head.error)}"
    if part.not_before_at > now_at:
        return f"until {moment(part.not_before_at)}, to be begun anew"
    if part.is_admitted and not any(part.label in worker.labels for worker in workers):
        return f"for a worker {f'with the label {part.label}' if part.label else 'without a label'}: none is alive"
    if not workers:
        return "for a worker: none is alive"
    return "for a worker with room" if part.is_admitted else "for room on its head"


def event_line(event: Event) -> str:
    """Return an event as a line."""
    data: Mapping[str, Json] = event.data if isinstance(event.data, dict) else {}
    clock = datetime.fromtimestamp(event.at).astimezone().strftime("%H:%M:%S")
    place = " ".join(part for part in (event.head, event.task_id, event.key) if part)
    said = ", ".join(f"{name} {_value(value)}" for name, value in data.items() if value not in ("", [], None))
    return plain(f"{event.number:>5} {clock} {event.kind:<8} {place}{': ' if place and said else ''}{said}")


def _value(value: Json) -> str:
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
