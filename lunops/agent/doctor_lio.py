"""Facts of LIO: what the kernel serves, what saveconfig.json has, what lunops recorded."""

from __future__ import annotations

import json

from lunops.agent import lio
from lunops.agent.device import Devices, path_of
from lunops.agent.outcome import ItemError
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.steps import clean

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from lunops.agent.system import System


def gather(system: System) -> Dict[str, Any]:
    """Return the facts. What vanishes while it is read is left out."""
    return {
        "storage_objects": _storage_objects(system),
        "targets": _targets(system),
        "saveconfig": _saveconfig(system),
        "records": _records(system),
    }


def nothing() -> Dict[str, Any]:
    """Return the facts of a head that was not looked at."""
    saved = {"path": "", "exists": False, "mode": 0, "error": "", "storage_objects": [], "targets": []}
    return {"storage_objects": [], "targets": [], "saveconfig": saved, "records": {"error": "", "luns": {}}}


def _read(system: System, path: str) -> str:
    try:
        return clean(system.read(path))
    except OSError:
        return ""


def _storage_objects(system: System) -> List[Dict[str, Any]]:
    devices = Devices(system)
    found: List[Dict[str, Any]] = []
    for hba in lio.folders(system, lio.CORE):
        if hba == "alua":
            continue  # the groups of all objects, and no HBA
        for name in lio.folders(system, "%s/%s" % (lio.CORE, hba)):
            path = "%s/%s/%s" % (lio.CORE, hba, name)
            device = _read(system, path + "/udev_path")
            is_volume = device.startswith(path_of(""))
            found.append(
                {
                    "path": "%s/%s" % (hba, name),
                    "name": name,
                    "device": device,
                    "serial": _read(system, path + "/wwn/vpd_unit_serial"),
                    "enabled": _read(system, path + "/enable") == "1",
                    "has_device": not is_volume or devices.is_linked(device[len(path_of("")) :]),
                }
            )
    return found


def _targets(system: System) -> List[Dict[str, Any]]:
    """Return every TPG of every fabric."""
    found: List[Dict[str, Any]] = []
    for fabric in lio.folders(system, lio.ROOT):
        if fabric == "core":
            continue
        for wwn in lio.folders(system, "%s/%s" % (lio.ROOT, fabric)):
            for tpg in lio.folders(system, "%s/%s/%s" % (lio.ROOT, fabric, wwn)):
                path = "%s/%s/%s/%s" % (lio.ROOT, fabric, wwn, tpg)
                if not tpg.startswith("tpgt_"):
                    continue
                luns = [
                    lead[len(lio.CORE) + 1 :]
                    for lun in lio.folders(system, path + "/lun")
                    for lead in lio.linked(system, "%s/lun/%s" % (path, lun))
                    if lead.startswith(lio.CORE + "/") and lead.count("/") == lio.CORE.count("/") + 2
                ]
                found.append(
                    {
                        "fabric": fabric,
                        "wwn": wwn,
                        "tag": int(tpg[5:]),
                        "enabled": _read(system, path + "/enable") == "1",
                        "luns": luns,
                        "portals": len(lio.folders(system, path + "/np")),
                    }
                )
    return found


def _saveconfig(system: System) -> Dict[str, Any]:
    facts: Dict[str, Any] = nothing()["saveconfig"]
    try:
        facts["path"] = SaveConfig(system).path
        if system.exists(facts["path"]):
            facts.update(exists=True, mode=system.mode(facts["path"]))
            value = json.loads(system.read(facts["path"]))
            facts["storage_objects"] = [str(one.get("name")) for one in value.get("storage_objects", [])]
            facts["targets"] = [str(one.get("wwn")) for one in value.get("targets", [])]
    except (ItemError, OSError, ValueError, AttributeError) as error:
        facts["error"] = str(error)
    return facts


def _records(system: System) -> Dict[str, Any]:
    try:
        return {"error": "", "luns": {wwn: record["want"] for wwn, record in Records(system).all().items()}}
    except (ItemError, OSError) as error:
        return {"error": str(error), "luns": {}}
