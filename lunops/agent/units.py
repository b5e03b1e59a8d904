"""The units of systemd that matter at boot: which one restores the targets, and what it waits for."""

from __future__ import annotations

from lunops.agent import zfs
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from lunops.agent.system import System

RESTORERS = ("rtslib-fb-targetctl.service", "target.service")  # Debian's, and everyone else's
IMPORT = "zfs-import.target"
# Each of these comes after the import of the pools, or after the volumes' links.
VOLUME_UNITS = (IMPORT, "zfs-volume-wait.service", "zfs-volumes.target")
_SHOWN = "Id,LoadState,UnitFileState,ExecStart,After,DropInPaths,NeedDaemonReload,TimeoutStartUSec"


class Unit:
    """What systemd knows of a unit."""

    def __init__(self, values: Dict[str, List[str]]) -> None:
        self.name = " ".join(values.get("Id", []))
        self.is_loaded = values.get("LoadState") == ["loaded"]
        self.file_state = " ".join(values.get("UnitFileState", []))
        self.commands = values.get("ExecStart", [])
        self.after = " ".join(values.get("After", [])).split()
        self.drop_ins = " ".join(values.get("DropInPaths", [])).split()
        self.timeout = " ".join(values.get("TimeoutStartUSec", []))
        self.is_stale = values.get("NeedDaemonReload") == ["yes"]

    @property
    def restores(self) -> bool:
        """Whether it makes the saved targets again when it starts."""
        return self.is_loaded and any(" restore" in command for command in self.commands)


def show(system: System, names: Sequence[str]) -> Dict[str, Unit]:
    """Return what systemd knows of these units; raises ItemError where there is no systemd to ask."""
    output = system.run(["systemctl", "show", "-p", _SHOWN, *names])
    if output.code != 0:
        raise ItemError(
            "systemd cannot be asked: %s" % zfs.said(output),
            "without systemd, see yourself that targets are restored after the volumes' devices are there",
        )
    blocks = output.out.strip().split("\n\n")
    if len(blocks) != len(names):
        raise ItemError("systemctl show told of %d units, not of %d" % (len(blocks), len(names)))
    return {name: Unit(_values(blocks[place])) for place, name in enumerate(names)}


def _values(block: str) -> Dict[str, List[str]]:
    values: Dict[str, List[str]] = {}
    for line in block.splitlines():
        key, _, value = line.partition("=")
        if value:
            values.setdefault(key, []).append(value)
    return values


def restorer(units: Dict[str, Unit]) -> Unit | None:
    """Return the unit that restores targets at boot: an enabled one before one that is not."""
    found = [unit for unit in units.values() if unit.restores]
    return next((unit for unit in found if unit.file_state == "enabled"), found[0] if found else None)
