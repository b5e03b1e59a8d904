"""zfs destroy on a simulated head, and why it refuses."""

from __future__ import annotations

from collections.abc import Sequence

from lunops.sim import facts
from lunops.sim.datasets import Dataset, Datasets, in_order
from lunops.sim.holders import is_held
from lunops.sim.holding import destroy_deferred
from lunops.sim.options import CommandError, Options, misuse
from lunops.sim.properties import FILESYSTEM, SNAPSHOT
from lunops.sim.state import State
from lunops.sim.udev import Udev


class Destroying:
    """The command."""

    def __init__(self, state: State, udev: Udev) -> None:
        self._state = state
        self._udev = udev
        self._datasets = Datasets(state)

    def run(self, words: Sequence[str]) -> None:
        """Destroy one dataset or snapshot, with -r what is below it, with -R the clones as well."""
        options = Options("destroy", words, "vpnrRfd")
        if not options.words:
            raise misuse("missing dataset argument", "destroy")
        if len(options.words) > 1:
            raise misuse("too many arguments", "destroy")
        name = options.words[0]
        one = self._find(name)
        all_of_it = options.has("R")
        if one.type == SNAPSHOT:
            if options.has("d") and (facts.holds(self._state, name) or self._datasets.clones(name)):
                facts.note(self._state, name, facts.DEFERRED, "1")
                return
            if not all_of_it:
                self._refuse_clones(one.name, self._datasets.clones(one.name), "snapshot")
        elif not options.has("r") and not all_of_it:
            self._refuse_children(one)
        doomed = self._doomed(one, clones=all_of_it)
        if not all_of_it:
            inside = {each.name for each in doomed}
            strangers = [
                clone
                for each in doomed
                if each.type == SNAPSHOT and each is not one
                for clone in self._datasets.clones(each.name)
                if clone not in inside
            ]
            self._refuse_clones(name, strangers, _noun(one))
        held = [each.name for each in in_order(doomed) if facts.holds(self._state, each.name)]
        if held:
            raise CommandError("\n".join(f"cannot destroy snapshot {each}: dataset is busy" for each in held))
        if not options.has("n"):
            for each in doomed:
                self._remove(each)

    def _find(self, name: str) -> Dataset:
        one = self._datasets.find(name)
        if one is not None:
            return one
        base, at, _ = name.partition("@")
        if at and self._datasets.find(base):
            raise CommandError("could not find any snapshots to destroy; check snapshot names.")
        if not at and name.endswith("/"):
            raise CommandError(f"cannot open '{name}': trailing slash in name")
        raise CommandError(f"cannot open '{base if at else name}': dataset does not exist")

    def _refuse_children(self, one: Dataset) -> None:
        below = self._doomed(one, clones=False)[:-1]
        if below:
            lines = [f"cannot destroy '{one.name}': {_noun(one)} has children"]
            lines += ["use '-r' to destroy the following datasets:", *(each.name for each in below)]
            raise CommandError("\n".join(lines))

    def _refuse_clones(self, name: str, clones: Sequence[str], noun: str) -> None:
        if clones:
            lines = [f"cannot destroy '{name}': {noun} has dependent clones"]
            raise CommandError("\n".join([*lines, "use '-R' to destroy the following datasets:", *clones]))

    def _doomed(self, one: Dataset, *, clones: bool) -> list[Dataset]:
        """Return what goes with a dataset, itself last."""
        doomed: dict[str, Dataset] = {}

        def visit(each: Dataset) -> None:
            if each.name in doomed:
                return
            below = sorted(self._datasets.below(each.name), key=lambda child: (child.type == SNAPSHOT, child.order))
            for child in below:
                visit(child)
            if clones and each.type == SNAPSHOT:
                for name in self._datasets.clones(each.name):
                    clone = self._datasets.find(name)
                    if clone is not None:
                        visit(clone)
            doomed[each.name] = each

        visit(one)
        return list(doomed.values())

    def _remove(self, one: Dataset) -> None:
        minor = self._udev.minor(one.name)
        if minor is not None and self._state.one("select 1 from claims where minor = ?", minor):
            raise CommandError(f"cannot destroy '{one.name}': dataset is busy")
        if is_held(self._state, one.name):
            raise CommandError(f"cannot destroy '{one.name}': dataset is busy")
        self._udev.vanish(one.name)
        self._datasets.remove(one.name)
        if one.origin:
            destroy_deferred(self._state, one.origin)


def _noun(one: Dataset) -> str:
    return "filesystem" if one.type == FILESYSTEM else one.type
