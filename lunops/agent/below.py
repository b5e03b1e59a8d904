"""What stands right below datasets: their children and snapshots, with the snapshots' clones and holds."""

from __future__ import annotations

from lunops.agent import zfs

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Iterable, List

    from lunops.agent.system import System


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
    for above, (name, clones, holds) in zfs.list_below(system, names, ("name", "clones", "userrefs")):
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
