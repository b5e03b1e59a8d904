"""What a test makes go wrong on a simulated head: plain values, kept in the state file, seen by every process.

Kinds of operations: `mkdir rmdir symlink unlink write replace make_dirs` and, for commands, the first two
words (`zfs clone`, `udevadm settle`) or the one word of a command without a subcommand (`modprobe`). The reads
`read listdir zvol_name lock` and `zfs get`, `zfs list` … can be delayed and failed by their name as well.
`*` stands for every operation that changes something.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Effect = Literal["fail", "race", "die_before", "die_after", "half_written", "hang"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong with the `nth` operation of a kind, counted from when the fault was set.

    `fail`: a file operation raises `errno`, a command ends with `code` and `stderr` (in which `{name}` is its
    last argument). `race`: the same, but the operation is done first, as if another process had been faster.
    `die_before`, `die_after`: the process kills itself, as kill -9 would, before the operation or once it is
    durable. `half_written`: `replace` leaves half of the text in its temporary file and raises
    `errno`, ENOSPC if that is 0; with `die` it kills the process there instead. `hang`: a file operation does not
    return for `hang_s` seconds, as if its thread were in state D, and then fails as above.
    """

    on: str
    nth: int = 1
    times: int = 1  # how many operations from the nth on; 0 is all of them
    match: str = ""  # a regular expression that must be found in the path, or in the words of the command
    effect: Effect = "fail"
    errno: int = 0
    code: int = 1
    stderr: str = ""
    die: bool = False
    hang_s: float = 3600.0

    @property
    def ends_process(self) -> bool:
        """Whether it kills the process that it strikes, or keeps one of its threads."""
        return self.die or self.effect in ("die_before", "die_after", "hang")

    def fits(self, kind: str, what: str, *, changes: bool) -> bool:
        """Return whether the operation counts for this fault."""
        if self.on != kind and not (self.on == "*" and changes):
            return False
        return not self.match or re.search(self.match, what) is not None

    def strikes(self, seen: int) -> bool:
        """Return whether the fault strikes the operation that is the `seen`-th to count."""
        return seen >= self.nth and (self.times == 0 or seen < self.nth + self.times)


@dataclass(frozen=True, kw_only=True)
class LostLinks:
    """Which /dev/zvol links udev never makes on its own, as it does under load; a change event brings them."""

    every: int = 0  # the link of every n-th volume that appears
    names: tuple[str, ...] = ()  # datasets
    probability: float = 0.0
    seed: int = 0  # of the probability: the same volumes in every run
    changes_lost: int = 0  # how many change events are lost as well


@dataclass(frozen=True, kw_only=True)
class Faults:
    """All that goes wrong on a head."""

    faults: tuple[Fault, ...] = ()
    delays_s: Mapping[str, float] = field(default_factory=dict)  # kind of operation → seconds before it is done
    link_delay_s: float = 0.0  # from a volume's appearance to its link
    lost_links: LostLinks = field(default_factory=LostLinks)

    def dump(self) -> str:
        """Return the faults as JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Faults:
        """Return the faults in JSON as `dump` writes it."""
        value: dict[str, Any] = json.loads(text)
        lost = value["lost_links"]
        return cls(
            faults=tuple(Fault(**one) for one in value["faults"]),
            delays_s=value["delays_s"],
            link_delay_s=value["link_delay_s"],
            lost_links=LostLinks(**{**lost, "names": tuple(lost["names"])}),
        )


class Struck(Exception):
    """A fault struck the operation, which was not done (or, in a race, by another)."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.effect)
        self.fault = fault
