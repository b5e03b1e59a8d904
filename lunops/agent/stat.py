"""stat: tell what stands at a path, in the words of Ansible's module.

{"path": "/x", "follow": false, "checksum": true}
"""

from __future__ import annotations

from lunops.agent.files import BLOCK, FILE, FOLDER, LINK
from lunops.agent.outcome import Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: it only looks."""
    work.each(items, lambda item, outcome: _one(work, item.args, outcome))


def _one(work: Work, args: Dict[str, Any], outcome: Outcome) -> None:
    system, path = work.system, args["path"]
    now = system.info(path, follow=args["follow"])
    if now is None:
        outcome.data = {"stat": {"exists": False}}
        return
    found: Dict[str, Any] = {
        "exists": True,
        "path": path,
        "isdir": now.kind == FOLDER,
        "islnk": now.kind == LINK,
        "isreg": now.kind == FILE,
        "isblk": now.kind == BLOCK,
        "size": now.size,
        "mode": "%04o" % now.mode,
        "uid": now.uid,
        "gid": now.gid,
        "pw_name": system.user_name(now.uid),
        "gr_name": system.group_name(now.gid),
        "mtime": now.mtime,
    }
    if now.kind == LINK:
        found["lnk_target"] = system.readlink(path)
        found["lnk_source"] = system.resolve(path)
    if now.kind == FILE and args["checksum"]:
        found["checksum"] = system.sha1(path)
    outcome.data = {"stat": found}
