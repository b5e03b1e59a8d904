"""Keep what stands at a path before it is changed, and put it back: the undo of copy, template and file.

made: ["path", PATH, BEFORE, AFTER], each {"kind": "absent"} | {"kind": "dir", "mode", "uid", "gid"}
    | {"kind": "link", "target"} | {"kind": "file", "mode", "uid", "gid", "sha1", "content": base64}
`content` is left out of what is too big to keep, and of AFTER.
"""

from __future__ import annotations

import base64

from lunops.agent.files import FILE, FOLDER, LINK
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import UndoKind

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Work

KEPT_BYTES = 1 << 20


def state(system: System, path: str, *, content: bool) -> Dict[str, Any]:
    """Return what stands at the path, with a file's content if it is asked for and not too big."""
    now = system.info(path)
    if now is None:
        return {"kind": "absent"}
    if now.kind == LINK:
        return {"kind": LINK, "target": system.readlink(path)}
    found: Dict[str, Any] = {"kind": now.kind, "mode": now.mode, "uid": now.uid, "gid": now.gid}
    if now.kind == FILE:
        found["sha1"] = system.sha1(path)
        if content and now.size <= KEPT_BYTES:
            found["content"] = base64.b64encode(system.read_bytes(path)).decode()
    return found


def made(system: System, path: str, before: Dict[str, Any]) -> List[Any]:
    """Return the entry that takes back what has just been done at the path."""
    return ["path", path, before, state(system, path, content=False)]


def _take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    _kind, path, before, after = step
    system = work.system
    now = state(system, path, content=False)
    if now == {key: before[key] for key in before if key != "content"}:
        return
    if now != after:
        raise ItemError("%s is no longer as this run left it" % path, "look at it before putting back what it was")
    if before["kind"] == FILE and before["sha1"] != now.get("sha1") and "content" not in before:
        raise ItemError(
            "%s was too big to be kept (more than %d bytes)" % (path, KEPT_BYTES), "restore it from a copy, if any"
        )
    if before["kind"] != now["kind"] and now["kind"] == FOLDER:
        system.rmdir(path)  # only if nothing was put into it meanwhile
    elif now["kind"] != "absent" and (before["kind"] in ("absent", LINK) or now["kind"] == LINK):
        system.unlink(path)
    if before["kind"] == FILE and before["sha1"] != now.get("sha1"):
        system.put_file(path, base64.b64decode(before["content"]), before["mode"], before["uid"], before["gid"])
    elif before["kind"] in (FILE, FOLDER):
        if before["kind"] != now["kind"]:
            system.mkdir(path)
        system.chown(path, before["uid"], before["gid"])
        system.chmod(path, before["mode"])
    elif before["kind"] == LINK:
        system.symlink(before["target"], path)
    outcome.changes.append("remove %s" % path if before["kind"] == "absent" else "put %s back" % path)


def _by_hand(step: Sequence[Any]) -> str:
    _kind, path, before, _after = step
    if before["kind"] == "absent":
        return "rm -d %s" % path
    if before["kind"] == LINK:
        return "ln -sfn %s %s" % (before["target"], path)
    if before["kind"] == FOLDER:
        return "mkdir -m %04o %s" % (before["mode"], path)
    return "restore %s from a copy, sha1 %s, mode %04o" % (path, before["sha1"], before["mode"])


KINDS: Dict[str, UndoKind] = {"path": UndoKind(_take_back, _by_hand)}
