"""What a task tells the controller: each item once, then its end, once, whoever says it."""

from __future__ import annotations

import threading

from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.wedged import Wedged

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence, Set

    from lunops.agent.work import Item


class Reports:
    """The reports of one task. May be used by any thread."""

    def __init__(self, send: Callable[..., None], task: str, *, check: bool) -> None:
        self._send = send
        self._task = task
        self._check = check
        self._lock = threading.Lock()
        self._told: Set[str] = set()
        self.is_over = False

    def item(self, item: Item, outcome: Outcome, seconds: float) -> None:
        """Tell how an item ended; after the task's end, nothing is told."""
        with self._lock:
            if not self.is_over:
                self._tell(item, outcome, seconds)

    def finish(self, items: Sequence[Item], error: ItemError | None, seconds: float, wait_s: float) -> None:
        """Tell the task's end, and before that of each item of which nothing was told; the second end is not told."""
        with self._lock:
            if self.is_over:
                return
            self.is_over = True
            for item in items:
                if item.key not in self._told:
                    self._tell(item, Outcome().fail(error or ItemError("was not done")), 0.0)
            end: dict[str, Any] = {"seconds": round(seconds, 6), "wait_s": round(wait_s, 6)}
            if isinstance(error, Wedged):
                end.update(error=error.what, fix=error.fix, wedged=True)
            self._send(event="task_finished", id=self._task, **end)

    def _tell(self, item: Item, outcome: Outcome, seconds: float) -> None:
        self._told.add(item.key)
        fields = outcome.event(check=self._check)
        self._send(event="item", id=self._task, key=item.key, seconds=round(seconds, 6), **fields)
