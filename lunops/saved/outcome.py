"""What a check run found, as a saved plan has it."""

from __future__ import annotations

from collections.abc import Iterator

from lunops import recap
from lunops.model import ItemResult, RunResult, Status, TaskResult
from lunops.recap import Mask
from lunops.saved.model import SavedItem, SavedTask

_RUN = "(this run)"


def found_by(result: RunResult, *, run: str, mask: Mask) -> dict[str, list[SavedTask]]:
    """Return each head's tasks in the order in which they were done; `run` is the mark of this check run alone."""
    found: dict[str, list[SavedTask]] = {head: [] for head in result.heads}
    for task in recap.masked_run(result, lambda text: mask(text.replace(run, _RUN) if run else text)).tasks:
        found.setdefault(task.head, []).append(_task(task))
    return found


def unknown(result: RunResult, *, mask: Mask) -> Iterator[str]:
    """Give a line for each item of which the check run could not tell what would be done."""
    for task in recap.masked_run(result, mask).tasks:
        for item in task.items:
            if item.status is Status.UNKNOWN:
                name = item.label or item.key
                more = f": {name}" if name and name != task.name else ""
                yield f"[{recap.clean(task.head)}] {task.task_id} {recap.clean(task.name)}{recap.clean(more)}"


def _task(task: TaskResult) -> SavedTask:
    return SavedTask(
        id=task.task_id,
        name=task.name,
        module=task.module,
        play=task.play,
        where=task.where,
        status=task.status.value,
        items=[_item(item) for item in task.items],
        error=task.error,
    )


def _item(item: ItemResult) -> SavedItem:
    return SavedItem(
        key=item.key, label=item.label, status=item.status.value, changes=list(item.changes), error=item.error
    )
