"""Taking targets, storage objects and parts of them out of configfs, never one in use unless that is forced by name."""

from __future__ import annotations

from lunops.agent import lio, sockets
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System

SESSIONS = "sessions"  # the kind of use that `force` overrides here, as in lunops.agent.guards
LOG_OUT = "log the initiator out (iscsiadm -m node -u, or shut the node down), then run again"
OR_FORCE = "or force: [sessions], which ends what it does"


def users(system: System, path: str) -> List[str]:
    """Return whose session would be touched by removing this folder: an ACL, mapped LUN, LUN, portal or ALUA group.

    Sessions of the same target that do not use this very thing are not among them. A session outlives its portal, but
    cannot come back through it. An initiator whose LUN 0 is taken away is given a disk of zeros by the kernel.
    """
    parts = path.split("/")
    if path.startswith(lio.CORE + "/"):
        return []  # an ALUA group's LUNs fall back to the default one; a storage object goes after its LUNs
    if "acls" in parts:
        found = lio.acl_session(system, "/".join(parts[: parts.index("acls") + 2]))
    else:
        base = "/".join(parts[:-2])
        found = lio.tpg_sessions(system, base)
        if found and parts[-2] == "lun":
            found = [one for one in found if one["dynamic"] or _maps(system, base, one, path)]
        elif found:
            peers = sockets.peers(system, parts[-1])
            found = [one for one in found if sockets.plain(one["address"]) in peers or (one["dynamic"] and peers)]
    return [lio.in_words(one) for one in found]


def _maps(system: System, base: str, session: Dict[str, Any], lun: str) -> bool:
    acl = "%s/acls/%s" % (base, session["initiator"])
    mapped = [name for name in lio.folders(system, acl) if name.startswith("lun_")]
    return any(lun in lio.linked(system, "%s/%s" % (acl, name)) for name in mapped)


def refuse_if_logged_in(system: System, target: str, force: Sequence[str] = ()) -> None:
    """Raise ItemError if anyone is logged in to the target (its folder), unless that is forced."""
    who = [] if SESSIONS in force else lio.sessions(system, target)
    if who:
        raise ItemError(
            "%s is in use by %s" % (target.rsplit("/", 1)[-1], ", ".join(who)), "%s; %s" % (LOG_OUT, OR_FORCE)
        )


def folder(system: System, path: str) -> None:
    """Remove an ACL, mapped LUN, LUN, portal or ALUA group with what is in it."""
    if path.rsplit("/", 2)[-2] == "acls":
        for name in lio.folders(system, path):
            if name.startswith("lun_"):
                folder(system, "%s/%s" % (path, name))
    for name in lio.link_names(system, path):
        system.unlink("%s/%s" % (path, name))
    system.rmdir(path)


def target(system: System, path: str, force: Sequence[str] = ()) -> None:
    """Disable a target (its folder) that nobody uses, look again for a login that slipped in, and remove it."""
    tpgs = ["%s/%s" % (path, name) for name in lio.folders(system, path) if name.startswith("tpgt_")]
    enabled = [tpg for tpg in tpgs if system.read(tpg + "/enable").strip() == "1"]
    refuse_if_logged_in(system, path, force)
    for tpg in enabled:
        system.write(tpg + "/enable", "0")
    try:
        refuse_if_logged_in(system, path, force)
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
    """Remove a storage object (its folder), its ALUA groups, and the HBA folder that held it alone."""
    for name in lio.folders(system, path + "/alua"):
        if name != "default_tg_pt_gp":
            system.rmdir("%s/alua/%s" % (path, name))
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
