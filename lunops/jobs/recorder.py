"""Write down what a part's run has to say without holding it up: notes are gathered, and written many at once.

A store that cannot be written at this moment (a full disk, a database that restarts) stops no task: the notes wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from lunops.errors import StoreError
from lunops.jobs.outside import Clock
from lunops.model import ItemResult, Task, TaskResult
from lunops.store import StaleError, Store, Work
from lunops.store.keeping import ItemEnded, Note, Progress, TakenBack, TaskBegun, TaskEnded

_log = logging.getLogger("lunops.jobs")


class Recorder:
    """The notes of one part's run, an observer of it. `flush` may be called by any thread."""

    def __init__(self, store: Store, work: Work, worker: str, clock: Clock, on_stale: Callable[[], None]) -> None:
        """`on_stale` is called once, when the part turns out to be another worker's by now."""
        self._store = store
        self._work = work
        self._worker = worker
        self._clock = clock
        self._on_stale = on_stale
        self._notes: list[Note] = []
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        self._is_behind = False
        self._written = 0
        self.is_stale = False

    # ---- what a head's run tells

    def task_started(self, _head: str, _task: Task) -> None:
        """Nothing: `begin` has noted it."""

    def item_ended(self, _head: str, task: Task, item: ItemResult) -> None:
        """Note the result."""
        self._add(ItemEnded(task_id=task.id, module=task.module, item=item, at=self._at(), at_s=self._at_s()))

    def progress(self, _head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        """Note how far an item is."""
        self._add(
            Progress(task_id=task.id, key=item_key, done_bytes=done_bytes, total_bytes=total_bytes, at=self._at())
        )

    def task_ended(self, _result: TaskResult) -> None:
        """Nothing: `end` notes it."""

    # ---- what the part tells

    def begin(self, task_id: str, module: str, items: int) -> None:
        """Note that a task begins; it is written before it does, unless the store cannot be written."""
        self._add(TaskBegun(task_id=task_id, module=module, items=items, at=self._at(), at_s=self._at_s()))
        self.flush()

    def end(self, task_id: str, result: TaskResult | None) -> None:
        """Note that a task has ended, once more with all of its items: nobody told of those that were skipped.

        It is on disk then, since the engine flushes its own file next: after a power failure it would take the task
        for done, and what came of it would be known to nobody.
        """
        self._add(TaskEnded(task_id=task_id, result=result, at=self._at(), at_s=self._at_s()))
        self.flush(is_durable=True)

    def taken_back(self, result: TaskResult) -> None:
        """Note what was taken back."""
        self._add(TakenBack(result=result, at=self._at()))

    def flush(self, *, is_durable: bool = False) -> bool:
        """Write what was noted; return whether nothing is left to be written."""
        with self._writing:
            with self._adding:
                notes = list(self._notes)
            if not notes or self.is_stale:
                return True
            try:
                self._store.keep(self._work, self._worker, notes, after=self._written, is_durable=is_durable)
            except StaleError:
                self.is_stale = True
            except StoreError as error:
                if not self._is_behind:
                    _log.error("%s: what it does is written later: %s", self._work.job_id, error)
                self._is_behind = True
                return False
            else:
                self._is_behind = False
                self._written += len(notes)
                with self._adding:
                    del self._notes[: len(notes)]
                return True
        self._on_stale()
        return True

    def _add(self, note: Note) -> None:
        with self._adding:
            self._notes.append(note)

    def _at(self) -> float:
        return self._clock.at()

    def _at_s(self) -> float:
        return self._clock.steady_s()
