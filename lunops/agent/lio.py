"""LIO's configfs: its paths, who is logged in, and the locks under which it is changed."""

from __future__ import annotations

import contextlib
import re
import uuid

from lunops.agent.outcome import ItemError
from lunops.agent.system import Locked

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Iterator, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Work

ROOT = "/sys/kernel/config/target"
CORE = ROOT + "/core"
ISCSI = ROOT + "/iscsi"
OUR_LOCK = "/run/lock/lunops-lio.lock"
TARGETCLI_LOCK = "/var/run/targetcli.lock"
LOCK_S = 60.0
_MODULES = ("target_core_mod", "target_core_iblock", "iscsi_target_mod")
_SERIALS = uuid.UUID("6c756e6f-7073-5e72-8a6c-000000000001")  # as in lunops.names
_OURS = re.compile(r"lo-[0-9a-f]{12}\Z")
_HBA = re.compile(r"iblock_(\d+)\Z")


@contextlib.contextmanager
def locked(work: Work, *, locks: Sequence[str] = (OUR_LOCK, TARGETCLI_LOCK)) -> Iterator[None]:
    """Hold our lock and targetcli's: rtslib and targetcli are not safe beside another writer.

    Each is waited for no longer than LOCK_S, nor than the task may take. Our own alone is enough for our records.
    """
    system = work.system
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


def storage_object(system: System, name: str) -> str:
    """Return the folder of the block storage object with this name, or the empty text."""
    for hba in system.listdir(CORE):
        if _HBA.match(hba):
            path = "%s/%s/%s" % (CORE, hba, name)
            if system.is_dir(path):
                return path
    return ""


def free_hba(system: System) -> str:
    """Return a folder for a new storage object: rtslib expects one object in each, so each gets a number of its own.

    An empty one, left by an agent that was killed, is taken first of all.
    """
    numbers = {int(match.group(1)) for match in map(_HBA.match, system.listdir(CORE)) if match}
    number = 0
    while number in numbers and folders(system, "%s/iblock_%d" % (CORE, number)):
        number += 1
    return "%s/iblock_%d" % (CORE, number)


def linked(system: System, folder: str) -> List[str]:
    """Return where the links in a folder of configfs lead."""
    return [
        system.resolve("%s/%s" % (folder, name))
        for name in system.listdir(folder)
        if system.is_link("%s/%s" % (folder, name))
    ]


def folders(system: System, path: str) -> List[str]:
    """Return the names of the folders in a folder."""
    return [name for name in system.listdir(path) if system.is_dir("%s/%s" % (path, name))]


def sessions(system: System, target: str) -> List[str]:
    """Return who is logged in to a target (its folder), in words; both places are looked at."""
    who: List[str] = []
    for tpg in [name for name in folders(system, target) if name.startswith("tpgt_")]:
        base = "%s/%s" % (target, tpg)
        for initiator in folders(system, base + "/acls"):
            who += acl_sessions(system, "%s/acls/%s" % (base, initiator))
        with contextlib.suppress(FileNotFoundError):
            dynamic = system.read(base + "/dynamic_sessions").replace("\0", "\n").split()
            who += ["%s (without an ACL)" % name for name in dynamic]
    return who


def acl_sessions(system: System, acl: str) -> List[str]:
    """Return the session of one ACL (its folder) in words, or nothing."""
    info = system.read(acl + "/info")
    if "InitiatorName" not in info:
        return []
    address = re.search(r"CID:.*?Connection State:.*?\n\s*Address\s+(\S+)", info, re.S)
    name = acl.rsplit("/", 1)[-1]
    return ["%s from %s" % (name, address.group(1)) if address else name]
