"""What there is on a head at the end, in every place that knows of a LUN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunops.sim.head import SAVECONFIG, SimulatedSystem
from tests.chaos.witness import State

_LIO = "/sys/kernel/config/target"
_RECORDS = "/var/lib/lunops/luns.json"


@dataclass(frozen=True, kw_only=True)
class Remains:
    """The names of the LUNs that each place has."""

    clones: frozenset[str]
    targets: frozenset[str]
    objects: frozenset[str]  # storage objects in the kernel, by their device
    saved: frozenset[str]  # targets in saveconfig.json
    saved_objects: frozenset[str]
    records: Mapping[str, str]  # name → what is wanted

    def state(self, name: str) -> State:
        """Return what there is of a LUN."""
        return State(clone=name in self.clones, target=name in self.targets)

    def wrong(self, but: frozenset[str] = frozenset()) -> list[str]:
        """Return where the places do not say the same, of all LUNs but these."""
        targets = self.targets - but
        places = {
            "storage objects": self.objects,
            "targets in saveconfig.json": self.saved,
            "storage objects in saveconfig.json": self.saved_objects,
        }
        wrong = [
            f"{what}: {sorted(found - but)}, but the targets are {sorted(targets)}"
            for what, found in places.items()
            if found - but != targets
        ]
        if targets - self.clones:
            wrong.append(f"targets without a clone: {sorted(targets - self.clones)}")
        wanted = {name: "exported" if name in targets else "unshared" for name in self.clones - but}
        recorded = {name: want for name, want in self.records.items() if name not in but}
        differ = sorted(
            f"{name}: {recorded.get(name)} instead of {wanted.get(name)}"
            for name in {*wanted, *recorded}
            if wanted.get(name) != recorded.get(name)
        )
        return wrong + [f"records: {', '.join(differ)}"] * bool(differ)


def look(head: SimulatedSystem) -> Remains:
    """Read a head."""
    volumes = head.run(["zfs", "list", "-H", "-o", "name", "-t", "volume"]).out.split()
    saved = _json(head, SAVECONFIG)
    records = _json(head, _RECORDS).get("luns", {})
    core = [f"{_LIO}/core/{name}" for name in head.listdir(f"{_LIO}/core") if name.startswith("iblock_")]
    objects = [f"{path}/{name}" for path in core for name in head.listdir(path) if name.startswith("lo-")]
    return Remains(
        clones=frozenset(_of_path(name) for name in volumes if not name.endswith("/images/golden")),
        targets=frozenset(_of_wwn(name) for name in head.listdir(f"{_LIO}/iscsi") if name.startswith("iqn.")),
        objects=frozenset(_of_path(head.read(f"{path}/udev_path").strip()) for path in objects),
        saved=frozenset(_of_wwn(each["wwn"]) for each in saved.get("targets", [])),
        saved_objects=frozenset(_of_path(each["dev"]) for each in saved.get("storage_objects", [])),
        records={_of_wwn(wwn): record["want"] for wwn, record in records.items()},
    )


def _of_path(path: str) -> str:
    return path.rpartition("/")[2]


def _of_wwn(wwn: str) -> str:
    return wwn.rpartition(":")[2]


def _json(head: SimulatedSystem, path: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(head.read(path)) if head.exists(path) else {}
    return value
