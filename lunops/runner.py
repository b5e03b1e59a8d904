"""Run a plan: heads side by side, each head's tasks in order, and what a failed item left behind taken back.

A runner only decides when what is done; printing and storing hang off the observer. What goes wrong on one head is
that head's result, and never stops another.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lunops.head_run import HeadRun, HeadSession, Observer, Silent, failed_keys, needs_lio
from lunops.model import HeadPlan, Host, ItemResult, Plan, RunResult, Task, TaskResult

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
    state = _State(observer=_OneAtATime(observer or Silent()), cancelled=cancelled or threading.Event())
    waiting: queue.SimpleQueue[HeadPlan] = queue.SimpleQueue()
    for head in plan.heads:
        waiting.put(head)

    def work() -> None:
        while True:
            try:
                head = waiting.get_nowait()
            except queue.Empty:
                return
            _run_head(head, state, connect, check=check, waited_s=time.monotonic() - begun)

    # Daemons: a second Ctrl-C must end the program even if a connection hangs in the kernel.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(max(1, forks), len(plan.heads)))]
    for thread in threads:
        thread.start()
    again = 0.0
    for thread in threads:
        while thread.is_alive():
            thread.join(_LOOK_S)
            if state.cancelled.is_set() and time.monotonic() >= again:
                state.cancel_all()
                again = time.monotonic() + _AGAIN_S
    if state.bugs:
        raise state.bugs[0]
    return RunResult(
        plan=plan.name,
        check=check,
        tasks=tuple(state.results),
        heads=tuple(head.host.name for head in plan.heads),
        total_s=time.monotonic() - begun,
    )


@dataclass(kw_only=True)
class _State:
    """What the threads of one run share."""

    observer: Observer
    cancelled: threading.Event
    lock: threading.Lock = field(default_factory=threading.Lock)
    results: list[TaskResult] = field(default_factory=list)  # in the order in which they ended
    running: list[HeadRun] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)

    def add(self, result: TaskResult) -> None:
        with self.lock:
            self.results.append(result)

    def cancel_all(self) -> None:
        with self.lock:
            running = list(self.running)
        for head in running:
            head.cancel()


def _run_head(
    plan: HeadPlan, state: _State, connect: Callable[[Host], HeadSession], *, check: bool, waited_s: float
) -> None:
    """Do all of one head's tasks, then take back what failed items left."""
    head = HeadRun(
        plan.host,
        connect=connect,
        observer=state.observer,
        check=check,
        waited_s=waited_s,
        for_lio=needs_lio(plan.tasks),
    )
    with state.lock:
        state.running.append(head)
    if state.cancelled.is_set():
        head.cancel()
    try:
        _do(head, plan.tasks, state)
    except Exception as error:
        state.bugs.append(error)
    finally:
        with state.lock:
            state.running.remove(head)
        head.close()


def _do(head: HeadRun, tasks: Iterable[Task], state: _State) -> None:
    results: list[TaskResult] = []
    for task in tasks:
        results.append(head.task(task, without=failed_keys(results)))
        state.add(results[-1])
    undone = head.take_back(results)
    if undone is not None:
        state.add(undone)


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

    def task_ended(self, result: TaskResult) -> None:
        with self._lock:
            self._observer.task_ended(result)
