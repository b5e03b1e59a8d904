"""The slowest tasks, as Ansible's profile_tasks tells them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lunops.model import RunResult
from lunops.recap.line import WIDTH, Line, cells, clean, fit, title
from lunops.recap.spans import Span, spans

Sort = Literal["descending", "ascending", "none"]
_MANY = 5  # from so many heads or items on, percentiles tell something
_HEAD_MOST = 16


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is told of where the time went."""

    limit: int = 10  # how many tasks, 0: all
    sort: Sort = "descending"  # none: in the order in which they ended
    waterfall: bool | None = None  # None: where the run took long enough for it to tell something


def slowest_lines(result: RunResult, profile: Profile | None = None) -> Iterator[Line]:
    """Give a table of the slowest tasks: for how long any head was at it, and which head took the longest.

    The percentiles are those of the heads where they are many, else of the items.
    """
    profile = profile or Profile()
    tasks = [span for span in spans(result) if span.busy_s]
    if not tasks:
        return
    slowest = sorted(tasks, key=lambda span: -span.busy_s)
    chosen = slowest[: profile.limit or None]
    if profile.sort == "ascending":
        chosen.reverse()
    elif profile.sort == "none":
        chosen.sort(key=tasks.index)
    yield title("SLOWEST TASKS")
    rows = [_row(span, result.total_s) for span in chosen]
    heads = min(_HEAD_MOST, max(len("HEAD"), *(cells(row[3]) for row in rows)))
    room = WIDTH - 10 - 7 - (2 + heads) - (18 if any(row[4] for row in rows) else 0)
    names = min(room, max(len("TASK"), *(cells(row[0]) for row in rows)))
    for name, seconds, percent, head, half, most in [("TASK", "SECONDS", "%", "HEAD", "P50", "P95"), *rows]:
        shown = f"{half:>9}{most:>9}" if any(row[4] for row in rows) else ""
        text = f"{fit(name, names)}{seconds:>10}{percent:>7}  {fit(head, heads)}{shown}"
        yield Line(text=text.rstrip())
    if len(tasks) > len(chosen):
        yield Line(text=f"and {len(tasks) - len(chosen)} more")


def _row(span: Span, total_s: float) -> tuple[str, str, str, str, str, str]:
    percent = f"{100 * span.busy_s / total_s:.1f}" if total_s > 0 else ""
    seconds = [result.times.total_s for result in span.results if result.times.total_s]
    if len(seconds) < _MANY:
        seconds = [item.seconds for result in span.results for item in result.items if item.seconds]
    half, most = ("", "")
    if len(seconds) >= _MANY:
        half, most = f"{percentile(seconds, 50):.3f}", f"{percentile(seconds, 95):.3f}"
    return clean(span.name), f"{span.busy_s:.3f}", percent, clean(span.slowest.head), half, most


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the least of the values that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
