"""Jobs in words, for a terminal: a list of them, and their events. Pure; `job_text` has all that is known of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lunops.cli.heads import plain
from lunops.model import Json
from lunops.store.rows import Event, JobRow


def moment(at: float | None) -> str:
    """Return a time by the wall clock, local, or `-`."""
    return "-" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


def span(seconds: float | None) -> str:
    """Return a duration, or `-`."""
    if seconds is None:
        return "-"
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f}ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A job of a list. Times are on the steady clock; of what has not come yet, up to now."""

    job: JobRow
    short: str  # of its id
    client: str  # the common name
    heads: Sequence[str]
    done: int  # items

    def waited_s(self, now_s: float) -> float:
        """Return how long it waited until it was begun."""
        until = self.job.started_s if self.job.started_s is not None else self.job.ended_s
        return max(0.0, (now_s if until is None else until) - self.job.accepted_s)

    def ran_s(self, now_s: float) -> float | None:
        """Return how long it ran, or None if it was not begun."""
        if self.job.started_s is None:
            return None
        return max(0.0, (now_s if self.job.ended_s is None else self.job.ended_s) - self.job.started_s)


def job_table(jobs: Sequence[Listed], now_s: float) -> list[str]:
    """Return a table of jobs."""
    rows = [("ID", "STATE", "KIND", "DONE", "HEADS", "CLIENT", "ACCEPTED", "WAITED", "RAN")]
    for each in jobs:
        shown = ",".join(each.heads) if len(each.heads) < 4 else f"{each.heads[0]} and {len(each.heads) - 1} more"
        rows.append(
            (
                each.short,
                str(each.job.state),
                each.job.kind,
                f"{each.done}/{each.job.num_requested}",
                plain(shown),
                plain(each.client),
                moment(each.job.accepted_at),
                span(each.waited_s(now_s)),
                span(each.ran_s(now_s)),
            )
        )
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns of equal width."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def event_line(event: Event) -> str:
    """Return an event as a line."""
    data: Mapping[str, Json] = event.data if isinstance(event.data, dict) else {}
    clock = datetime.fromtimestamp(event.at).astimezone().strftime("%H:%M:%S")
    place = " ".join(part for part in (event.head, event.task_id, event.key) if part)
    said = ", ".join(f"{name} {_value(value)}" for name, value in data.items() if value not in ("", [], None))
    return plain(f"{event.number:>5} {clock} {event.kind:<8} {place}{': ' if place and said else ''}{said}")


def _value(value: Json) -> str:
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
