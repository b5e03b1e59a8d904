"""Where the time of a run went: a bar for each task, the time in which nothing was under way, the critical path."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from lunops.model import RunResult, Times
from lunops.recap.line import BARS, WIDTH, Line, cells, clean, fit, title
from lunops.recap.spans import Span, Timed, length, spans, timed, union

# In the order in which they come within a task; the last is what of its time no part accounts for.
_PARTS = ("wait", "template", "connect", "run", "transfer", "other")
_SIGNS = dict(zip(_PARTS, BARS, strict=True))
_NAME_MOST = 24
_ROWS_MOST = 30
_STEPS_MOST = 10
_AT_ONCE_S = 0.002  # a head that goes on so soon after its own task had waited for nothing else
_NOISE_S = 1e-6  # of sums of floating point numbers


def waterfall_lines(result: RunResult, width: int = WIDTH) -> Iterator[Line]:
    """Give the lines, none wider than `width`."""
    tasks = [span for span in spans(result) if span.busy_s]
    if not tasks:
        return
    end_s = max(result.total_s, *(one.ended_s for span in tasks for one in span.timed))
    yield title("WHERE THE TIME WENT")
    shown = _shown(tasks)
    names = min(_NAME_MOST, width // 3, max(4, *(cells(clean(span.name)) for span in shown)))
    room = max(10, width - names - 9 - 3)
    for span in shown:
        bar = bar_of(span.timed, end_s, room)
        yield Line(text=f"{fit(clean(span.name), names)}{span.busy_s:>9.3f} |{bar}|")
    if len(tasks) > len(shown):
        left = union(one.interval for span in tasks if span not in shown for one in span.timed)
        yield Line(text=fit(f"and {len(tasks) - len(shown)} short ones, together {length(left):.3f}s", width).rstrip())
    yield from _sums(tasks, width)
    yield from _last_lines(result, width)


def _shown(tasks: Sequence[Span]) -> list[Span]:
    """Return the longest tasks, in their order."""
    longest = {id(span) for span in sorted(tasks, key=lambda span: -span.busy_s)[:_ROWS_MOST]}
    return [span for span in sorted(tasks, key=lambda span: span.begun_s) if id(span) in longest]


def parts_of(times: Times) -> dict[str, float]:
    """Return the parts of a task's time, in the order in which they come, each no more than is left of the whole."""
    left = times.total_s
    parts: dict[str, float] = {}
    for name in _PARTS[:-1]:
        parts[name] = min(left, max(0.0, float(getattr(times, f"{name}_s"))))
        left -= parts[name]
    return {**parts, "other": left}


def bar_of(of: Sequence[Timed], end_s: float, room: int) -> str:
    """Return a bar of so many columns for the whole run; each shows what most of its time went to on all heads."""
    columns: list[dict[str, float]] = [{} for _ in range(room)]
    for one in of:
        at = one.begun_s
        for name, seconds in parts_of(one.result.times).items():
            _fill(columns, name, at / end_s * room, (at + seconds) / end_s * room)
            at += seconds
    return "".join(_SIGNS[max(column, key=lambda name: column[name])] if column else " " for column in columns)


def _fill(columns: Sequence[dict[str, float]], name: str, begin: float, end: float) -> None:
    """Give each column its share of what goes from `begin` to `end`, measured in columns."""
    if end <= begin:
        return
    for place in range(max(0, int(begin)), min(len(columns), int(end) + 1)):
        share = min(end, place + 1) - max(begin, place)
        if share > 0:
            columns[place][name] = columns[place].get(name, 0.0) + share


def _sums(tasks: Sequence[Span], width: int) -> Iterator[Line]:
    """Give the legend, with what each part comes to on all heads."""
    sums = dict.fromkeys(_PARTS, 0.0)
    for span in tasks:
        for one in span.results:
            for name, seconds in parts_of(one.times).items():
                sums[name] += seconds
    words = [f"{_SIGNS[name]} {name} {seconds:.3f}s" for name, seconds in sums.items() if seconds >= 0.0005]
    line = "all heads:"
    for each in words:
        if cells(f"{line} {each}") > width:
            yield Line(text=line)
            line = "          "
        line += f" {each}"
    yield Line(text=fit(line, width).rstrip())


def _last_lines(result: RunResult, width: int) -> Iterator[Line]:
    idle = unaccounted_s(result)
    yield Line(text=fit(f"unaccounted: {idle:.3f}s{_share(idle, result)}, no task was under way", width).rstrip())
    path = critical_path(result)
    whole = sum(one.result.times.total_s for one in path)
    text = f"critical path: {whole:.3f}s{_share(whole, result)}, {len(path)} {'task' if len(path) == 1 else 'tasks'}"
    yield Line(text=fit(text, width).rstrip())
    longest = sorted(path, key=lambda one: -one.result.times.total_s)[:_STEPS_MOST]
    for one in path:
        if one in longest:
            seconds = one.result.times.total_s
            words = f"  {seconds:9.3f}s  {clean(one.result.name)} [{clean(one.result.head)}]"
            yield Line(text=fit(words, width).rstrip())
    if len(path) > len(longest):
        yield Line(text=f"  and {len(path) - len(longest)} shorter ones")


def _share(seconds: float, result: RunResult) -> str:
    return f" of {result.total_s:.3f}s ({100 * seconds / result.total_s:.0f} %)" if result.total_s > 0 else ""


def unaccounted_s(result: RunResult) -> float:
    """Return for how long no head had any task under way."""
    busy = union((max(0.0, one.begun_s), min(result.total_s, one.ended_s)) for one in timed(result.tasks))
    return max(0.0, result.total_s - length(busy))


def critical_path(result: RunResult) -> list[Timed]:
    """Return the chain of results that the end of the run waited for, in their order.

    From the one that ended last back to the one before which nothing was: before each comes what the same head did
    until then, else what ended last before it, on whatever head: the slowest at the barrier.
    """
    some = sorted((one for one in timed(result.tasks) if one.result.times.total_s > 0), key=lambda one: one.ended_s)
    if not some:
        return []
    ends = [one.ended_s for one in some]
    place = len(some) - 1
    path = [some[place]]
    while True:
        place = min(place, bisect_right(ends, path[-1].begun_s + _NOISE_S)) - 1
        if place < 0:
            return path[::-1]
        place = _own(some, place, path[-1])
        path.append(some[place])


def _own(some: Sequence[Timed], place: int, now: Timed) -> int:
    """Return the place of what the same head ended just before, if it went on at once; else `place`."""
    for at in range(place, -1, -1):
        if some[at].ended_s < now.begun_s - _AT_ONCE_S:
            break
        if some[at].result.head == now.result.head:
            return at
    return place
