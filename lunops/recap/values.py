"""A run as a JSON value; docs/output.md says what each key is."""

from __future__ import annotations

from lunops.model import ItemResult, Json, RunResult, TaskResult
from lunops.recap.counts import all_counters, head_seconds
from lunops.recap.hidden import masked_run
from lunops.recap.line import Mask, same
from lunops.recap.waterfall import critical_path, unaccounted_s

_TIMES = ("wait_s", "template_s", "connect_s", "run_s", "transfer_s", "total_s")


def as_json(result: RunResult, *, mask: Mask = same) -> Json:
    """Return the whole run as a JSON value; times in seconds, `made` left out, as it is the agent's own."""
    result = masked_run(result, mask)
    seconds = head_seconds(result)
    return {
        "plan": result.plan,
        "check": result.check,
        "changed": result.is_changed,
        "failed": result.is_bad,
        "total_s": round(result.total_s, 6),
        "unaccounted_s": round(unaccounted_s(result), 6),
        "critical_path": [
            {"head": one.result.head, "id": one.result.task_id, "seconds": round(one.result.times.total_s, 6)}
            for one in critical_path(result)
        ],
        "heads": {
            head: {"unknown": 0, **counts, "total_s": round(seconds.get(head, 0.0), 6)}
            for head, counts in all_counters(result).items()
        },
        "tasks": [_task_json(task) for task in result.tasks],
    }


def _task_json(task: TaskResult) -> Json:
    return {
        "head": task.head,
        "delegate": task.delegate,
        "play": task.play,
        "id": task.task_id,
        "name": task.name,
        "module": task.module,
        "where": task.where,
        "is_handler": task.is_handler,
        "status": str(task.status),
        "ignored": task.status.is_bad and task.is_ignored,
        "rescued": task.status.is_bad and task.is_rescued,
        "no_log": task.no_log,
        "attempts": task.attempts,
        "error": task.error,
        "fix": task.fix,
        **({"wedged": True} if task.wedged else {}),
        "begun_s": round(task.begun_s, 6),
        "times": {name: round(getattr(task.times, name), 6) for name in _TIMES},
        "items": [_item_json(item) for item in task.items],
    }


def _item_json(item: ItemResult) -> Json:
    return {
        "key": item.key,
        "label": item.label or item.key,
        "status": str(item.status),
        "changes": list(item.changes),
        "error": item.error,
        "fix": item.fix,
        "rolled_back": list(item.rolled_back),
        "left_behind": list(item.left_behind),
        "seconds": round(item.seconds, 6),
        **({"data": item.data} if item.data is not None else {}),
    }
