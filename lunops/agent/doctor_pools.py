"""Facts of ZFS: versions, pools, and volumes whose link is not there."""

from __future__ import annotations

import re
import time

from lunops.agent import zfs
from lunops.agent.device import path_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from lunops.agent.system import System

_COLUMNS = "name,size,free,capacity,health"
_ASKED_S = 60.0  # a pool that is suspended lets zpool(8) hang
_ON = re.compile(r"scrub repaired .* on (\w{3} \w{3} +\d+ [\d:]+ \d{4})")


def gather(system: System) -> Dict[str, Any]:
    """Return the facts."""
    version = system.run(["zfs", "version"], _ASKED_S)
    words = version.out.split()
    listed = system.run(["zpool", "list", "-Hp", "-o", _COLUMNS], _ASKED_S)
    status = system.run(["zpool", "status"], _ASKED_S)
    error = next((zfs.said(each) for each in (version, listed, status) if each.code != 0), "")
    return {
        "zfs": {
            "error": error,
            "userland": words[0].replace("zfs-", "", 1) if words else "",
            "module": words[1].replace("zfs-kmod-", "", 1) if len(words) > 1 else "",
        },
        "pools": _pools(listed.out, status.out),
        **_links(system),
    }


def _pools(listed: str, status: str) -> List[Dict[str, Any]]:
    told = _told(status)
    pools: List[Dict[str, Any]] = []
    for line in listed.splitlines():
        name, size, free, capacity, health = line.split("\t")
        more = told.get(name, {})
        pools.append(
            {
                "name": name,
                "size": int(size) if size.isdigit() else 0,
                "free": int(free) if free.isdigit() else 0,
                "capacity": int(capacity) if capacity.isdigit() else 0,
                "health": health,
                "errors": more.get("errors", ""),
                "scrubbed_at": _scrubbed_at(more.get("scan", "")),
            }
        )
    return pools


def _told(status: str) -> Dict[str, Dict[str, str]]:
    """Return what `zpool status` says of each pool: its one-line fields."""
    told: Dict[str, Dict[str, str]] = {}
    fields: Dict[str, str] = {}
    for line in status.splitlines():
        key, colon, value = line.strip().partition(": ")
        if colon and key == "pool":
            fields = told.setdefault(value, {})
        elif colon and key in ("scan", "errors"):
            fields[key] = value
    return told


def _scrubbed_at(scan: str) -> float | None:
    """Return when the last whole scrub ended; None if there was none, or another scan came after it."""
    found = _ON.search(scan)
    return time.mktime(time.strptime(found.group(1))) if found else None


def _links(system: System) -> Dict[str, Any]:
    """Return the volumes that have a device and no link to it, and whether a link is named after an error."""
    lost: List[str] = []
    for device in system.listdir("/sys/block"):
        if not device.startswith("zd"):
            continue
        try:
            name = system.zvol_name("/dev/" + device)
        except OSError:
            continue  # gone, or its open failed, as it does while volumes appear
        if not system.is_block_device(path_of(name)):
            lost.append(name)
    # 60-zvol.rules of OpenZFS 2.1 links a device to the words of zvol_id's error: "Unable to open …"
    return {"lost_links": lost, "unable_link": system.exists("/dev/zvol/Unable")}
