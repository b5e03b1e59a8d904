"""Run a plan: heads side by side, each head's tasks in order, and what a failed item left behind taken back.

A runner only decides when what is done; printing and storing hang off the observer. What goes wrong on one head is
that head's result, and never stops another.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lunops.head_run import HeadRun, HeadSession, Observer, ProgressObserver, Silent, failed_keys, needs_lio
from lunops.model import HeadPlan, Host, ItemResult, Plan, RunResult, Status, Task, TaskResult

__all__ = ["HeadRun", "Observer", "Silent", "failed_keys", "run_plan"]

_LOOK_S = 0.1  # how often the runner looks whether it was cancelled
_AGAIN_S = 1.0  # how often it says so again: a task may have begun just after it was said


def run_plan(
    plan: Plan,
    *,
    connect: Callable[[Host], HeadSession],
    observer: Observer | None = None,
    check: bool = False,
    forks: int = 8,
    cancelled: threading.Event | None = None,
) -> RunResult:
    """Run the plan on up to `forks` heads at once; return every task's result, those that were not done included.

    Where a play is all or nothing, every head waits at its end for all the others; if anything of it failed on any
    of them, or it was cancelled, each takes back all that it made for that play, and nothing more is begun. Such a
    play does not begin where something has failed before it.

    Once `cancelled` is set, running tasks end between two items and nothing more is begun. The observer is called
    by one thread at a time. An error that is no `HeadError` is a bug: it is raised when all heads have ended.
    """
    begun = time.monotonic()
    run = _Run(
        connect=connect,
        observer=_OneAtATime(observer or Silent()),
        check=check,
        forks=forks,
        cancelled=cancelled or threading.Event(),
        heads=[_Head(plan=head) for head in plan.heads],
    )
    stages = _stages(plan)
    for stage in stages:
        if stage.all_or_nothing and run.has_failed():
            run.stop()
        run.side_by_side(lambda head: run.do(head, stage, is_last=stage is stages[-1]))  # noqa: B023 - called at once
        if stage.all_or_nothing:
            if not run.is_whole(stage):
                run.side_by_side(lambda head: run.take_back_all(head, stage))  # noqa: B023 - called at once
                run.stop()
            run.side_by_side(run.end if stage is stages[-1] else lambda _head: None)
    if run.bugs:
        raise run.bugs[0]
    return RunResult(
        plan=plan.name,
        check=check,
        tasks=tuple(run.results),
        heads=tuple(head.host.name for head in plan.heads),
        total_s=time.monotonic() - begun,
    )


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """Plays that each head does without waiting for another; an all-or-nothing play is a stage of its own."""

    plays: frozenset[int]
    all_or_nothing: bool


def _stages(plan: Plan) -> list[_Stage]:
    """Return the plan's stages in order; one, where no play is all or nothing."""
    stages: list[_Stage] = []
    for play in sorted({task.play for head in plan.heads for task in head.tasks}):
        alone = play in plan.all_or_nothing
        if stages and not alone and not stages[-1].all_or_nothing:
            stages[-1] = _Stage(plays=stages[-1].plays | {play}, all_or_nothing=False)
        else:
            stages.append(_Stage(plays=frozenset({play}), all_or_nothing=alone))
    return stages


@dataclass(kw_only=True)
class _Head:
    """One head of the run: what it is to do, and what it has done."""

    plan: HeadPlan
    run: HeadRun | None = None  # from its first turn to its end
    results: list[TaskResult] = field(default_factory=list)
    of_stage: dict[_Stage, list[TaskResult]] = field(default_factory=dict)
    is_ended: bool = False  # it has no session any more, and gets none


@dataclass(kw_only=True)
class _Run:
    """What the threads of one run share."""

    connect: Callable[[Host], HeadSession]
    observer: Observer
    check: bool
    forks: int
    cancelled: threading.Event
    heads: list[_Head]
    begun: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    results: list[TaskResult] = field(default_factory=list)  # in the order in which they ended
    bugs: list[Exception] = field(default_factory=list)
    is_stopped: bool = False  # nothing more is begun on any head

    def side_by_side(self, do: Callable[[_Head], None]) -> None:
        """Call `do` for every head, on up to `forks` of them at once; a head that it breaks on is ended."""
        waiting: queue.SimpleQueue[_Head] = queue.SimpleQueue()
        for head in self.heads:
            waiting.put(head)

        def work() -> None:
            while True:
                try:
                    head = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    if not head.is_ended:
                        do(head)
                except Exception as error:
                    self.bugs.append(error)
                    self.close(head)

        # Daemons: a second Ctrl-C must end the program even if a connection hangs in the kernel.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(max(1, self.forks), len(self.heads)))]
        for thread in threads:
            thread.start()
        again = 0.0
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_S)
                if self.cancelled.is_set() and time.monotonic() >= again:
                    self.cancel_all()
                    again = time.monotonic() + _AGAIN_S

    def do(self, head: _Head, stage: _Stage, *, is_last: bool) -> None:
        """Do a head's tasks of a stage; after the last one, take back what failed items left."""
        run = self._open(head)
        done = head.of_stage.setdefault(stage, [])
        for task in (task for task in head.plan.tasks if task.play in stage.plays):
            result = run.task(task, without=failed_keys(head.results))
            self._add(head, result)
            done.append(result)
            if stage.all_or_nothing and result.status.is_bad:
                self.cancel_all()  # what the others still do would only be taken back
        if is_last and not stage.all_or_nothing:
            self.end(head)

    def is_whole(self, stage: _Stage) -> bool:
        """Return whether all items of the stage's tasks were done, on all heads."""
        results = [result for head in self.heads for result in head.of_stage.get(stage, [])]
        return not self.bugs and all(
            item.status in (Status.OK, Status.CHANGED) for result in results for item in result.items
        )

    def take_back_all(self, head: _Head, stage: _Stage) -> None:
        """Take back all that a head made in a stage."""
        done = head.of_stage.pop(stage, [])
        for result in self._open(head).take_back_all(done, before=len(head.results) - len(done)):
            self._add(head, result)

    def end(self, head: _Head) -> None:
        """Take back what failed items of the plays that keep what worked have left, and end the session."""
        kept = [result for stage, results in head.of_stage.items() if not stage.all_or_nothing for result in results]
        undone = self._open(head).take_back(kept)
        if undone is not None:
            self._add(head, undone)
        self.close(head)

    def close(self, head: _Head) -> None:
        """End a head's session."""
        with self.lock:
            run, head.run, head.is_ended = head.run, None, True
        if run is not None:
            run.close()

    def has_failed(self) -> bool:
        """Return whether anything has failed so far."""
        return bool(self.bugs) or any(result.status.is_bad for result in self.results)

    def stop(self) -> None:
        """Begin nothing more, on any head: later tasks end as skipped."""
        self.is_stopped = True
        self.cancel_all()

    def cancel_all(self) -> None:
        """End the running tasks between two items, and begin no others."""
        with self.lock:
            running = [head.run for head in self.heads if head.run is not None]
        for run in running:
            run.cancel()

    def _open(self, head: _Head) -> HeadRun:
        with self.lock:
            if head.run is None:
                waited_s = time.monotonic() - self.begun if not head.results else 0.0
                head.run = HeadRun(
                    head.plan.host,
                    connect=self.connect,
                    observer=self.observer,
                    check=self.check,
                    waited_s=waited_s,
                    for_lio=needs_lio(head.plan.tasks),
                )
            run = head.run
        if self.is_stopped or self.cancelled.is_set():
            run.cancel()
        return run

    def _add(self, head: _Head, result: TaskResult) -> None:
        head.results.append(result)
        with self.lock:
            self.results.append(result)


class _OneAtATime:
    """Calls an observer from one thread at a time."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._lock = threading.Lock()

    def task_started(self, head: str, task: Task) -> None:
        with self._lock:
            self._observer.task_started(head, task)

    def item_ended(self, head: str, task: Task, item: ItemResult) -> None:
        with self._lock:
            self._observer.item_ended(head, task, item)

    def progress(self, head: str, task: Task, item_key: str, done_bytes: int, total_bytes: int) -> None:
        if isinstance(self._observer, ProgressObserver):
            with self._lock:
                self._observer.progress(head, task, item_key, done_bytes, total_bytes)

    def task_ended(self, result: TaskResult) -> None:
        with self._lock:
            self._observer.task_ended(result)
