"""What a head has of lunops' LUNs, read with few commands: records, marks, devices, kernel, saveconfig.json.

What lunops did not make is listed by its name at most: its files are read only where it stands in our way.
"""

from __future__ import annotations

from lunops.agent import lio, records, zfs
from lunops.agent.device import Devices, path_of
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.storage_objects import folders_by_name

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Set

    from lunops.agent.system import System

_ZVOL = path_of("")


class Seen:
    """The head at one moment; look under lunops' LIO lock, so that no task of ours is in the middle of it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.records = Records(system).all()
        self.saved = SaveConfig(system)
        self.marked = marks(system)
        self.storage = folders_by_name(system)
        self.targets: Set[str] = set(lio.folders(system, lio.ISCSI))
        self.devices = Devices(system)
        names = {name for record in self.records.values() for name in records.datasets(record)} | set(self.marked)
        names |= {dataset for dataset in map(dataset_of, map(self.saved_dev, self.saved_ours())) if dataset}
        self.found = zfs.observe(system, names | {name.split("/")[0] for name in names}, ("type", "guid", "volmode"))
        self._claims: Dict[str, List[str]] = {}

    def saved_ours(self) -> List[str]:
        """Return the names of the storage objects in saveconfig.json that are named as we name ours."""
        return [name for name in self.saved.names("storage_objects") if lio.is_ours(name)]

    def saved_dev(self, name: str) -> str:
        """Return the device that a saved storage object is made of, or the empty text."""
        return str((self.saved.entry("storage_objects", "block", name) or {}).get("dev", ""))

    def udev_path(self, name: str) -> str:
        """Return the device that a storage object in the kernel is made of, or the empty text."""
        folder = self.storage.get(name, "")
        return self.system.read(folder + "/udev_path").strip() if folder else ""

    def has_pool_of(self, dataset: str) -> bool:
        """Return whether the pool is imported; a volume of one that is not is not gone."""
        return dataset.split("/")[0] in self.found

    def claims(self, dataset: str) -> List[str]:
        """Return the storage objects that are made of a volume; the first call reads those of the whole head."""
        if not self._claims:
            for name in self.storage:
                self._claims.setdefault(self.udev_path(name), []).append(name)
        return self._claims.get(path_of(dataset), [])


def dataset_of(path: str) -> str:
    """Return the dataset whose /dev/zvol link this is, or the empty text."""
    return path[len(_ZVOL) :] if path.startswith(_ZVOL) else ""


def marks(system: System) -> Dict[str, Dict[str, str]]:
    """Return the local marks of every volume of the head that carries lunops:managed=1.

    One that was put aside (zfs_rename) is the volume of no LUN any more.
    """
    names = ",".join((zfs.MANAGED, zfs.LUN, zfs.SERIAL, zfs.MADE, zfs.ASIDE))
    argv = ["zfs", "get", "-Hp", "-r", "-t", "volume", "-s", "local", "-o", "name,property,value", names]
    found: Dict[str, Dict[str, str]] = {}
    for line in zfs.must(system, argv).out.splitlines():
        name, property_, value = line.split("\t")
        found.setdefault(name, {})[property_] = value
    for values in found.values():
        if values.get(zfs.ASIDE) == "1":
            values.pop(zfs.LUN, None)
    return {name: values for name, values in found.items() if values.get(zfs.MANAGED) == "1"}
