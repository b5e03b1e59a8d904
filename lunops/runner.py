"""Run a plan: heads side by side, each head's tasks in order, and what a failed item left behind taken back.

A runner only decides when what is done; printing and storing hang off the observer. What goes wrong on one head is
that head's result, and never stops another.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lunops.head_run import HeadRun, HeadSession, Observer, OneAtATime, Silent, failed_keys, needs_lio
from lunops.model import HeadPlan, Host, Plan, RunResult, TaskResult

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

    Once `cancelled` is set, running tasks end between two items and nothing more is begun. The observer is called
    by one thread at a time. An error that is no `HeadError` is a bug: it is raised when all heads have ended.
    """
    begun = time.monotonic()
    run = _Run(
        connect=connect,
        observer=OneAtATime(observer or Silent()),
        check=check,
        cancelled=cancelled or threading.Event(),
    )
    run.side_by_side(plan.heads, forks)
    if run.bugs:
        raise run.bugs[0]
    return RunResult(
        plan=plan.name,
        check=check,
        tasks=tuple(run.results),
        heads=tuple(head.host.name for head in plan.heads),
        total_s=time.monotonic() - begun,
    )


@dataclass(kw_only=True)
class _Run:
    """What the threads of one run share."""

    connect: Callable[[Host], HeadSession]
    observer: Observer
    check: bool
    cancelled: threading.Event
    begun: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_work: set[HeadRun] = field(default_factory=set)
    results: list[TaskResult] = field(default_factory=list)  # in the order in which they ended
    bugs: list[Exception] = field(default_factory=list)

    def side_by_side(self, heads: Sequence[HeadPlan], forks: int) -> None:
        """Do what each head is to do, on up to `forks` of them at once."""
        waiting: queue.SimpleQueue[HeadPlan] = queue.SimpleQueue()
        for head in heads:
            waiting.put(head)

        def work() -> None:
            while True:
                try:
                    head = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._do(head)
                except Exception as error:
                    self.bugs.append(error)

        # Daemons: a second Ctrl-C must end the program even if a connection hangs in the kernel.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(max(1, forks), len(heads)))]
        for thread in threads:
            thread.start()
        again = 0.0
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_S)
                if self.cancelled.is_set() and time.monotonic() >= again:
                    self._cancel_all()
                    again = time.monotonic() + _AGAIN_S

    def _do(self, head: HeadPlan) -> None:
        """Do a head's tasks, and after the last one take back what failed items left."""
        run = HeadRun(
            head.host,
            connect=self.connect,
            observer=self.observer,
            check=self.check,
            waited_s=time.monotonic() - self.begun,
            for_lio=needs_lio(task.module for task in head.tasks),
        )
        with self.lock:
            self.at_work.add(run)
        if self.cancelled.is_set():
            run.cancel()
        try:
            results: list[TaskResult] = []
            for task in head.tasks:
                results.append(self._add(run.task(task, without=failed_keys(results))))
            undone = run.take_back(results)
            if undone is not None:
                self._add(undone)
        finally:
            with self.lock:
                self.at_work.discard(run)
            run.close()

    def _cancel_all(self) -> None:
        """End the running tasks between two items, and begin no others."""
        with self.lock:
            running = list(self.at_work)
        for run in running:
            run.cancel()

    def _add(self, result: TaskResult) -> TaskResult:
        with self.lock:
            self.results.append(result)
        return result
