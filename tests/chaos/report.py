"""What a run has shown, as values and as a table."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

from tests.chaos.destroyer import Struck
from tests.chaos.plan import Blow
from tests.chaos.resumed import Resumed

RESUME_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run has shown; nothing is wrong if `wrong` is empty."""

    seed: int
    took_s: float
    jobs: int
    complete: int
    failed: int
    unanswered: int  # requests that were sent again
    unknown: int  # jobs that were accepted, but whose answer a killed front did not give
    changes: int  # lines in the journals of all heads
    struck: tuple[Struck, ...]
    resumed: tuple[Resumed, ...]
    wrong: tuple[str, ...]

    def late(self) -> list[str]:
        """Return which tasks were begun again too late, while another worker lived, or that there were none."""
        if not self._measured() and any(each.blow.is_kill for each in self.struck):
            return ["no kill has cut off a task: this run proves nothing"]
        return [
            f"{each.run.task_id} of job {each.run.job_id} on {each.run.head} was begun again {each.after_s:.1f} s after"
            f" the kill, and not within {RESUME_S:g} s"
            for each in self._measured()
            if each.after_s > RESUME_S
        ]

    def lines(self) -> list[str]:
        """Return the table."""
        blows = Counter(each.blow for each in self.struck)
        rows = [
            ("seed", f"{self.seed}"),
            ("jobs", f"{self.jobs} in {self.took_s:.0f} s: {self.complete} complete, {self.failed} failed by cuts"),
            ("requests", f"{self.unanswered} unanswered and sent again, {self.unknown} of them had been accepted"),
            ("changes on heads", f"{self.changes}"),
            *[(str(blow), f"{blows[blow]}") for blow in Blow if blows[blow]],
            ("begun again", self._figures()),
            ("wrong", f"{len(self.wrong)}"),
        ]
        return [f"{name:<17} {value}" for name, value in rows] + [f"  {what}" for what in self.wrong]

    def _measured(self) -> list[Resumed]:
        # After all were killed, a start of Python is part of it.
        return [each for each in self.resumed if each.blow is not Blow.KILL_ALL]

    def _figures(self) -> str:
        seconds = [each.after_s for each in self._measured()]
        if not seconds:
            return "no task was cut off"
        sure = sum(each.is_sure for each in self._measured())
        return (
            f"{len(seconds)} tasks, {statistics.median(seconds):.2f} s after the kill (median), {max(seconds):.2f} s"
            f" (longest); for {sure} it is sure which kill it was"
        )
