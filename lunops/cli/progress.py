"""How far a run is, in one line: items and heads done, the rate, the time left, the bytes of what is moved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lunops.model import ItemResult, Status, Task, TaskResult
from lunops.recap import clean

_LONG_S = 0.5  # what is shorter is over before it is read
_RATE_FROM_S = 2.0  # before that a rate tells little
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(kw_only=True)
class _Bytes:
    """How far one item is."""

    head: str
    key: str
    begun: float
    first: int  # how far it was when first heard of: what was gone on with is not of this rate
    done: int
    total: int


@dataclass(kw_only=True)
class _Work:
    """One task on all heads: what was begun and what has ended."""

    name: str
    begun: float
    at_work: dict[str, int] = field(default_factory=dict)  # heads and how many items each was given
    ended: dict[str, Status] = field(default_factory=dict)
    given: int = 0  # items of the heads that have begun
    done: int = 0
    items_of: dict[str, int] = field(default_factory=dict)  # a head's items of which it was heard how they ended
    bytes: _Bytes | None = None


class Progress:
    """What is known of the tasks under way; `now` is a clock that never goes back."""

    def __init__(self) -> None:
        self._heads: set[str] = set()
        self._work: dict[str, _Work] = {}

    def play(self, heads: Iterable[str]) -> None:
        """Hear that a play begins."""
        self._heads = set(heads)
        self._work.clear()

    def task_started(self, head: str, task: Task, now: float) -> None:
        """Hear that a head begins a task."""
        work = self._work.get(task.id)
        if work is None or (head in work.ended and not work.at_work):  # a handler that is run once more
            for name in [name for name, each in self._work.items() if not each.at_work]:
                del self._work[name]
            work = self._work[task.id] = _Work(name=task.name, begun=now)
        work.at_work[head] = len(task.items)
        work.given += len(task.items)

    def item_ended(self, head: str, task: Task, _item: ItemResult) -> None:
        """Hear that an item ended."""
        if work := self._work.get(task.id):
            work.done += 1
            work.items_of[head] = work.items_of.get(head, 0) + 1
            if work.bytes and (work.bytes.head, work.bytes.key) == (head, _item.key):
                work.bytes = None

    def moved(self, head: str, task: Task, key: str, done: int, total: int, now: float) -> None:
        """Hear how many bytes of an item are moved."""
        work = self._work.setdefault(task.id, _Work(name=task.name, begun=now))
        if work.bytes is None or (work.bytes.head, work.bytes.key) != (head, key):
            work.bytes = _Bytes(head=head, key=key, begun=now, first=done, done=done, total=total)
        work.bytes.done, work.bytes.total = done, total

    def task_ended(self, result: TaskResult) -> None:
        """Hear that a head is done with a task; items of which nothing was heard count as done."""
        if work := self._work.get(result.task_id):
            given = work.at_work.pop(result.head, 0)
            work.done += max(0, given - work.items_of.pop(result.head, 0))
            work.ended[result.head] = result.status
            if work.bytes and work.bytes.head == result.head:
                work.bytes = None
        if result.is_failure:
            self._left(result)

    def _left(self, result: TaskResult) -> None:
        """Leave out a head that takes no more tasks; where it fails alone, as an item, it goes on."""
        if result.error and len(self._heads) > 1:
            for task_id, work in self._work.items():
                if task_id != result.task_id:
                    work.at_work.pop(result.head, None)

    def line(self, now: float) -> str:
        """Return the line, or the empty text where nothing takes long enough."""
        moved = next((work for work in reversed(self._work.values()) if work.bytes), None)
        work = moved or next((work for work in reversed(self._work.values()) if work.at_work), None)
        if work is None or (now - work.begun < _LONG_S and not work.bytes):
            return ""
        heads = max(len(self._heads), len(work.at_work) + len(work.ended))
        # Heads that have not begun will have as many items as those that have.
        begun = len(work.at_work) + len(work.ended)
        given = work.given if begun >= heads or not begun else round(work.given * heads / begun)
        elapsed = now - work.begun
        words = [clean(work.name) or "task"]
        if given > 1:
            words.append(f"{work.done}/{'' if given == work.given else '~'}{given} items")
        if heads > 1:
            words.append(f"{len(work.ended)}/{heads} heads")
        bad = sum(status.is_bad for status in work.ended.values())
        if bad:
            words.append(f"{bad} failed")
        words += _pace(work.done, given, elapsed) if given > 1 else _pace(len(work.ended), heads, elapsed)
        words.append(clock(elapsed))
        if work.bytes:
            words.append(_bytes_text(work.bytes, now))
        elif len(work.at_work) == 1 and heads > 1:
            words.append(f"waiting for {clean(next(iter(work.at_work)))}")
        return ", ".join(words)


def _pace(done: int, whole: int, elapsed: float) -> list[str]:
    if elapsed < _RATE_FROM_S or not done or whole < 2:
        return []
    rate = done / elapsed
    left = [f"{clock((whole - done) / rate)} left"] if done < whole else []
    return [f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s", *left]


def _bytes_text(moved: _Bytes, now: float) -> str:
    text = f"[{clean(moved.head)}] {clean(moved.key)}: {size(moved.done)}"
    if moved.total:
        text += f" of {size(moved.total)}, {min(100, 100 * moved.done // moved.total)} %"
    elapsed = now - moved.begun
    rate = (moved.done - moved.first) / elapsed if elapsed >= 1.0 else 0.0
    if rate > 0:
        text += f", {size(int(rate))}/s"
        if moved.total > moved.done:
            text += f", {clock((moved.total - moved.done) / rate)} left"
    return text


def size(number: int) -> str:
    """Return a number of bytes in the unit in which it is read most easily."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{number} B"


def clock(seconds: float) -> str:
    """Return `0:07`, `12:30` or `1:02:03`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
