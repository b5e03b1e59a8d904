"""A task at work: what a module is given, and how it goes through its items."""

from __future__ import annotations

import threading
import traceback

from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Mapping, Sequence, Set

    from lunops.agent.system import System

BUG = "this is a bug of lunops: please report it"


class Item:
    """One thing to do: its key, and the module's arguments for it."""

    def __init__(self, key: str, args: Dict[str, Any]) -> None:
        self.key = key
        self.args = args


class UndoKind:
    """How one kind of `made` entry is taken back, and the command with which a person would do it.

    `take_back` gets the task at work, the entry and the outcome, notes what it did in `outcome.changes`, does
    nothing where nothing is left to do, and raises ItemError where it may or can not.
    """

    def __init__(
        self,
        take_back: Callable[[Work, Sequence[Any], Outcome], None],
        by_hand: Callable[[Sequence[Any]], str],
    ) -> None:
        self.take_back = take_back
        self.by_hand = by_hand


class Work:
    """One running task: the head, the settings, and where outcomes go.

    `report` may be called from any thread, exactly once for each item.
    """

    def __init__(
        self,
        system: System,
        report: Callable[[Item, Outcome, float], None],
        *,
        check: bool = False,
        forks: int = 4,
        timeout_s: float = 600.0,
    ) -> None:
        self.system = system
        self.check = check
        self.forks = max(1, forks)
        self.cancelled = threading.Event()
        self.wait_s = 0.0  # spent waiting for locks
        self.deadline = system.monotonic() + timeout_s
        self.reported: Set[str] = set()  # keys of the items whose outcome was sent
        # Takes, without waiting, more names than the items say, each by a key; returns the errors of those that others
        # have. The session keeps them.
        self.take_names: Callable[[Mapping[str, Set[str]]], Mapping[str, ItemError]] = lambda _wanted: {}
        self._report = report
        self._started = system.monotonic()

    def is_over(self) -> bool:
        """Return whether no further item may begin: cancelled, or out of time."""
        return self.cancelled.is_set() or self.system.monotonic() > self.deadline

    def report(self, item: Item, outcome: Outcome, seconds: float | None = None) -> None:
        """Send the item's outcome; `seconds` defaults to the time since the task began."""
        if seconds is None:
            seconds = self.system.monotonic() - self._started
        self.reported.add(item.key)
        self._report(item, outcome, seconds)

    def skip(self, item: Item) -> None:
        """Send that the item was not begun."""
        outcome = Outcome()
        if self.cancelled.is_set():
            outcome.skipped = True
        else:
            outcome.fail(
                ItemError("the task's time was over before this item's turn", "give the task a longer timeout")
            )
        self.report(item, outcome, 0.0)

    def each(self, items: Sequence[Item], do: Callable[[Item, Outcome], None], forks: int = 0) -> None:
        """Call `do` for each item, up to `forks` at once, and report what it leaves in the outcome.

        An error fails its item alone; no new item begins once the task is over. With 1 they are done in their order.
        """
        waiting = list(reversed(items))
        lock = threading.Lock()

        def loop() -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    item = waiting.pop()
                if self.is_over():
                    self.skip(item)
                    continue
                begun = self.system.monotonic()
                outcome = Outcome()
                guarded(outcome, lambda: do(item, outcome))  # noqa: B023 - called before the loop goes on
                self.report(item, outcome, self.system.monotonic() - begun)

        # This thread is one of them: most tasks are about one thing, and a thread costs more than many of those do.
        threads = [threading.Thread(target=loop, daemon=True) for _ in range(min(forks or self.forks, len(items)) - 1)]
        for thread in threads:
            thread.start()
        loop()
        for thread in threads:
            thread.join()


def guarded(outcome: Outcome, do: Callable[[], None]) -> None:
    """Call `do`; whatever it raises becomes the outcome's error, so that no item ends without one."""
    try:
        do()
    except ItemError as error:
        outcome.fail(error)
    except OSError as error:
        outcome.fail(ItemError(explain(error)))
    except Exception:
        outcome.fail(ItemError("the agent failed: %s" % traceback.format_exc(), BUG))


def explain(error: ItemError | OSError) -> str:
    """Return what an error says, with the path where it has one."""
    if isinstance(error, ItemError):
        return error.what
    text = error.strerror or str(error)
    return "%s: %s" % (error.filename, text) if error.filename else text
