"""zfs rename on a simulated head."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lunops.sim.datasets import Dataset, Datasets, name_error
from lunops.sim.options import CommandError, Options, misuse
from lunops.sim.properties import FILESYSTEM, SNAPSHOT
from lunops.sim.state import State
from lunops.sim.tree import below


class Renaming:
    """The command. `parents` sees that what is above a name is there, or makes it."""

    def __init__(self, state: State, parents: Callable[..., None]) -> None:
        self._state = state
        self._parents = parents
        self._datasets = Datasets(state)

    def run(self, words: Sequence[str]) -> None:
        """Rename a dataset with all that is below it, or one snapshot within its dataset."""
        options = Options("rename", words, "fpur")
        if len(options.words) > 2:
            raise misuse("too many arguments", "rename")
        if len(options.words) < 2:
            missing = "missing target dataset argument" if options.words else "missing source dataset argument"
            raise misuse(missing, "rename")
        old, new = options.words
        one = self._datasets.find(old)
        if one is None:
            raise CommandError(f"cannot open '{old}': dataset does not exist")
        if options.has("u") and one.type != FILESYSTEM:
            raise CommandError(f"cannot open '{old}': operation not applicable to datasets of this type")
        if one.type == SNAPSHOT and "@" not in new and "/" not in new:
            new = f"{old.partition('@')[0]}@{new}"
        if new == old:
            return
        self._check(one, new, make_parents=options.has("p"))
        if self._datasets.find(new):
            raise CommandError(f"cannot rename '{old}': dataset already exists")
        self._datasets.move(old, new)
        self._relink(new)

    def _check(self, one: Dataset, new: str, *, make_parents: bool) -> None:
        is_snapshot = one.type == SNAPSHOT
        wrong = name_error(new, is_snapshot=is_snapshot)
        if is_snapshot and "@" not in new:
            wrong = "trailing slash in name"  # so says zfs
        if not wrong and is_snapshot and new.partition("@")[0] != one.name.partition("@")[0]:
            wrong = "snapshots must be part of same dataset"
        if wrong:
            raise CommandError(f"cannot rename to '{new}': {wrong}")
        if is_snapshot:
            return
        if "/" not in new:
            raise CommandError(f"cannot create '{new}': missing dataset name")
        self._parents(new, make=make_parents)
        if "/" not in one.name or new.split("/")[0] != one.name.split("/")[0]:
            raise CommandError(f"cannot rename to '{new}': datasets must be within same pool")
        if new.startswith(one.name + "/"):
            what = "New dataset name cannot be a descendant of current dataset name"
            raise CommandError(f"cannot rename to '{new}': {what}")

    def _relink(self, name: str) -> None:
        """Have udev make the links of the new names when it gets to it."""
        late = time.time() + self._state.faults().link_delay_s
        where = "link_at is not null and (dataset = ? or (dataset > ? and dataset < ?))"
        self._state.do(f"update devices set link_at = ? where {where}", late, name, *below(name))
