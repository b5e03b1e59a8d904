"""drift: look for what is not as it is recorded; change nothing.

    {}                                     the one item is the head

`data` is a list with one entry for each LUN that differs:
    {"key", "wwn", "dataset", "storage_object", "state", "where": […], "reasons": […], "mend": […], "refused", "fix"}
"""

from __future__ import annotations

from lunops.agent import mend
from lunops.agent.outcome import Outcome
from lunops.agent.work import Work, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.work import Item


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    for item in items:
        outcome = Outcome()
        guarded(outcome, lambda: _look(work, outcome))  # noqa: B023 - called at once
        work.report(item, outcome)


def _look(work: Work, outcome: Outcome) -> None:
    outcome.data = told(work)


def told(work: Work) -> List[Dict[str, Any]]:
    """Return what differs on the head, each with what reconcile would do about it, or why it would not."""
    found = mend.look(work)
    left_s = max(0.0, work.deadline - work.system.monotonic())
    asking = Work(work.system, lambda _item, _outcome, _seconds: None, check=True, timeout_s=left_s)
    outcomes = mend.mend(asking, found, ())
    shown = []
    for each in found:
        outcome = outcomes[each.key]
        mends = [] if outcome.error else outcome.changes
        shown.append(dict(each.shown(), key=each.key, mend=mends, refused=outcome.error, fix=outcome.fix))
    return shown
