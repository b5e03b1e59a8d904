"""All that is known of a job, in words, and what each of its parts waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lunops.cli.heads import plain
from lunops.cli.jobs_text import moment, span, table
from lunops.jobs.finished import unfinished_places
from lunops.store import HeadRow, Room, WorkerRow
from lunops.store.reading import Waiting
from lunops.store.rows import JobRecord, JobRow, PartRow, State

_COLUMNS = ("TASK", "ITEMS", "RUN", "STATUS", "TOOK", "WAIT", "CONNECT", "HEAD", "TRANSFER", "OTHER", "WORKER")


@dataclass(frozen=True, kw_only=True)
class Around:
    """What there is beside the job: by it one tells why a part waits."""

    queue: Sequence[Waiting]
    heads: Mapping[str, HeadRow]
    rooms: Mapping[str, Room]  # of the inventory's heads
    workers: Sequence[WorkerRow]
    short: Mapping[str, str]  # ids of jobs
    lease_s: float  # a worker that was not heard of for so long is as good as dead
    now_at: float

    def is_alive(self, worker: WorkerRow) -> bool:
        """Whether a worker was heard of lately: by the wall clock, since this is only told."""
        return self.now_at - worker.beat_at < self.lease_s


def job_lines(record: JobRecord, around: Around) -> Iterator[str]:
    """Give all that is known of a job."""
    job = record.job
    left = set(unfinished_places(record))
    yield f"job {job.id}: {job.state}"
    yield f"  {job.kind} {job.num_requested}, {job.num_requested - len(left)} done, for {plain(job.client)}"
    if job.again:
        yield f"  {'the same request as' if job.again == 'repeat' else 'what failed of'} job {job.of_job}"
    if job.cancel:
        yield f"  cancelled by {plain(job.cancelled_by)}, to {job.cancel} what was made"
    if job.priority:
        yield f"  priority {job.priority}"
    yield f"  accepted {moment(job.accepted_at)}, ended {moment(job.ended_at)}"
    if job.deadline_at is not None and not job.state.is_over:
        yield f"  heads that cannot be reached are tried again until {moment(job.deadline_at)}"
    for part in record.parts:
        yield from _part_lines(record, part, around)
    yield from _item_lines(record, left)


def _part_lines(record: JobRecord, part: PartRow, around: Around) -> Iterator[str]:
    yield f"head {plain(part.head)}: {part.state}{_times(part, record.job)}" + (
        f", attempt {part.attempt}" if part.attempt > 1 else ""
    )
    if part.state is State.QUEUED:
        waiting = next((each for each in around.queue if (each.job_id, each.head) == (record.job.id, part.head)), None)
        if waiting is not None:  # None: it was begun since the record was read
            yield from (f"  waits {why}" for why in reasons(waiting, around))
    if part.state is State.RUNNING:
        worker = next((each for each in around.workers if each.name == part.worker), None)
        if worker is None or not around.is_alive(worker):
            heard = "" if worker is None else f" since {moment(worker.beat_at)}"
            yield f"  its worker {plain(part.worker)} was not heard of{heard}: another will go on with it"
    if part.error:
        yield f"  {plain(part.error)}"
    if part.error and part.fix:
        yield f"  to mend it: {plain(part.fix)}"
    rows = list(_task_rows(record, part))
    if rows:
        yield from (f"  {line}" for line in table([_COLUMNS, *rows]))


def _times(part: PartRow, job: JobRow) -> str:
    if part.started_s is None:
        return ""
    ran = "" if part.ended_s is None else f", ran {span(part.ended_s - part.started_s)}"
    return f", waited {span(max(0.0, part.started_s - job.accepted_s))}{ran}"


def _task_rows(record: JobRecord, part: PartRow) -> Iterator[tuple[str, ...]]:
    runs = [run for run in record.runs if run.head == part.head]
    tasks = [task for task in record.tasks if task.head == part.head]
    last = {run.task_id: run.run for run in sorted(runs, key=lambda each: each.run)}
    if not runs:
        return
    named = {task.task_id: str(task.items) for task in tasks}
    for task_id in [*named, *(each for each in last if each not in named)]:  # `undo` is no task of the plan
        mine = [run for run in runs if run.task_id == task_id]
        for run in mine:
            took = None if run.ended_s is None else run.ended_s - run.started_s
            times = (took, run.wait_s, run.connect_s, run.run_s, run.transfer_s, run.unaccounted_s)
            is_cut_off = run.ended_s is None and (part.state is not State.RUNNING or run.run < last[task_id])
            status = run.status or ("cut off" if is_cut_off else "runs" if run.ended_s is None else "-")
            spans = [span(each) for each in times]
            yield (task_id, named.get(task_id, "-"), str(run.run), status, *spans, plain(run.worker))
        if not mine:
            yield (task_id, named[task_id], *["-"] * (len(_COLUMNS) - 2))


def _item_lines(record: JobRecord, left: set[int]) -> Iterator[str]:
    bad = {(each.head, each.key): each for each in record.outcomes if each.status.is_bad}
    for item in record.items:
        outcome = bad.get((item.head, item.key))
        if item.place not in left:
            yield f"item {item.place}, {plain(item.key)}: done"
        elif outcome is None:
            yield f"item {item.place}, {plain(item.key)}: not done"
        else:
            yield f"item {item.place}, {plain(item.key)}: {plain(outcome.error)}"
            if outcome.fix:
                yield f"  to mend it: {plain(outcome.fix)}"
            yield from (f"  left behind, to be done by hand: {plain(line)}" for line in outcome.left_behind)


def reasons(part: Waiting, around: Around) -> list[str]:
    """Say what a part waits for: all that holds it up, or that it is about to go."""
    room = around.rooms.get(part.head)
    found = []
    if part.waits_for:
        found.append(f"for jobs on the same names: {_jobs(part.waits_for, around)}")
    if not part.is_admitted:
        found += _of_head(part, around, room)
    label = part.label if part.is_admitted else (room.label if room is not None else None)
    found += _of_workers(label, around)
    if found:
        return found
    return ["for a worker with room" if part.is_admitted else "for its turn, which comes at a worker's next look"]


def _of_head(part: Waiting, around: Around, room: Room | None) -> Iterator[str]:
    head = around.heads.get(part.head, HeadRow(name=part.head))
    if head.drained_at is not None:
        why = f": {plain(head.why)}" if head.why else ""
        yield f"since the head is drained{why} (lunops heads resume {plain(part.head)})"
    if head.retry_at > around.now_at:
        yield f"until {moment(head.retry_at)}, when the head is tried again: {plain(head.error)}"
    elif part.not_before_at > around.now_at:
        yield f"until {moment(part.not_before_at)}, to be begun anew"
    busy = [each.job_id for each in around.queue if each.head == part.head and each.is_admitted]
    if busy and head.failures:
        yield f"for job {_jobs(busy, around)}, which goes ahead to see whether the head answers: {plain(head.error)}"
    elif room is not None and len(busy) >= room.limit:
        yield f"for room on its head, which takes {room.limit} at once: {_jobs(busy, around)}"


def _of_workers(label: str | None, around: Around) -> Iterator[str]:
    """Say that nobody does such work; `label` is None where the inventory does not know the head."""
    named = "" if label is None else f" with the label {plain(label)}" if label else " without a label"
    able = [each for each in around.workers if label is None or label in each.labels]
    if not any(around.is_alive(each) for each in able):
        last = max(able, key=lambda each: each.beat_at, default=None)
        heard = "" if last is None else f"; {plain(last.name)} was last heard of {moment(last.beat_at)}"
        yield f"for a worker{named if around.workers else ''}: none is alive{heard}"


def _jobs(ids: Sequence[str], around: Around) -> str:
    return ", ".join(around.short.get(each, each) for each in ids)
