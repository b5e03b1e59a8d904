"""Tell which items of a job are done as a whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lunops.model import Status
from lunops.store.rows import ItemRow, JobRecord, OutcomeRow

GOOD = (Status.OK, Status.CHANGED)
UNDO = "undo"


def good_modules(outcomes: Iterable[OutcomeRow]) -> dict[tuple[str, str], set[str]]:
    """Return, for each head and key, the modules that did their part and whose work still stands."""
    good: dict[tuple[str, str], set[str]] = {}
    undone = set()
    for outcome in outcomes:
        if outcome.module == UNDO:
            if outcome.status in GOOD:
                undone.add((outcome.head, outcome.key))
        elif outcome.status in GOOD:
            good.setdefault((outcome.head, outcome.key), set()).add(outcome.module)
    return {key: modules for key, modules in good.items() if key not in undone}


def is_finished(item: ItemRow, kind: str, good: dict[tuple[str, str], set[str]]) -> bool:
    """Return whether all that the job was to do for this item is done."""
    done = good.get((item.head, item.key), set())
    if kind == "create":
        return done.issuperset({"zfs_clone", "wait_for_device", "lio_target"})
    return done.issuperset({"lio_absent"} if item.keeps_clone else {"lio_absent", "zfs_destroy"})


def unfinished_places(record: JobRecord) -> list[int]:
    """Return the places, in the request, of the items that are not done as a whole."""
    good = good_modules(record.outcomes)
    return [item.place for item in record.items if not is_finished(item, record.job.kind, good)]


def finished_number(kind: str, items: Sequence[ItemRow], outcomes: Iterable[OutcomeRow]) -> int:
    """Return how many of a job's items are done as a whole."""
    good = good_modules(outcomes)
    return sum(is_finished(item, kind, good) for item in items)
