"""zfs snapshot, zfs rollback and zfs promote on a simulated head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lunops.sim import facts, properties
from lunops.sim.datasets import Dataset, Datasets, name_error
from lunops.sim.options import CommandError, Options, misuse
from lunops.sim.properties import SNAPSHOT
from lunops.sim.state import State


class Snapshots:
    """The commands."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._datasets = Datasets(state)

    def snapshot(self, words: Sequence[str]) -> None:
        """Take snapshots, all of one transaction group, or none."""
        options = Options("snapshot", words, "ro:")
        settings = options.settings()
        if not options.words:
            raise misuse("missing snapshot argument", "snapshot")
        wanted: dict[str, str] = {}  # dataset → the first snapshot that is wanted of it
        names: dict[str, None] = {}
        for word in options.words:
            base, at, tag = word.partition("@")
            if not at:
                raise misuse("", "snapshot")
            one = self._datasets.find(base)
            if one is None:
                raise misuse(f"cannot open '{base}': dataset does not exist", "snapshot")
            wrong = name_error(word, is_snapshot=True)
            if wrong:
                raise CommandError(f"cannot create snapshot '{word}': {wrong}")
            for each in self._with_children(one) if options.has("r") else [one]:
                names[f"{each.name}@{tag}"] = None
        none = "\nno snapshots were created" if len(options.words) > 1 else ""
        if not all(properties.is_user(key) for key in settings):
            raise CommandError(f"cannot create snapshots : this property can not be modified for snapshots{none}")
        for name in names:
            if wanted.setdefault(name.partition("@")[0], name) != name:
                raise CommandError(f"cannot create snapshots : multiple snapshots of same fs not allowed{none}")
        there = [
            f"cannot create snapshot '{name}': dataset already exists" for name in names if self._datasets.find(name)
        ]
        if there:
            raise CommandError("\n".join(there) + none)
        self.take(list(names), settings)

    def take(self, names: Sequence[str], settings: Mapping[str, str]) -> None:
        """Take snapshots that are known to be possible; call it while changing the state."""
        txg = self._state.counter("txg")
        for name in names:
            one = self._datasets.find(name.partition("@")[0])
            if one is None:
                raise CommandError(f"cannot open '{name.partition('@')[0]}': dataset does not exist")
            self._datasets.add(
                name, SNAPSHOT, settings, volsize=one.volsize, volblocksize=one.volblocksize, refer=one.refer
            )
            self._state.do("update datasets set txg = ? where name = ?", txg, name)
            facts.note(self._state, name, facts.WRITTEN, str(facts.written(self._state, one)))
            facts.note(self._state, name, facts.JOURNALED, facts.fact(self._state, one.name, facts.JOURNALED))
            facts.note(self._state, one.name, facts.WRITTEN, "0")

    def rollback(self, words: Sequence[str]) -> None:
        """Make a dataset as its snapshot is, with -r without those that are newer."""
        options = Options("rollback", words, "rRf")
        if not options.words:
            raise misuse("missing dataset argument", "rollback")
        if len(options.words) > 1:
            raise misuse("too many arguments", "rollback")
        name = options.words[0]
        wrong = name_error(name.replace("#", ""), is_snapshot=True)
        if wrong:
            raise CommandError(f"cannot open '{name}': {wrong}")
        then = self._datasets.find(name)
        if then is None:
            raise CommandError(f"cannot open '{name}': dataset does not exist")
        dataset = name.partition("@")[0]
        newer = [each for each in self._snapshots(dataset) if each.txg > then.txg]
        self._refuse_newer(name, newer, options)
        for each in newer:
            self._datasets.remove(each.name)
        self._state.do("update datasets set refer = ?, volsize = ? where name = ?", then.refer, then.volsize, dataset)
        has_journal = facts.fact(self._state, name, facts.JOURNALED)
        facts.note(self._state, dataset, facts.WRITTEN, str(facts.HEAD_BYTES if has_journal else 0))

    def _refuse_newer(self, name: str, newer: Sequence[Dataset], options: Options) -> None:
        if newer and not (options.has("r") or options.has("R")):
            lines = [f"cannot rollback to '{name}': more recent snapshots or bookmarks exist"]
            lines += ["use '-r' to force deletion of the following snapshots and bookmarks:"]
            raise CommandError("\n".join([*lines, *(each.name for each in newer)]))
        clones = [clone for each in newer for clone in self._datasets.clones(each.name)]
        if clones:  # -R would take them along; nobody here may use it
            lines = [f"cannot rollback to '{name}': clones of previous snapshots exist"]
            lines += ["use '-R' to force deletion of the following clones and dependents:"]
            raise CommandError("\n".join([*lines, *clones]))
        held = next((each for each in newer if facts.holds(self._state, each.name)), None)
        if held is not None:
            raise CommandError(f"cannot destroy '{held.name}': dataset is busy")

    def promote(self, words: Sequence[str]) -> None:
        """Have a clone and the dataset of its origin change places."""
        options = Options("promote", words, "")
        if not options.words:
            raise misuse("missing clone filesystem argument", "promote")
        if len(options.words) > 1:
            raise misuse("too many arguments", "promote")
        name = options.words[0]
        wrong = name_error(name)
        one = self._datasets.find(name)
        if wrong or one is None:
            raise CommandError(f"cannot open '{name}': {wrong or 'dataset does not exist'}")
        if not one.origin:
            raise CommandError(f"cannot promote '{name}': not a cloned filesystem")
        parent = self._datasets.find(one.origin.split("@")[0])
        origin = self._datasets.find(one.origin)
        if parent is None or origin is None:
            raise CommandError(f"cannot promote '{name}': dataset does not exist")
        moved = [each for each in self._snapshots(parent.name) if each.txg <= origin.txg]
        for snapshot in reversed(moved):
            tag = snapshot.name.split("@")[1]
            if self._datasets.find(f"{name}@{tag}"):
                raise CommandError(f"cannot promote '{name}': conflicting snapshot '{tag}' from parent '{origin.name}'")
        for snapshot in moved:
            self._datasets.move(snapshot.name, f"{name}@{snapshot.name.split('@')[1]}")
        self._state.do("update datasets set origin = ? where name = ?", parent.origin, name)
        self._state.do(
            "update datasets set origin = ? where name = ?", f"{name}@{origin.name.split('@')[1]}", parent.name
        )

    def _snapshots(self, dataset: str) -> list[Dataset]:
        """Return a dataset's snapshots, the oldest first."""
        found = [each for each in self._datasets.below(dataset) if each.type == SNAPSHOT]
        return sorted(found, key=lambda each: each.txg)

    def _with_children(self, one: Dataset) -> list[Dataset]:
        children = [child for child in self._datasets.below(one.name) if child.type != SNAPSHOT]
        return [one, *(each for child in children for each in self._with_children(child))]
