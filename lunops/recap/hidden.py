"""What of a result is not for everyone: secrets are masked, and of a `no_log` task only the status is left.

Masked before anything is made of the texts: a secret with a quote, a line end or a control character in it looks
otherwise once it stands in JSON, in XML or in a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lunops.model import ItemResult, Json, RunResult, TaskResult
from lunops.recap.line import Mask, same

HIDDEN = "(output hidden: no_log)"


def masked_run(result: RunResult, mask: Mask) -> RunResult:
    """Return the whole run as it may be shown, written and stored."""
    return replace(result, plan=mask(result.plan), tasks=tuple(masked(task, mask) for task in result.tasks))


def masked(task: TaskResult, mask: Mask) -> TaskResult:
    """Return a task's result as it may be shown, written and stored; doing it twice is the same as once."""
    if mask is same and not task.no_log:
        return task  # thousands of results are shown, most of them without any secret
    items = tuple(_hidden(item, place, task) if task.no_log else item for place, item in enumerate(task.items, 1))
    error, fix = task.error, task.fix
    if task.no_log:
        error, fix = (HIDDEN, _fix(task)) if error else ("", "")
    return replace(
        task,
        name=mask(task.name),
        play=mask(task.play),
        items=tuple(masked_item(item, mask) for item in items),
        error=mask(error),
        fix=mask(fix),
    )


def masked_item(item: ItemResult, mask: Mask) -> ItemResult:
    """Return an item with every text of it masked."""
    return replace(
        item,
        key=mask(item.key),
        label=mask(item.label),
        changes=tuple(map(mask, item.changes)),
        error=mask(item.error),
        fix=mask(item.fix),
        rolled_back=tuple(map(mask, item.rolled_back)),
        left_behind=tuple(map(mask, item.left_behind)),
        data=masked_value(item.data, mask),
    )


def masked_value(value: Json, mask: Mask) -> Json:
    """Return a JSON value with every text in it masked, the keys of objects too."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(key)): masked_value(each, mask) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(each, mask) for each in value]
    return value


def _hidden(item: ItemResult, place: int, task: TaskResult) -> ItemResult:
    """Return the item with its status and time alone; `place` keeps it apart from its siblings."""
    return ItemResult(
        key=f"item {place}",
        status=item.status,
        error=HIDDEN if item.error else "",
        fix=_fix(task) if item.error else "",
        left_behind=(HIDDEN,) if item.left_behind else (),
        seconds=item.seconds,
    )


def _fix(task: TaskResult) -> str:
    return f"look at the task at {task.where}; without its no_log it says more" if task.where else "see the task"
