"""Owner, group and mode of a path: what is wanted, how it differs, and what is told of a path at the end."""

from __future__ import annotations

import hashlib

from lunops.agent.files import LINK
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from lunops.agent.files import Info
    from lunops.agent.system import System

_STATES = {"dir": "directory", "link": "link", "file": "file"}


class Wanted:
    """Owner, group and mode as an item gives them; None: as it is, or as a new one has it."""

    def __init__(self, system: System, args: Dict[str, Any]) -> None:
        self.uid = _number(args.get("owner"), system.user_id, "user")
        self.gid = _number(args.get("group"), system.group_id, "group")
        self.mode = int(args["mode"], 8) if args.get("mode") else None

    def of(self, now: Info | None, system: System, mode: int) -> tuple[int, int, int]:
        """Return mode, uid and gid of what stands there, or of a new one that has this mode if nothing is said."""
        own = (now.uid, now.gid) if now is not None else system.ids()
        wanted = now.mode if now is not None else mode
        return (
            wanted if self.mode is None else self.mode,
            own[0] if self.uid is None else self.uid,
            own[1] if self.gid is None else self.gid,
        )

    def differences(self, system: System, path: str, now: Info) -> List[str]:
        """Return what would have to be done, as commands."""
        mode, uid, gid = self.of(now, system, 0)
        found = []
        if (uid, gid) != (now.uid, now.gid):
            found.append("chown %s:%s %s" % (system.user_name(uid) or uid, system.group_name(gid) or gid, path))
        if mode != now.mode and now.kind != LINK:  # a link has no mode
            found.append("chmod %04o %s" % (mode, path))
        return found

    def apply(self, system: System, path: str, now: Info) -> None:
        """Set what differs."""
        mode, uid, gid = self.of(now, system, 0)
        if (uid, gid) != (now.uid, now.gid):
            system.chown(path, uid, gid)
            now = system.info(path) or now  # a change of the owner may have taken bits away
        if mode != now.mode and now.kind != LINK:
            system.chmod(path, mode)


def _number(value: Any, look: Any, kind: str) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return value
    found = look(value)
    if found is None:
        if value.isdigit():
            return int(value)
        raise ItemError("there is no %s %r" % (kind, value), "make it first, or give its number")
    number: int = found
    return number


def told(system: System, path: str) -> Dict[str, Any]:
    """Return what Ansible's file modules tell of a path."""
    now = system.info(path)
    if now is None:
        return {"path": path, "state": "absent"}
    return {
        "path": path,
        "state": _STATES.get(now.kind, now.kind),
        "size": now.size,
        "mode": "%04o" % now.mode,
        "uid": now.uid,
        "gid": now.gid,
        "owner": system.user_name(now.uid),
        "group": system.group_name(now.gid),
    }


def checksum(data: bytes) -> str:
    """Return a content's SHA-1, as Ansible's `checksum`: to tell contents apart, not to trust them."""
    return hashlib.sha1(data).hexdigest()
