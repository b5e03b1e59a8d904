"""What a run comes to: counters for each head, items, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lunops.model import RunResult, Status, TaskResult
from lunops.recap.line import Detail, Line, cells, clean, count, fit, title
from lunops.recap.told import HEAD, word

COUNTERS = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")
CHANGED_CODE = 3
_HEAD_MOST = 40  # columns of a head's name


def counters(result: RunResult, head: str) -> dict[str, int]:
    """Return how many of a head's tasks ended how; see `all_counters`."""
    return all_counters(result)[head]


def all_counters(result: RunResult) -> dict[str, dict[str, int]]:
    """Return each head's tasks counted as Ansible does.

    `ok` counts the changed ones too, and those that failed and were ignored; what was rescued counts as rescued, and
    as nothing else. `unknown` is there in check mode alone, where a task was.
    """
    found: dict[str, Counter[str]] = {head: Counter() for head in result.heads}
    for task in result.tasks:
        found.setdefault(task.head, Counter()).update(_counted_as(task))
    return {
        head: {
            **{name: counts[name] for name in COUNTERS},
            **({"unknown": counts["unknown"]} if counts["unknown"] else {}),
        }
        for head, counts in found.items()
    }


def _counted_as(task: TaskResult) -> tuple[str, ...]:
    if task.status.is_bad and task.is_ignored:
        return ("ok", "ignored")
    if task.status.is_bad and task.is_rescued:
        return ("rescued",)
    return ("ok", "changed") if task.status is Status.CHANGED else (str(task.status),)


def exit_code(results: Sequence[TaskResult], *, detailed: bool = False) -> int:
    """Return 0, 2 where a head failed, 4 where one was unreachable, 6 for both; what was ignored or rescued is neither.

    `detailed`: 3 instead of 0 where anything changed; in check mode, where anything would, or where that is unknown.
    """
    found = {task.status for task in results if not (task.is_ignored or task.is_rescued)}
    bad = (2 if Status.FAILED in found else 0) | (4 if Status.UNREACHABLE in found else 0)
    changed = (Status.CHANGED, Status.UNKNOWN)
    if (
        detailed
        and not bad
        and any(task.status in changed or any(item.status in changed for item in task.items) for task in results)
    ):
        return CHANGED_CODE
    return bad


def recap_lines(result: RunResult) -> Iterator[Line]:
    """Give PLAY RECAP: tasks per head, counted as in Ansible, and its time; then how many items there were."""
    yield title("PLAY RECAP")
    counted = all_counters(result)
    seconds = head_seconds(result)
    wedged = {task.head for task in result.tasks if task.wedged}
    width = min(_HEAD_MOST, max((cells(clean(head)) for head in counted), default=0))
    for head, counts in counted.items():
        words = "  ".join(f"{name}={number:<4}" for name, number in counts.items())
        name = clean(head)
        yield Line(
            text=f"{name if cells(name) > width else fit(name, width)} : {words}  {seconds.get(head, 0.0):8.3f}s"
            + "  WEDGED" * (head in wedged),
            status=_head_status(counts),
        )
    yield Line(text=f"{_items_text(result)} in {result.total_s:.3f}s")


def head_seconds(result: RunResult) -> dict[str, float]:
    """Return how long each head's tasks took in sum."""
    seconds: dict[str, float] = {}
    for task in result.tasks:
        seconds[task.head] = seconds.get(task.head, 0.0) + task.times.total_s
    return seconds


def _head_status(counts: Mapping[str, int]) -> Status:
    for status in (Status.UNREACHABLE, Status.FAILED, Status.CHANGED, Status.UNKNOWN):
        if counts.get(status):
            return status
    return Status.OK


def _items_text(result: RunResult) -> str:
    """Return how many items there were, each counted once, whatever the number of its tasks.

    An item that is the head itself is another one in each task.
    """
    ended: dict[tuple[str, str, str], set[Status]] = {}
    for task in result.tasks:
        forgiven = task.is_ignored or task.is_rescued
        if not task.items and task.status.is_bad and not forgiven:
            ended.setdefault((task.head, task.task_id, ""), set()).add(task.status)  # it did not come to its items
        for item in task.items:
            status = Status.OK if forgiven and item.status.is_bad else item.status
            of_task = task.task_id if task.no_log or item.key in ("", HEAD, task.head, task.delegate) else ""
            ended.setdefault((task.head, of_task, item.key), set()).add(status)
    failed = sum(any(status.is_bad for status in found) for found in ended.values())
    changed = sum(Status.CHANGED in found and not any(each.is_bad for each in found) for found in ended.values())
    unknown = sum(Status.UNKNOWN in found and Status.CHANGED not in found for found in ended.values())
    changes = f"{changed} {word(Status.CHANGED, Detail(check=result.check))}"
    return f"{count(len(ended), 'item')}: {changes}, {failed} failed," + (f" {unknown} unknown," if unknown else "")
