"""zfs hold, zfs release and zfs holds on a simulated head."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lunops.sim import facts
from lunops.sim.datasets import Datasets
from lunops.sim.options import CommandError, DoneInPart, Options, misuse
from lunops.sim.state import State

_TAG_MOST = 255


class Holding:
    """The commands. Each goes through its snapshots one by one, and does what it can."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._datasets = Datasets(state)

    def hold(self, words: Sequence[str]) -> None:
        """Hold snapshots with a tag."""
        self._each("hold", "cannot hold snapshot", words)

    def release(self, words: Sequence[str]) -> None:
        """Release snapshots' holds; the last one takes along a snapshot that was to be destroyed then."""
        self._each("release", "cannot release hold from snapshot", words)

    def listed(self, words: Sequence[str]) -> str:
        """Return what `zfs holds` prints."""
        options = Options("holds", words, "rH")
        if not options.words:
            raise misuse("", "holds")
        errors, rows = [], []
        with self._state.reading():
            for name in options.words:
                if "@" not in name:
                    errors.append(f"'{name}' is not a snapshot")
                elif self._datasets.find(name) is None:
                    errors.append(f"cannot open '{name}': dataset does not exist")
                else:
                    rows += [[name, tag, _when(since)] for tag, since in facts.holds(self._state, name).items()]
        if len(errors) == len(options.words):
            errors.append("no datasets available")
        out = "".join("\t".join(row) + "\n" for row in rows)
        if not options.has("H"):
            table = [["NAME", "TAG", "TIMESTAMP"], *rows]
            widths = [max(len(row[column]) for row in table) for column in range(3)]
            widths[0] = max(widths[0], *(len(name) for name in options.words))
            out = "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in table)
        if errors:
            raise CommandError("\n".join(errors), 1, out)
        return out

    def _each(self, verb: str, cannot: str, words: Sequence[str]) -> None:
        options = Options(verb, words, "r")
        if len(options.words) < 2:
            raise misuse("", verb)
        tag, *names = options.words
        errors = [error for name in names if (error := self._one(verb, cannot, tag, name))]
        if errors:
            raise DoneInPart("\n".join(errors))

    def _one(self, verb: str, cannot: str, tag: str, name: str) -> str:
        base, at, _ = name.partition("@")
        if not at:
            return f"'{name}' is not a snapshot"
        if self._datasets.find(base) is None:
            return f"cannot open '{base}': dataset does not exist"
        held = facts.holds(self._state, name)
        if self._datasets.find(name) is None:
            return f"{cannot} '{name}': dataset does not exist"
        if verb == "hold":
            if tag in held:
                return f"{cannot} '{name}': tag already exists on this dataset"
            if len(tag) > _TAG_MOST:
                return f"{cannot} '{name}': tag too long"
            facts.hold(self._state, name, tag, time.time())
            return ""
        if tag not in held:
            return f"{cannot} '{name}': no such tag on this dataset"
        facts.hold(self._state, name, tag, None)
        destroy_deferred(self._state, name)
        return ""


def destroy_deferred(state: State, snapshot: str) -> None:
    """Remove a snapshot that was only waiting for its last hold or clone to go; call it while changing the state."""
    datasets = Datasets(state)
    if facts.fact(state, snapshot, facts.DEFERRED) and not (facts.holds(state, snapshot) or datasets.clones(snapshot)):
        datasets.remove(snapshot)


def _when(since: float) -> str:
    when = time.localtime(since)
    return f"{time.strftime('%a %b', when)} {when.tm_mday:>2} {time.strftime('%H:%M %Y', when)}"
