"""copy and template: have a file with a content, an owner, a group and a mode.

    {"content": BASE64, "dest": "/etc/x", "name": "x", "owner": "root" or 0 or null, "group": …, "mode": "0644" or "",
     "backup": false, "validate": "visudo -cf %s", "force": true}

`name` is what the file is called where `dest` is a folder. Without `force` a file that is there is left as it is.
"""

from __future__ import annotations

import base64
import shlex
import time

from lunops.agent import keep
from lunops.agent.attributes import Wanted, checksum, told
from lunops.agent.files import FILE, FOLDER, LINK
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.textdiff import diff

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Sequence

    from lunops.agent.files import Info
    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_NEW_MODE = 0o644
_MOST_BYTES = 8 << 20  # no content is as big as that: a bigger file differs, and need not be read


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task; a loop's order is kept."""
    work.each(items, lambda item, outcome: _one(work, item.args, outcome), forks=1)


def _one(work: Work, args: Dict[str, Any], outcome: Outcome) -> None:
    system = work.system
    data = base64.b64decode(args["content"])
    dest = _destination(system, args)
    now = system.info(dest)
    wanted = Wanted(system, args)
    if now is not None and not args["force"]:
        outcome.data = dict(told(system, dest), dest=dest, msg="file already exists")
        return
    kept = now if now is not None and now.kind == FILE else None  # what its owner and mode are taken from
    old = system.read_bytes(dest) if kept is not None and kept.size <= _MOST_BYTES else None
    is_same = kept is not None and old == data
    if not is_same:
        was = "" if now is None else ", a link before" if kept is None else ", %d before" % kept.size
        outcome.changes.append("write %s (%d bytes%s)" % (dest, len(data), was))
    if now is not None and kept is not None:
        outcome.changes += wanted.differences(system, dest, now)
    backup = "%s.%s~" % (dest, time.strftime("%Y-%m-%d@%H:%M:%S", time.localtime(system.time())))
    has_backup = args["backup"] and not is_same and kept is not None
    if has_backup:
        outcome.changes.append("keep the old one as %s" % backup)
    if outcome.changes and not work.check:
        before = keep.state(system, dest, content=True)
        if is_same and now is not None:
            wanted.apply(system, dest, now)
        else:
            if has_backup and kept is not None:
                system.put_file(backup, system.read_bytes(dest), kept.mode, kept.uid, kept.gid)
            _write(system, dest, data, wanted, kept, _checked_by(system, args["validate"]))
        outcome.made.append(keep.made(system, dest, before))
    outcome.data = dict(told(system, dest), dest=dest, checksum=checksum(data))
    if not is_same:
        outcome.data["diff"] = diff(dest, old, data) if kept is None or old is not None else outcome.changes[:1]
    if has_backup and not work.check:
        outcome.data["backup_file"] = backup


def _write(
    system: System, dest: str, data: bytes, wanted: Wanted, kept: Info | None, check: Callable[[str], None] | None
) -> None:
    mode, uid, gid = wanted.of(kept, system, _NEW_MODE)
    system.put_file(dest, data, mode, uid, gid, check)


def _destination(system: System, args: Dict[str, Any]) -> str:
    """Return the file's own path; raises ItemError where none can be made."""
    dest = str(args["dest"])
    there = system.info(dest, follow=True)
    if dest.endswith("/") or (there is not None and there.kind == FOLDER):
        if there is None:
            raise ItemError("the folder %s does not exist" % dest, "make it first: file, with state: directory")
        if not args["name"]:
            raise ItemError("%s is a folder" % dest, "give the path of a file: content has no name of its own")
        dest = "%s/%s" % (dest.rstrip("/"), args["name"])
        there = system.info(dest, follow=True)
    folder = dest.rsplit("/", 1)[0] or "/"
    above = system.info(folder, follow=True)
    if above is None or above.kind != FOLDER:
        raise ItemError(
            "the folder %s %s" % (folder, "does not exist" if above is None else "is a file"),
            "make it first: file, with state: directory",
        )
    now = system.info(dest)
    if now is not None and now.kind not in (FILE, LINK):
        raise ItemError("%s is a %s, and no file" % (dest, now.kind), "name another, or remove it first")
    return dest


def _checked_by(system: System, command: str) -> Callable[[str], None] | None:
    if not command:
        return None

    def check(path: str) -> None:
        argv = [word.replace("%s", path) for word in shlex.split(command)]
        output = system.run(argv)
        if output.code != 0:
            said = (output.err or output.out).strip() or "it ended with %d" % output.code
            raise ItemError("`%s` refuses it: %s" % (command, said), "mend the content; the file is as it was")

    return check
