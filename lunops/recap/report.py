"""A whole run as text, when it is over."""

from __future__ import annotations

from collections.abc import Iterator

from lunops.model import RunResult
from lunops.recap.counts import recap_lines
from lunops.recap.hidden import masked_run
from lunops.recap.line import Detail, Line, Mask, same
from lunops.recap.slowest import Profile, slowest_lines
from lunops.recap.spans import spans
from lunops.recap.told import group_lines, place_lines, play_title, task_title
from lunops.recap.waterfall import waterfall_lines

_LONG_S = 1.0  # below that a waterfall tells nothing that the table does not


def report(result: RunResult, detail: Detail, profile: Profile | None = None, *, mask: Mask = same) -> str:
    """Return the whole run as text, task by task in the order in which they ended."""
    return "".join(f"{line.text}\n" for line in report_lines(masked_run(result, mask), detail, profile))


def report_lines(
    result: RunResult, detail: Detail, profile: Profile | None = None, *, end: bool = True
) -> Iterator[Line]:
    """Give the lines of the whole run; without `end`, what is said when it is over is left out."""
    play = None
    for span in spans(result):
        first = span.results[0]
        if first.play != play:
            yield from () if play is None else (Line(text=""),)
            yield play_title(first.play or result.plan, check=result.check)
        play = first.play
        yield Line(text="")
        yield task_title(span.name, span.task_id, is_handler=first.is_handler)
        yield from place_lines(first, detail)
        yield from group_lines(span.results, detail)
    if play is None:
        yield play_title(result.plan, check=result.check)
    if end:
        yield from end_lines(result, detail, profile)


def end_lines(result: RunResult, detail: Detail, profile: Profile | None = None) -> Iterator[Line]:
    """Give what is said at the end: the recap, the slowest tasks, where the time went."""
    profile = profile or Profile()
    shows = (result.total_s >= _LONG_S or detail.items) if profile.waterfall is None else profile.waterfall
    parts = [recap_lines(result), slowest_lines(result, profile)]
    if shows and len({task.task_id for task in result.tasks if task.times.total_s}) > 1:
        parts.append(waterfall_lines(result))
    for part in parts:
        lines = list(part)
        if lines:
            yield Line(text="")
            yield from lines
