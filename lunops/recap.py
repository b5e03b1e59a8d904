"""Say what a run did: lines for each task, the recap of each head, the slowest tasks; as text and as a JSON value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lunops.model import ItemResult, Json, RunResult, Status, TaskResult

UNDO = "undo"  # the module of a task that takes back what failed items left
_WIDTH = 79
_SLOWEST = 10
_COUNTERS = ("ok", "changed", "unreachable", "failed", "skipped")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the report, and the status that gives it its colour."""

    text: str
    status: Status | None = None


@dataclass(frozen=True, kw_only=True)
class Detail:
    """How much of each item is said."""

    items: bool = False  # a line for every item; failed ones always have theirs
    changes: bool = False  # every change below its item


def title(words: str) -> Line:
    """Return a heading as Ansible writes it, filled up with stars."""
    text = _clean(words)
    return Line(text=text + " " + "*" * max(3, _WIDTH - len(text) - 1))


def task_title(name: str) -> Line:
    """Return the heading of a task."""
    return title(f"TASK [{name}]")


def task_lines(result: TaskResult, detail: Detail) -> Iterator[Line]:
    """Give the lines for one task on one head: its items, what went wrong, and its time."""
    for item in result.items:
        told = bool(result.error) and item.error == result.error  # below, once for all of them
        if detail.items or (item.status.is_bad and not told) or _shows_changes(result, item, detail):
            yield from _item_lines(result, item, detail)
    counts = ", ".join(f"{count} {status}" for status in Status if (count := result.count(status)))
    yield Line(
        text=f"{result.status}: [{_clean(result.head)}] {counts or 'nothing'} in {_times(result)}", status=result.status
    )
    if result.error:
        yield from _trouble(result.error, result.fix, "  ", result.status)


def _item_lines(result: TaskResult, item: ItemResult, detail: Detail) -> Iterator[Line]:
    yield Line(text=f"{item.status}: [{_clean(result.head)}] => (item={_clean(item.key)})", status=item.status)
    if _shows_changes(result, item, detail):
        yield from (Line(text=f"    {_clean(change)}", status=item.status) for change in item.changes)
    if item.error and item.error != result.error:
        yield from _trouble(item.error, item.fix, "    ", item.status)
    yield from (Line(text=f"    taken back: {_clean(each)}", status=item.status) for each in item.rolled_back)
    yield from (Line(text=f"    left behind: {_clean(each)}", status=item.status) for each in item.left_behind)


def _shows_changes(result: TaskResult, item: ItemResult, detail: Detail) -> bool:
    return bool(item.changes) and (detail.changes or result.module == UNDO)


def _trouble(error: str, fix: str, indent: str, status: Status) -> Iterator[Line]:
    first, *more = error.splitlines() or [""]
    yield Line(text=f"{indent}error: {_clean(first)}", status=status)
    yield from (Line(text=f"{indent}  {_clean(line)}", status=status) for line in more)
    if fix:
        yield Line(text=f"{indent}to mend it: {_clean(fix)}", status=status)


def recap_lines(result: RunResult) -> Iterator[Line]:
    """Give PLAY RECAP: tasks per head, counted as in Ansible (`ok` holds the changed ones), and its time."""
    yield title("PLAY RECAP")
    width = max((len(_clean(head)) for head in result.heads), default=0)
    for head in result.heads:
        counts = counters(result, head)
        words = "  ".join(f"{name}={counts[name]:<4}" for name in _COUNTERS)
        wedged = "  WEDGED" * any(task.wedged for task in result.tasks if task.head == head)
        yield Line(
            text=f"{_clean(head):<{width}} : {words}  {_head_s(result, head):8.3f}s{wedged}",
            status=_head_status(counts),
        )
    yield Line(text=f"{_items_text(result)} in {result.total_s:.3f}s")


def slowest_lines(result: RunResult, most: int = _SLOWEST) -> Iterator[Line]:
    """Give a table of the slowest tasks, and where each one's time went."""
    tasks = sorted((task for task in result.tasks if task.times.total_s), key=lambda task: -task.times.total_s)
    if not tasks:
        return
    yield title("SLOWEST TASKS")
    rows = [("HEAD", "TASK", "TOTAL", "RUN", "TRANSFER", "CONNECT", "WAIT")]
    for task in tasks[:most]:
        times = task.times
        parts = (times.total_s, times.run_s, times.transfer_s, times.connect_s, times.wait_s)
        total, run, transfer, connect, wait = (f"{part:.3f}" for part in parts)
        rows.append((_clean(task.head), _clean(f"{task.task_id} {task.name}"), total, run, transfer, connect, wait))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield Line(text="  ".join(cells).rstrip())
    if len(tasks) > most:
        yield Line(text=f"and {len(tasks) - most} more")


def counters(result: RunResult, head: str) -> dict[str, int]:
    """Return how many of a head's tasks ended how; `ok` counts the changed ones too, as in Ansible."""
    found = [task.status for task in result.tasks if task.head == head]
    counts = {name: found.count(Status(name)) for name in _COUNTERS}
    return {**counts, "ok": counts["ok"] + counts["changed"]}


def report(result: RunResult, detail: Detail) -> str:
    """Return the whole run as text, task by task in the order of the plan."""
    lines = [title(f"PLAY [{result.plan}]")]
    for task_id, name in dict.fromkeys((task.task_id, task.name) for task in sorted(result.tasks, key=_place)):
        lines += [Line(text=""), task_title(name)]
        for task in result.tasks:
            if task.task_id == task_id:
                lines += task_lines(task, detail)
    lines += [Line(text=""), *recap_lines(result), Line(text=""), *slowest_lines(result)]
    return "".join(f"{line.text}\n" for line in lines)


def as_json(result: RunResult) -> Json:
    """Return the whole run as a JSON value; times in seconds, `made` left out, as it is the agent's own."""
    return {
        "plan": result.plan,
        "check": result.check,
        "changed": result.is_changed,
        "failed": result.is_bad,
        "total_s": round(result.total_s, 6),
        "heads": {
            head: {**counters(result, head), "total_s": round(_head_s(result, head), 6)} for head in result.heads
        },
        "tasks": [_task_json(task) for task in result.tasks],
    }


def _task_json(task: TaskResult) -> Json:
    times = task.times
    return {
        "head": task.head,
        "id": task.task_id,
        "name": task.name,
        "module": task.module,
        "status": str(task.status),
        "error": task.error,
        "fix": task.fix,
        **({"wedged": True} if task.wedged else {}),
        "times": {
            name: round(getattr(times, name), 6) for name in ("wait_s", "connect_s", "run_s", "transfer_s", "total_s")
        },
        "items": [
            {
                "key": item.key,
                "status": str(item.status),
                "changes": list(item.changes),
                "error": item.error,
                "fix": item.fix,
                "rolled_back": list(item.rolled_back),
                "left_behind": list(item.left_behind),
                "seconds": round(item.seconds, 6),
                **({"data": item.data} if item.data is not None else {}),
            }
            for item in task.items
        ],
    }


def _items_text(result: RunResult) -> str:
    """Return how many items there were, each counted once, whatever the number of its tasks."""
    ended: dict[tuple[str, str], set[Status]] = {}
    for task in result.tasks:
        for item in task.items:
            ended.setdefault((task.head, item.key), set()).add(item.status)
    failed = sum(any(status.is_bad for status in found) for found in ended.values())
    changed = sum(Status.CHANGED in found and not any(each.is_bad for each in found) for found in ended.values())
    items = f"{len(ended)} item{'' if len(ended) == 1 else 's'}"
    return f"{items}: {changed} {'would change' if result.check else 'changed'}, {failed} failed,"


def _times(result: TaskResult) -> str:
    times = result.times
    parts = [("run", times.run_s), ("transfer", times.transfer_s), ("connect", times.connect_s), ("wait", times.wait_s)]
    shown = ", ".join(f"{name} {seconds:.3f}" for name, seconds in parts if seconds >= 0.0005)
    return f"{times.total_s:.3f}s" + (f" ({shown})" if shown else "")


def _head_s(result: RunResult, head: str) -> float:
    return sum(task.times.total_s for task in result.tasks if task.head == head)


def _head_status(counts: dict[str, int]) -> Status:
    for status in (Status.UNREACHABLE, Status.FAILED, Status.CHANGED):
        if counts[status]:
            return status
    return Status.OK


def _place(task: TaskResult) -> str:
    return task.task_id


def _clean(text: str) -> str:
    """Return the text in one line, what would steer a terminal shown as its code: names and errors are a head's."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def exit_code(results: Sequence[TaskResult]) -> int:
    """Return 0, 2 where a head failed, 4 where one was unreachable, 6 for both."""
    found = {task.status for task in results}
    return (2 if Status.FAILED in found else 0) | (4 if Status.UNREACHABLE in found else 0)
