"""Taking targets and storage objects out of configfs, never one in use."""

from __future__ import annotations

from lunops.agent import lio
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List

    from lunops.agent.system import System

_LOG_OUT = "log the initiator out (iscsiadm -m node -u, or shut the node down), then run again"


def refuse_if_used(system: System, path: str) -> None:
    """Raise ItemError if removing this folder (an ACL, mapped LUN, LUN or portal) would touch a session."""
    if "/acls/" in path:
        acl = "/".join(path.split("/")[: path.split("/").index("acls") + 2])
        who = lio.acl_sessions(system, acl)
    else:
        who = lio.sessions(system, path.split("/tpgt_")[0])
    if who:
        raise ItemError(
            "%s is no longer wanted, but in use by %s" % (path.replace(lio.ROOT + "/", ""), ", ".join(who)),
            _LOG_OUT,
        )


def refuse_if_logged_in(system: System, target: str) -> None:
    """Raise ItemError if anyone is logged in to the target (its folder)."""
    who = lio.sessions(system, target)
    if who:
        raise ItemError("%s is in use by %s" % (target.rsplit("/", 1)[-1], ", ".join(who)), _LOG_OUT)


def folder(system: System, path: str) -> None:
    """Remove an ACL, mapped LUN, LUN or portal with what is in it."""
    if path.rsplit("/", 2)[-2] == "acls":
        for name in lio.folders(system, path):
            if name.startswith("lun_"):
                folder(system, "%s/%s" % (path, name))
    for name in system.listdir(path):
        if system.is_link("%s/%s" % (path, name)):
            system.unlink("%s/%s" % (path, name))
    system.rmdir(path)


def target(system: System, path: str) -> None:
    """Disable a target (its folder) that nobody uses, look again for a login that slipped in, and remove it."""
    tpgs = ["%s/%s" % (path, name) for name in lio.folders(system, path) if name.startswith("tpgt_")]
    enabled = [tpg for tpg in tpgs if system.read(tpg + "/enable").strip() == "1"]
    refuse_if_logged_in(system, path)
    for tpg in enabled:
        system.write(tpg + "/enable", "0")
    try:
        refuse_if_logged_in(system, path)
    except ItemError:
        for tpg in enabled:
            system.write(tpg + "/enable", "1")
        raise
    for tpg in tpgs:
        for kind in ("acls", "lun", "np"):
            for name in lio.folders(system, "%s/%s" % (tpg, kind)):
                folder(system, "%s/%s/%s" % (tpg, kind, name))
        system.rmdir(tpg)
    system.rmdir(path)


def storage_object(system: System, path: str) -> None:
    """Remove a storage object (its folder) and the HBA folder that held it alone."""
    system.rmdir(path)
    hba = path.rsplit("/", 1)[0]
    if not lio.folders(system, hba):
        system.rmdir(hba)


def luns_of(system: System, target: str) -> List[str]:
    """Return the folders of the storage objects behind a target's LUNs."""
    backing: List[str] = []
    for tpg in [name for name in lio.folders(system, target) if name.startswith("tpgt_")]:
        base = "%s/%s/lun" % (target, tpg)
        for lun in lio.folders(system, base):
            # a LUN also links its ALUA group folder; only storage objects are behind it
            backing += [path for path in lio.linked(system, "%s/%s" % (base, lun)) if path.startswith(lio.CORE)]
    return backing
