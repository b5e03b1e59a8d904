"""How long after a kill the tasks that it cut off were begun again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.destroyer import Struck
from tests.chaos.plan import Blow
from tests.chaos.store import Run

# The clocks of two processes are set by the wall clock when each starts, and the store hears of an item a moment later.
_BLUR_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """A task that was cut off and begun again."""

    run: Run
    after_s: float  # the latest kill that can have been it: it was no sooner than that
    is_sure: bool  # only one can have been it
    blow: Blow


def resumed(runs: Sequence[Run], struck: Sequence[Struck]) -> list[Resumed]:
    """Return every task that was cut off by a kill and begun again.

    The store does not say which process did a task. It was killed after the task was last heard of and before it was
    begun again: if there was more than one kill in between, the latest is taken. While the database was away nobody
    could begin anything: what had to wait for it is not told.
    """
    kills = sorted((each for each in struck if each.blow.is_kill), key=lambda each: each.at)
    away = [each for each in struck if each.blow is Blow.DATABASE]
    found = []
    for before, again in pairwise(runs):
        is_same = (before.job_id, before.head, before.task_id) == (again.job_id, again.head, again.task_id)
        if not is_same or before.ended_s is not None:
            continue
        within = [each for each in kills if before.last_s - _BLUR_S <= each.at <= again.started_s + _BLUR_S]
        if within and not any(each.until >= within[-1].at and each.at <= again.started_s for each in away):
            after_s = max(0.0, again.started_s - within[-1].at)
            found.append(Resumed(run=again, after_s=after_s, is_sure=len(within) == 1, blow=within[-1].blow))
    return found
