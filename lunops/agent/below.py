"""What stands right below datasets: their children and snapshots, with the snapshots' clones and holds."""

from __future__ import annotations

import re

from lunops.agent import zfs
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Iterable, List

    from lunops.agent.system import System

_NAMES_AT_ONCE = 500  # keeps one command's arguments far below the kernel's limit
_MISSING = re.compile(r"cannot open '(.*)': (?:(?:dataset|snapshot) does not exist|no such pool)")


class Below:
    """One child or snapshot; `holds` is how many `zfs hold`s a snapshot has."""

    def __init__(self, name: str, clones: List[str], holds: int) -> None:
        self.name = name
        self.clones = clones
        self.holds = holds

    @property
    def is_snapshot(self) -> bool:
        """Whether it is a snapshot, not a child."""
        return "@" in self.name


def below(system: System, names: Iterable[str]) -> Dict[str, List[Below]]:
    """Return, for each dataset that has any, what is right below it; one command for many datasets."""
    found: Dict[str, List[Below]] = {}
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = wanted[start : start + _NAMES_AT_ONCE]
        output = system.run(["zfs", "list", "-Hp", "-t", "all", "-d", "1", "-o", "name,clones,userrefs", *some])
        unclear = [line for line in output.err.splitlines() if line.strip() and not _MISSING.match(line.strip())]
        if unclear or output.code not in (0, 1):
            raise ItemError("zfs list failed: %s" % zfs.said(output))
        for line in output.out.splitlines():
            name, clones, holds = line.split("\t")
            if name not in some:
                above = re.split("[@/](?=[^@/]*$)", name)[0]
                found.setdefault(above, []).append(of(name, clones, holds))
    return found


def of(name: str, clones: str, holds: str) -> Below:
    """Return it from what ZFS prints, `-` or nothing where there is none."""
    return Below(name, [one for one in clones.split(",") if one not in ("", "-")], int(holds) if holds.isdigit() else 0)


def holders(system: System, snapshot: str) -> str:
    """Return the tags of a snapshot's holds, in words."""
    output = system.run(["zfs", "holds", "-H", snapshot])
    tags = [line.split("\t")[1] for line in output.out.splitlines() if line.count("\t") >= 2]
    return ", ".join(tags) or "someone"
