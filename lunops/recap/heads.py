"""Many heads in few words: `jbod-01 … jbod-12, jbod-14`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lunops.recap.line import clean

_NUMBER = re.compile(r"(.*?)(\d+)(\D*)\Z", re.DOTALL | re.ASCII)
_MOST = 8  # as many runs of names are told, the rest is counted


@dataclass(frozen=True, kw_only=True)
class _Name:
    """A head's name, taken apart at its last number."""

    whole: str
    before: str
    digits: str
    after: str

    @property
    def next(self) -> str:
        """The name that follows, written alike: jbod-10 after jbod-09, and not jbod-010."""
        return f"{self.before}{str(int(self.digits) + 1).zfill(len(self.digits))}{self.after}" if self.digits else ""


def _apart(name: str) -> _Name:
    found = _NUMBER.match(name) if len(name) < 256 else None  # int() refuses what has thousands of digits
    if found is None:
        return _Name(whole=name, before=name, digits="", after="")
    return _Name(whole=name, before=found[1], digits=found[2], after=found[3])


def natural(names: Iterable[str]) -> list[str]:
    """Return the names sorted, numbers by their value."""
    apart = sorted(map(_apart, names), key=lambda name: (name.before, name.after, int(name.digits or 0), name.whole))
    return [name.whole for name in apart]


def in_few_words(names: Iterable[str], *, most: int = _MOST) -> str:
    """Return the names with runs of three or more as `first … last`, cleaned; the rest of too many is counted."""
    runs: list[list[_Name]] = []
    going_on: dict[str, list[_Name]] = {}  # runs by the name that would go on with them
    for name in map(_apart, natural(names)):
        run = going_on.pop(name.whole, [])
        if not run:
            runs.append(run)
        run.append(name)
        going_on[name.next] = run
    pieces: list[tuple[str, int]] = []
    for run in runs:
        if len(run) > 2:
            pieces.append((f"{clean(run[0].whole)} … {clean(run[-1].whole)}", len(run)))
        else:
            pieces += [(clean(name.whole), 1) for name in run]
    told = [piece for piece, _ in pieces[:most]]
    left = sum(number for _, number in pieces[most:])
    return ", ".join(told) + (f" and {left} more" if left else "")
