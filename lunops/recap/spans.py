"""When which task was under way: a run's results by task, each with its part of the run's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lunops.model import RunResult, TaskResult

Interval = tuple[float, float]  # seconds since the run began


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One head's result, and when that was; the beginning by our clock, the length by whoever measured it."""

    result: TaskResult
    begun_s: float

    @property
    def ended_s(self) -> float:
        """When it ended, since the run began."""
        return self.begun_s + self.result.times.total_s

    @property
    def interval(self) -> Interval:
        """When it was under way."""
        return self.begun_s, self.ended_s


@dataclass(frozen=True, kw_only=True)
class Span:
    """One task on all heads that came to it."""

    task_id: str
    name: str
    timed: tuple[Timed, ...]

    @property
    def results(self) -> tuple[TaskResult, ...]:
        """The results, in the order in which they ended."""
        return tuple(one.result for one in self.timed)

    @property
    def begun_s(self) -> float:
        """When the first head began it."""
        return min((one.begun_s for one in self.timed if one.result.times.total_s), default=0.0)

    @property
    def busy_s(self) -> float:
        """For how long any head was at it."""
        return length(union(one.interval for one in self.timed))

    @property
    def slowest(self) -> TaskResult:
        """The result of the head that took the longest."""
        return max(self.results, key=lambda result: result.times.total_s)


def spans(result: RunResult) -> tuple[Span, ...]:
    """Return the run by task, in the order in which each first ended; one that a head does twice counts as two."""
    found: dict[tuple[str, int], list[Timed]] = {}
    times_done: dict[tuple[str, str], int] = {}
    for one in timed(result.tasks):
        mine = (one.result.head, one.result.task_id)
        times_done[mine] = times_done.get(mine, 0) + 1
        found.setdefault((one.result.task_id, times_done[mine]), []).append(one)
    return tuple(
        Span(task_id=task_id, name=some[0].result.name, timed=tuple(some)) for (task_id, _), some in found.items()
    )


def timed(results: Sequence[TaskResult]) -> list[Timed]:
    """Return the results with their beginnings: where none is known, each head's tasks followed each other at once."""
    if any(result.begun_s for result in results):
        return [Timed(result=result, begun_s=result.begun_s) for result in results]
    done: dict[str, float] = {}
    found: list[Timed] = []
    for result in results:
        begun_s = done.get(result.head, 0.0)
        done[result.head] = begun_s + result.times.total_s
        found.append(Timed(result=result, begun_s=begun_s))
    return found


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same time as intervals that do not touch, in order."""
    found: list[Interval] = []
    for begin, end in sorted(each for each in intervals if each[1] > each[0]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def length(intervals: Iterable[Interval]) -> float:
    """Return how long they are together."""
    return sum(end - begin for begin, end in intervals)
