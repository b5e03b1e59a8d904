"""Who holds a volume's device: asked only when something is busy, for the message."""

from __future__ import annotations

from lunops.agent import lio, remove
from lunops.agent.device import path_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List

    from lunops.agent.system import System


def of(system: System, dataset: str) -> str:
    """Return who holds the volume's device, in words."""
    path = path_of(dataset)
    who = []
    if system.is_block_device(path):
        device = system.resolve(path).rsplit("/", 1)[-1]
        who = system.listdir("/sys/block/%s/holders" % device)
    if who:
        return "held by the device " + ", ".join(who)
    return "who holds it cannot be seen from /sys (a process that has it open: fuser -v %s)" % path


def storage_objects(system: System, dataset: str) -> List[str]:
    """Return the storage objects that export the volume, as HBA/NAME."""
    path = path_of(dataset)
    exported = []
    for hba in lio.folders(system, lio.CORE):
        for name in lio.folders(system, "%s/%s" % (lio.CORE, hba)):
            try:
                if system.read("%s/%s/%s/udev_path" % (lio.CORE, hba, name)).strip() == path:
                    exported.append("%s/%s" % (hba, name))
            except OSError:
                continue  # an ALUA folder, or gone meanwhile
    return exported


def targets(system: System, dataset: str) -> List[str]:
    """Return the folders of the iSCSI targets with a LUN on this volume."""
    objects = {"%s/%s" % (lio.CORE, name) for name in storage_objects(system, dataset)}
    if not objects:
        return []
    found = []
    for target in lio.folders(system, lio.ISCSI):
        base = "%s/%s" % (lio.ISCSI, target)
        if objects & set(remove.luns_of(system, base)):
            found.append(base)
    return found
