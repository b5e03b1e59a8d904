"""The missing parents of a task's datasets: made once each, before what is to live in them."""

from __future__ import annotations

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Sequence, Set

    from lunops.agent.work import Item, Work


class Parents:
    """The parents of one task's items; `field` is the argument that names an item's dataset."""

    def __init__(self, work: Work, field: str) -> None:
        self._work = work
        self._field = field
        self._made: Dict[str, str] = {}  # name → the run's mark
        self._errors: Dict[str, ItemError] = {}
        self._owner: Dict[str, str] = {}  # name → key of the item that it was made for
        self._found: Dict[str, zfs.Found] = {}

    def make_all(self, items: Sequence[Item], found: Dict[str, zfs.Found], check: Callable[[Item], None]) -> None:
        """Make what is missing for the items whose dataset is not there and that `check` does not refuse."""
        self._found = found
        for item in items:
            dataset = item.args[self._field]
            if dataset in found or self._work.is_over():
                continue
            outcome = Outcome()
            guarded(outcome, lambda: check(item))  # noqa: B023 - called at once
            if outcome.error:
                continue  # nothing is made for an item that cannot be done
            for name in zfs.parents_of(dataset):
                if self._why_not(name, item) is not None:
                    break
                if name not in found:
                    self._make(name, item)

    def _make(self, name: str, item: Item) -> None:
        """Make one parent for the item, unless that was tried already."""
        if name in self._owner or name in self._errors:
            return
        mark = item.args.get("marks", {}).get(zfs.MADE, "")
        argv = zfs.parent_command(name, {zfs.MADE: mark} if mark else {})
        self._owner[name] = item.key
        if self._work.check:
            self._made[name] = mark
            return
        output = self._work.system.run(argv)
        if output.code == 0:
            self._made[name] = mark
        elif name not in zfs.observe(self._work.system, [name], ("type",)):
            self._errors[name] = ItemError("zfs create %s failed: %s" % (name, zfs.said(output)))

    def _why_not(self, name: str, item: Item) -> ItemError | None:
        """Return why this parent cannot be had for the item."""
        if name in self._errors:
            return self._errors[name]
        if name in self._made:
            return None
        if name in self._found:
            kind = self._found[name].value("type")
            return ItemError("%s is a %s and can hold nothing" % (name, kind)) if kind != "filesystem" else None
        if "/" not in name:
            return ItemError("there is no pool %s" % name, "see: zpool list")
        if not item.args.get("create_parent"):
            return ItemError("the parent %s does not exist" % name, "set createParent (create_parent)")
        return None

    def check(self, item: Item, outcome: Outcome) -> None:
        """Raise what went wrong with the item's parents; note what was made for it."""
        for name in zfs.parents_of(item.args[self._field]):
            error = self._why_not(name, item)
            if error is not None:
                raise error
            if name in self._made:
                outcome.made.append(["parent", name, self._made[name]])
                if self._owner[name] == item.key:
                    outcome.changes.append(zfs.shown(zfs.parent_command(name, {})))

    def take_back_unused(self, done: Set[str]) -> None:
        """Destroy the parents that this task made and that no item came to use, the deepest first."""
        used = {parent for name in done for parent in zfs.parents_of(name)}
        for name in sorted(self._made, key=len, reverse=True):
            if name not in used and not self._work.check:
                self._work.system.run(["zfs", "destroy", name])  # refused by ZFS if anything lives in it
