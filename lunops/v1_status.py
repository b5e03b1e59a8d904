"""Say how far a job is, in the words of REST v1.0. Pure: rows and the time in, the reply out.

`status` is that of the slowest head: `pending`, `start_job`, then `start_…` and `done_…` of each phase, then
`complete` or, if anything failed, `failed`.

The times are in seconds, and `clone_time + udevd_time + target_time + other_time` is `job_time`, to the
microsecond, on one head as on several side by side: each moment of the job counts once, for the earliest phase
that any head was in. So `clone_time` is how long at least one head made clones, `udevd_time` how long at least one
waited for devices while none made clones, `target_time` how long there were only targets to be made; `other_time`
is what is left: between two tasks, taking back what failed, and while the service was down. A delete removes its
targets first, but its moments count in the same order. `lag_time` is the wait from acceptance to start.

A part of a task that was cut off with the service counts until it was last heard of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from lunops.jobs.finished import GOOD, UNDO, good_modules, is_finished
from lunops.model import Json
from lunops.store.rows import JobRecord, PartRow, RunRow, State


@dataclass(frozen=True, kw_only=True)
class _Phase:
    module: str
    name: str
    time: str


_PHASES = {
    "create": (
        _Phase(module="zfs_clone", name="creating_clones", time="clone_time"),
        _Phase(module="wait_for_device", name="waiting_udevd", time="udevd_time"),
        _Phase(module="lio_target", name="creating_targets", time="target_time"),
    ),
    "delete": (
        _Phase(module="lio_absent", name="deleting_targets", time="target_time"),
        _Phase(module="zfs_destroy", name="deleting_clones", time="clone_time"),
    ),
}
_BAD = (State.FAILED, State.CANCELLED)  # v1.0 knows no word for what was cancelled
_TIMES = ("clone_time", "udevd_time", "target_time")


def reply(record: JobRecord, now_s: float) -> dict[str, Json]:
    """Return the reply to `clone_status`; `now_s` is on the clock of the record's times."""
    job = record.job
    good = good_modules(record.outcomes)
    errors = _errors(record, good)
    finished = [item for item in record.items if is_finished(item, job.kind, good)]
    number = {"zfs_clone": 0, "lio_target": 0}
    for item in record.items:
        done = good.get((item.head, item.key), set())
        # For a delete: a clone that stays as it was asked to counts when its target is gone.
        clone = "zfs_clone" if job.kind == "create" else "lio_absent" if item.keeps_clone else "zfs_destroy"
        number["zfs_clone"] += clone in done
        number["lio_target"] += ("lio_target" if job.kind == "create" else "lio_absent") in done
    answer: dict[str, Json] = {
        "status": _status(record),
        "job_type": job.kind,
        "num_requested": job.num_requested,
        "num_clones": number["zfs_clone"],
        "num_targets": number["lio_target"],
        "num_completed": len(finished),
        "percent_completed": _share(record),
        **_durations(record, now_s),
        "lag_time": _seconds(_ticks((now_s if job.started_s is None else job.started_s) - job.accepted_s)),
    }
    if errors:
        first = errors[0]
        answer["error"] = (
            f"{len(errors)} of {job.num_requested} failed; the first: clones[{first['index']}], {first['dst']}: "
            f"{first['error']}"
        )
        answer["errors"] = errors
    elif job.state in _BAD:
        answer["error"] = next((part.error for part in record.parts if part.error), "the job failed")
    return answer


def _errors(record: JobRecord, good: dict[tuple[str, str], set[str]]) -> list[dict[str, Json]]:
    places = {(task.head, task.task_id): task.place for task in record.tasks}
    bad: dict[tuple[str, str], tuple[str, str]] = {}
    for outcome in sorted(record.outcomes, key=lambda each: places.get((each.head, each.task_id), len(places))):
        if outcome.status.is_bad and outcome.module != UNDO:
            bad.setdefault((outcome.head, outcome.key), (outcome.error, outcome.fix))
    parts = {part.head: part for part in record.parts}
    errors: list[dict[str, Json]] = []
    for item in record.items:
        part = parts[item.head]
        error, fix = bad.get((item.head, item.key), ("", ""))
        if not error and part.state in _BAD and not is_finished(item, record.job.kind, good):
            error, fix = part.error or "it was not done", part.fix
        if error:
            errors.append({"index": item.place, "dst": item.key, "wwn": item.wwn, "error": error, "fix": fix})
    return errors


def _share(record: JobRecord) -> float:
    if record.job.state is State.COMPLETE:
        return 1.0
    total = sum(task.items for task in record.tasks)
    done = sum(outcome.module != UNDO and outcome.status in GOOD for outcome in record.outcomes)
    # Who waits for 1.0 must find the job complete.
    return min(0.99, round(done / total, 4)) if total else 0.0


def _status(record: JobRecord) -> str:
    if record.job.state.is_over:
        return "failed" if record.job.state in _BAD else "complete"
    names = ["pending", "start_job"]
    for phase in _PHASES[record.job.kind]:
        names += [f"start_{phase.name}", f"done_{phase.name}"]
    ranks = [_rank(part, record) for part in record.parts if not part.state.is_over]
    return names[min(ranks, default=len(names) - 1)]


def _rank(part: PartRow, record: JobRecord) -> int:
    if part.state is State.QUEUED:
        return 0
    rank = 1
    for place, phase in enumerate(_PHASES[record.job.kind]):
        runs = [run for run in record.runs if run.head == part.head and run.module == phase.module]
        if runs:
            rank = 2 + 2 * place + (runs[-1].ended_s is not None)
    return rank


def _durations(record: JobRecord, now_s: float) -> dict[str, float]:
    job = record.job
    if job.started_s is None:
        return dict.fromkeys(("job_time", *_TIMES, "other_time"), 0.0)
    start = _ticks(job.started_s)
    end = max(start, _ticks(now_s if job.ended_s is None else job.ended_s))
    spans = {name: list[tuple[int, int]]() for name in _TIMES}
    for phase in _PHASES[job.kind]:
        for run in record.runs:
            if run.module == phase.module:
                until = _ticks(_end_of(run, record, now_s))
                spans[phase.time].append((max(start, _ticks(run.started_s)), min(end, until)))
    took = _shares(spans)
    took["other_time"] = end - start - sum(took.values())
    return {"job_time": _seconds(end - start), **{name: _seconds(ticks) for name, ticks in took.items()}}


def _end_of(run: RunRow, record: JobRecord, now_s: float) -> float:
    if run.ended_s is not None:
        return run.ended_s
    again = any((other.head, other.task_id) == (run.head, run.task_id) and other.run > run.run for other in record.runs)
    over = any(part.head == run.head and part.state.is_over for part in record.parts)
    return run.last_s if again or over else now_s


def _shares(spans: dict[str, list[tuple[int, int]]]) -> dict[str, int]:
    """Return how long each name holds, where every moment counts once: for the first name that covers it."""
    marks = sorted({mark for each in spans.values() for span in each for mark in span})
    took = dict.fromkeys(spans, 0)
    for start, end in pairwise(marks):
        for name, each in spans.items():
            if _covered(start, end, each):
                took[name] += end - start
                break
    return took


def _covered(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(first <= start and end <= last for first, last in spans)


def _ticks(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


def _seconds(ticks: int) -> float:
    return ticks / 1e6
