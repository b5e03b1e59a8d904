"""lun: have each LUN whole, or gone: the modules that it is made of, one after the other over the batch.

    {"zfs_clone": {…}, "wait_for_device": {…}, "lio_target": {…}}     a LUN to have
    {"lio_absent": {…}, "zfs_destroy": {…}}     one to take away; its clone stays without the second

Each part has the arguments of that module. An item that fails leaves the later parts, and what the earlier ones made
for it is taken back at once.
"""

from __future__ import annotations

from lunops.agent import absent, clone, destroy, device, target, undo
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.wedged import Wedged
from lunops.agent.work import Item, Work

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Sequence

# In this order: what is to go frees names and room for what is to come.
_PARTS: Dict[str, Callable[[Work, Sequence[Item]], None]] = {
    "lio_absent": absent.run,
    "zfs_destroy": destroy.run,
    "zfs_clone": clone.run,
    "wait_for_device": device.run,
    "lio_target": target.run,
}


class _Doing:
    """One LUN on its way."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome = Outcome()
        self.seconds = 0.0
        self.is_told = False
        self.last = [name for name in _PARTS if name in item.args][-1]


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    doings = {item.key: _Doing(item) for item in items}
    for part, do in _PARTS.items():
        going = [doing for doing in doings.values() if part in doing.item.args and not doing.is_told]
        if going:
            _part(work, part, do, going)


def _part(work: Work, part: str, do: Callable[[Work, Sequence[Item]], None], going: List[_Doing]) -> None:
    """Do one part for all that have come so far; tell those that end with it."""
    by_key = {doing.item.key: doing for doing in going}
    waiting = set(by_key)
    ended: List[_Doing] = []

    def take(item: Item, found: Outcome, seconds: float) -> None:
        doing = by_key[item.key]
        waiting.discard(item.key)
        doing.seconds += seconds
        _add(doing.outcome, found)
        if found.error or found.skipped:
            ended.append(doing)
        elif part == doing.last:
            doing.is_told = True
            work.report(doing.item, doing.outcome, doing.seconds)

    inner = Work(work.system, take, check=work.check, forks=work.forks)
    inner.cancelled, inner.deadline = work.cancelled, work.deadline
    try:
        do(inner, [Item(doing.item.key, doing.item.args[part]) for doing in going])
    except (ItemError, OSError) as error:
        what = error if isinstance(error, ItemError) else ItemError("%s: %s" % (error.filename or part, error.strerror))
        for key in list(waiting):
            take(by_key[key].item, Outcome().fail(what), 0.0)
        if isinstance(what, Wedged):
            for doing in ended:
                _leave(doing.outcome)
                work.report(doing.item, doing.outcome, doing.seconds)
            raise what from None
    finally:
        work.wait_s += inner.wait_s
    for doing in ended:  # only now: the part may hold the locks that this needs
        doing.is_told = True
        if doing.outcome.skipped and doing.outcome.made:
            doing.outcome.fail(ItemError("the run was cancelled before all of it was done", "run it again"))
        if doing.outcome.error and not work.check:
            _take_back(work, doing.outcome)
        work.report(doing.item, doing.outcome, doing.seconds)


def _add(outcome: Outcome, found: Outcome) -> None:
    """Add what a part has come to."""
    if found.error:
        outcome.fail(ItemError(found.error, found.fix))
    outcome.skipped = found.skipped
    outcome.changes += found.changes
    outcome.rolled_back += found.rolled_back
    outcome.left_behind += found.left_behind
    outcome.made += [] if found.error else found.made


def _take_back(work: Work, outcome: Outcome) -> None:
    """Take back what the parts before made, the newest first; what cannot be is told."""
    made, outcome.made = outcome.made, []
    for step in reversed(made):
        done = Outcome()
        try:
            undo.KINDS[step[0]].take_back(work, step, done)
        except (ItemError, OSError) as error:
            outcome.left_behind.append(undo.KINDS[step[0]].by_hand(step))
            outcome.rolled_back.append("not taken back: %s" % error)
        outcome.rolled_back += done.changes


def _leave(outcome: Outcome) -> None:
    """Tell what was made and stays: on a wedged head nothing can be taken back."""
    outcome.left_behind += [undo.KINDS[step[0]].by_hand(step) for step in reversed(outcome.made)]
    outcome.made = []
