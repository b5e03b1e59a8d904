"""The lines for one task: on one head, or on many that ended alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lunops.model import ItemResult, Json, Status, TaskResult
from lunops.recap.changes import change_lines, has_changes
from lunops.recap.heads import in_few_words
from lunops.recap.hidden import HIDDEN, masked
from lunops.recap.line import Detail, Line, Tone, clean, indented, same, title

UNDO = "undo"  # the module of a task that takes back what failed items left
_TELLING = frozenset({"debug", "assert"})  # modules that are there to say something
_HANDLER = re.compile(r".*\.h\d+", re.DOTALL)  # the id of a handler's task
HEAD = "head"  # the key of an item that is the head itself
_OUTPUT_MOST = 20  # lines of a failed command's output; -vvv shows all


@dataclass(frozen=True, kw_only=True)
class _Who:
    """Whose result is told, and how long it took: one head, or a number of them."""

    name: str  # with its brackets
    time: str
    is_many: bool = False


def task_title(name: str, task_id: str = "", *, is_handler: bool = False) -> Line:
    """Return the heading of a task; that it is a handler can be told by the task's id, too."""
    return title(f"{'RUNNING HANDLER' if is_handler or _HANDLER.fullmatch(task_id) else 'TASK'} [{name}]")


def place_lines(result: TaskResult, detail: Detail) -> Iterator[Line]:
    """Give what stands below the heading: where the task is, if that is asked for."""
    if detail.places and result.where:
        yield Line(text=f"task path: {clean(result.where)}", tone=Tone.ASIDE)


def play_title(name: str, *, check: bool) -> Line:
    """Return the heading of a play."""
    return title(f"PLAY [{name}]" + (" (check mode: nothing is changed)" if check else ""))


def retry_line(head: str, task_name: str, attempt: int, of: int) -> Line:
    """Return the line for an attempt that failed, of so many in all."""
    # Ansible says `1 retries`, too; whoever looks for these lines in a log looks for that.
    text = f"FAILED - RETRYING: [{clean(head)}]: {clean(task_name)} ({max(0, of - attempt)} retries left)."
    return Line(text=text, tone=Tone.WARNING)


def note_lines(text: str) -> Iterator[Line]:
    """Give a warning, as Ansible writes it."""
    first, *more = text.split("\n")
    yield Line(text=f"[WARNING]: {clean(first)}", tone=Tone.WARNING)
    yield from (Line(text=f"  {clean(line)}", tone=Tone.WARNING) for line in more)


def group_lines(results: Sequence[TaskResult], detail: Detail) -> Iterator[Line]:
    """Give the lines for one task on all its heads: where they are many, the same outcome is told once."""
    if len(results) <= detail.many:
        for result in results:
            yield from task_lines(result, detail)
        return
    alike: dict[tuple[Line, ...], list[TaskResult]] = {}
    for result in results:
        said = tuple(_lines(masked(result, same), detail, _Who(name="", time="", is_many=True)))
        alike.setdefault(said, []).append(result)
    for group in alike.values():
        if len(group) == 1:
            yield from task_lines(group[0], detail, among_many=True)
        else:
            name = f"[{_names(group)}] ({len(group)} heads)"
            who = _Who(name=name, time=_time_range(group), is_many=True)
            yield from _lines(masked(group[0], same), detail, who)


def task_lines(result: TaskResult, detail: Detail, *, among_many: bool = False) -> Iterator[Line]:
    """Give the lines for one task on one head: its items, what went wrong, and its time."""
    head = f"{clean(result.head)} -> {clean(result.delegate)}" if result.delegate else clean(result.head)
    yield from _lines(masked(result, same), detail, _Who(name=f"[{head}]", time=_time(result), is_many=among_many))


def _names(group: Sequence[TaskResult]) -> str:
    delegates = {result.delegate for result in group}
    to = f" -> {clean(delegates.pop())}" if len(delegates) == 1 and delegates != {""} else ""
    return in_few_words(result.head for result in group) + to


def _lines(result: TaskResult, detail: Detail, who: _Who) -> Iterator[Line]:
    """Give all lines of a result; those of many heads differ in nothing but `who`."""
    if result.no_log:
        yield from _one_line(result, detail, who, f"{_counts(result, detail)} {HIDDEN}")
        yield from _trouble(result.error, result.fix, "    ", result.status)
        if bad_items := [item for item in result.items if item.status.is_bad and not result.error]:
            yield from _trouble(bad_items[0].error, bad_items[0].fix, "    ", bad_items[0].status)
    elif len(result.items) == 1 and not _is_told_below(result, result.items[0]):
        yield from _only_item(result, result.items[0], detail, who)
    else:
        each = detail.items or (len(result.items) < detail.few and not who.is_many)
        for item in result.items:
            bad = item.status.is_bad and not _is_told_below(result, item)
            telling = _tells(result, item) and item.data is not None
            shared = each and not _is_told_below(result, item)
            if detail.items or shared or bad or telling or _shows_changes(result, item, detail):
                yield from _item_lines(result, item, detail, who)
        # As with one item, those that have said what they are there to say end without a time.
        timed = who.time and (detail.places or not all(_tells(result, item) for item in result.items))
        if not each or timed or result.error or not result.items:
            yield from _one_line(result, detail, who, _counts(result, detail))
    if result.error and not result.no_log:
        yield from _trouble(result.error, result.fix, "    ", result.status)
    if result.is_ignored and result.status.is_bad:
        yield Line(text="...ignoring", tone=Tone.ASIDE)
    elif result.is_rescued and result.status.is_bad:
        yield Line(text="...rescuing", tone=Tone.ASIDE)


def _is_told_below(result: TaskResult, item: ItemResult) -> bool:
    """Return whether the item shares the error of the whole task, which is told once."""
    return bool(result.error) and item.error == result.error


def _one_line(result: TaskResult, detail: Detail, who: _Who, counts: str) -> Iterator[Line]:
    """Give the line for a task as a whole."""
    counts = f" {counts.strip()}" if counts.strip() else ""
    is_whole = bool(result.error) or result.status is Status.UNREACHABLE or len(result.items) < 2
    begin = _begin(result.status, who, detail, is_whole=is_whole)
    yield Line(text=f"{begin}{counts}{_in(who.time)}{_attempts(result)}", status=result.status)


def _only_item(result: TaskResult, item: ItemResult, detail: Detail, who: _Who) -> Iterator[Line]:
    """Give the lines of a task with one item: it is named if it is more than the head itself."""
    named = item.label or item.key not in ("", HEAD, result.head, result.delegate, result.module)
    if named and who.is_many and not detail.items and not item.status.is_bad:
        # Each head has another name for it, and these lines are to be the same on all.
        yield from _one_line(result, detail, who, _counts(result, detail))
        if _shows_changes(result, item, detail):
            yield from _below(result, item, detail)
        return
    told = _tells(result, item) and item.data is not None
    begin = _begin(item.status, who, detail, is_whole=not named)
    text = begin + (f" => (item={clean(item.label or item.key)})" if named else "")
    text += ("" if told and not detail.places else _in(who.time)) + _attempts(result)
    yield from _with_data(text, result, item, detail)
    yield from _below(result, item, detail)


def _item_lines(result: TaskResult, item: ItemResult, detail: Detail, who: _Who) -> Iterator[Line]:
    text = f"{_begin(item.status, who, detail, is_whole=False)} => (item={clean(item.label or item.key)})"
    if detail.places and item.seconds and who.time:
        text += f" in {item.seconds:.3f}s"
    yield from _with_data(text, result, item, detail)
    yield from _below(result, item, detail)


def _with_data(text: str, result: TaskResult, item: ItemResult, detail: Detail) -> Iterator[Line]:
    """Give a line, and the data of the item behind it where they are to be seen."""
    data = _shown_data(result, item)
    if data is None or not (detail.data or _tells(result, item)):
        yield Line(text=text, status=item.status)
        return
    wide = result.module in _TELLING or detail.everything
    said = json.dumps(data, ensure_ascii=False, sort_keys=True, indent=4 if wide else None, default=str)
    first, *more = said.split("\n")
    yield Line(text=f"{text} => {clean(first)}", status=item.status)
    yield from (Line(text=clean(line), status=item.status) for line in more)


def _tells(result: TaskResult, item: ItemResult) -> bool:
    """Return whether the module has said what it is there to say."""
    return result.module in _TELLING and not item.status.is_bad and item.status is not Status.SKIPPED


def _shown_data(result: TaskResult, item: ItemResult) -> Json:
    """Return the data as they are shown: `changed` among them as in Ansible, without the diff, which has its lines."""
    if not isinstance(item.data, Mapping):
        return item.data
    data = {str(key): value for key, value in item.data.items() if key != "diff"}
    if result.module in _TELLING:
        return {key: value for key, value in data.items() if key not in ("changed", "failed")} or None
    return {"changed": item.status is Status.CHANGED, **data}


def _below(result: TaskResult, item: ItemResult, detail: Detail) -> Iterator[Line]:
    """Give what is said below an item: its changes, its error, what was taken back."""
    if _shows_changes(result, item, detail):
        yield from change_lines(item, "    ")
    if item.error and not _is_told_below(result, item):
        yield from _trouble(item.error, item.fix, "    ", item.status)
    if item.status.is_bad and isinstance(item.data, Mapping) and not detail.data:
        yield from _command_lines(item.data, item.status)
    yield from (Line(text=f"    taken back: {clean(each)}", status=item.status) for each in item.rolled_back)
    yield from (Line(text=f"    left behind: {clean(each)}", status=item.status) for each in item.left_behind)


def _command_lines(data: Mapping[str, Json], status: Status) -> Iterator[Line]:
    """Give what a failed command said, the last lines of it."""
    if isinstance(data.get("rc"), int):
        yield Line(text=f"    rc: {data['rc']}", status=status)
    for name in ("stdout", "stderr"):
        text = data.get(name)
        if isinstance(text, str) and text.strip():
            lines = list(indented(text, "      ", status))
            left = len(lines) - _OUTPUT_MOST
            yield Line(text=f"    {name}:" + (f" (the last of {len(lines)} lines)" if left > 0 else ""), status=status)
            yield from lines[max(0, left) :]


def _trouble(error: str, fix: str, indent: str, status: Status) -> Iterator[Line]:
    if not error:
        return
    first, *more = error.splitlines() or [""]
    yield Line(text=f"{indent}error: {clean(first)}", status=status)
    yield from (Line(text=f"{indent}  {clean(line)}", status=status) for line in more)
    if fix:
        yield Line(text=f"{indent}to mend it: {clean(fix)}", status=status)


def _shows_changes(result: TaskResult, item: ItemResult, detail: Detail) -> bool:
    wanted = detail.changes if result.diff is None else result.diff
    return has_changes(item) and (wanted or result.module == UNDO)


def _begin(status: Status, who: _Who, detail: Detail, *, is_whole: bool) -> str:
    """Return how the line begins; `fatal` is for the whole task, as in Ansible."""
    if status is Status.UNREACHABLE:
        return f"fatal: {who.name}: UNREACHABLE!"
    if status is Status.FAILED and is_whole:
        return f"fatal: {who.name}: FAILED!"
    return f"{'skipping' if status is Status.SKIPPED else word(status, detail)}: {who.name}"


def word(status: Status, detail: Detail) -> str:
    """Return what a status is called; in check mode nothing was changed, and it is not said that it was."""
    return "would change" if detail.check and status is Status.CHANGED else str(status)


def _counts(result: TaskResult, detail: Detail) -> str:
    """Return how many items ended how; nothing where the status says it all."""
    if not result.items or (len(result.items) == 1 and (result.no_log or result.items[0].key in ("", HEAD))):
        return ""
    return ", ".join(f"{number} {word(status, detail)}" for status in Status if (number := result.count(status)))


def _attempts(result: TaskResult) -> str:
    return f" after {result.attempts} attempts" if result.attempts > 1 else ""


def _in(time: str) -> str:
    """Return the time as it ends a line."""
    return f" {time}" if time else ""


def _time(result: TaskResult) -> str:
    """Return `in 1.234s` and its parts; nothing where it took none."""
    times = result.times
    if times.total_s < 0.0005:
        return ""
    parts = (
        ("template", times.template_s),
        ("run", times.run_s),
        ("transfer", times.transfer_s),
        ("connect", times.connect_s),
        ("wait", times.wait_s),
    )
    shown = ", ".join(f"{name} {seconds:.3f}" for name, seconds in parts if seconds >= 0.0005)
    return f"in {times.total_s:.3f}s" + (f" ({shown})" if shown else "")


def _time_range(group: Sequence[TaskResult]) -> str:
    """Return the least and the greatest of their times."""
    least, most = min(one.times.total_s for one in group), max(one.times.total_s for one in group)
    return f"in {least:.3f}s to {most:.3f}s" if most >= 0.0005 else ""
