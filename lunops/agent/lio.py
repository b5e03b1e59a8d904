"""LIO's configfs: its paths, who is logged in, and the locks under which it is changed."""

from __future__ import annotations

import contextlib
import re
import uuid

from lunops.agent import wedged
from lunops.agent.outcome import ItemError
from lunops.agent.system import Locked

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Work

ROOT = "/sys/kernel/config/target"
CORE = ROOT + "/core"
ISCSI = ROOT + "/iscsi"
OUR_LOCK = "/run/lock/lunops-lio.lock"
TARGETCLI_LOCK = "/var/run/targetcli.lock"
LOCK_S = 60.0
_MODULES = ("target_core_mod", "target_core_iblock", "target_core_file", "iscsi_target_mod")
_HBA = re.compile(r"(iblock|fileio)_(\d+)\Z")
PLUGINS = {"block": "iblock", "fileio": "fileio"}  # as rtslib calls them → as the kernel's folders begin
_SERIALS = uuid.UUID("6c756e6f-7073-5e72-8a6c-000000000001")  # as in lunops.names
_OURS = re.compile(r"lo-[0-9a-f]{12}\Z")


@contextlib.contextmanager
def locked(work: Work, *, locks: Sequence[str] = (OUR_LOCK, TARGETCLI_LOCK)) -> Iterator[None]:
    """Hold our lock and targetcli's: rtslib and targetcli are not safe beside another writer.

    Each is waited for no longer than LOCK_S, nor than the task may take. Our own alone is enough for our records.
    A wedged head is refused at once: the process that hangs holds them for ever.
    """
    system = work.system
    wedged.refuse(system)
    begun = system.monotonic()
    patience = max(0.0, min(LOCK_S, work.deadline - begun))
    try:
        with contextlib.ExitStack() as held:
            for lock in locks:
                held.enter_context(system.lock(lock, patience))
            work.wait_s += system.monotonic() - begun
            yield
    except Locked as error:
        who = error.holder or "another process"
        raise ItemError(
            "LIO is locked: %s held %s for all of %d s" % (who, error.path, patience),
            "end that process (an open targetcli shell holds its lock until it is left), then run again",
        ) from None


def load(system: System) -> None:
    """Have the kernel's target and its iSCSI fabric there."""
    if not system.is_dir(CORE):
        output = system.run(["modprobe", "-a", *_MODULES])
        if output.code != 0 or not system.is_dir(CORE):
            raise ItemError(
                "the kernel's target is not there: no %s, and modprobe said: %s" % (CORE, output.err.strip()),
                "mount configfs and load the modules %s" % ", ".join(_MODULES),
            )
    if not system.is_dir(ISCSI):
        system.mkdir(ISCSI)


def name_of(wwn: str) -> str:
    """Return the name of the storage object that lunops makes for a target."""
    return "lo-" + uuid.uuid5(_SERIALS, wwn).hex[:12]


def is_ours(name: str) -> bool:
    """Return whether a storage object is named as lunops names its own."""
    return _OURS.match(name) is not None


def is_hba(name: str) -> bool:
    """Return whether a folder of the kernel's core holds storage objects that lunops knows."""
    return _HBA.match(name) is not None


def storage_object(system: System, name: str) -> str:
    """Return the folder of the storage object with this name, or the empty text; for many, see `StorageObjects`."""
    for hba in filter(is_hba, system.listdir(CORE)):
        path = "%s/%s/%s" % (CORE, hba, name)
        if system.is_dir(path):
            return path
    return ""


def plugin_of(storage: str) -> str:
    """Return what rtslib calls the plugin of a storage object (its folder)."""
    kind = storage[len(CORE) + 1 :].split("_")[0]
    return next((name for name, begin in PLUGINS.items() if begin == kind), kind)


def link_names(system: System, folder: str) -> List[str]:
    """Return the names of the links in a folder of configfs."""
    return [name for name in system.listdir(folder) if system.is_link("%s/%s" % (folder, name))]


def linked(system: System, folder: str) -> List[str]:
    """Return where the links in a folder of configfs lead."""
    return [system.resolve("%s/%s" % (folder, name)) for name in link_names(system, folder)]


def folders(system: System, path: str) -> List[str]:
    """Return the names of the folders in a folder."""
    return [name for name in system.listdir(path) if system.is_dir("%s/%s" % (path, name))]


def sessions(system: System, target: str) -> List[str]:
    """Return who is logged in to a target (its folder), in words; both places are looked at."""
    return [in_words(session) for session in all_sessions(system, target)]


def all_sessions(system: System, target: str) -> List[Dict[str, Any]]:
    """Return the sessions of a target (its folder): initiator, address, state, tpg, and whether it is dynamic.

    Of an initiator that was let in without an ACL (dynamic) the kernel shows the name alone.
    """
    found: List[Dict[str, Any]] = []
    for tpg in [name for name in folders(system, target) if name.startswith("tpgt_")]:
        found += tpg_sessions(system, "%s/%s" % (target, tpg))
    return found


def tpg_sessions(system: System, base: str) -> List[Dict[str, Any]]:
    """Return the sessions of a TPG (its folder)."""
    found: List[Dict[str, Any]] = []
    for initiator in folders(system, base + "/acls"):
        found += acl_session(system, "%s/acls/%s" % (base, initiator))
    with contextlib.suppress(FileNotFoundError):
        for name in system.read(base + "/dynamic_sessions").replace("\0", "\n").split():
            found.append(_session(base, name, dynamic=True))
    return found


def acl_session(system: System, acl: str) -> List[Dict[str, Any]]:
    """Return the session of one ACL (its folder), or nothing."""
    info = system.read(acl + "/info")
    if "InitiatorName" not in info:
        return []
    base, _acls, initiator = acl.rsplit("/", 2)
    address = re.search(r"CID:.*?Connection State:.*?\n\s*Address\s+(\S+)", info, re.S)
    state = re.search(r"Session State: (?:TARG_SESS_STATE_)?(\S+)", info)
    return [
        _session(
            base,
            initiator,
            address=address.group(1) if address else "",
            state=state.group(1).lower() if state else "",
        )
    ]


def _session(base: str, initiator: str, *, address: str = "", state: str = "", dynamic: bool = False) -> Dict[str, Any]:
    target, tpg = base.rsplit("/", 2)[1:]
    return {
        "target": target,
        "tpg": int(tpg.rsplit("_", 1)[-1]),
        "initiator": initiator,
        "address": address,
        "state": state,
        "dynamic": dynamic,
    }


def in_words(session: Dict[str, Any]) -> str:
    """Return who a session is."""
    if session["dynamic"]:
        return "%s (without an ACL)" % session["initiator"]
    return "%s from %s" % (session["initiator"], session["address"]) if session["address"] else session["initiator"]
