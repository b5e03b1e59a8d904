"""A head whose kernel hangs in LIO work: the mark that says so, which every later agent on it looks at first.

/run/lunops/wedged.json: {"pid": N, "start": TICKS, "step": "rmdir iscsi/…", "since": SECONDS SINCE 1970}

A thread that hangs in the kernel cannot be killed, and its process stays for as long as it does. So the mark holds
while the process that it names exists, and no longer; after a reboot /run is empty.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict

    from lunops.agent.system import System

PATH = "/run/lunops/wedged.json"


class Wedged(ItemError):
    """The head is wedged, and takes no LIO work."""


def mark(system: System, step: str, since: float) -> Wedged:
    """Mark the head as wedged by this process, unless another one that still exists was first; return the error."""
    earlier = reason(system)
    if earlier is None:
        pid = os.getpid()
        found = {"pid": pid, "start": system.process_start(pid), "step": step, "since": since}
        system.make_dirs(PATH.rsplit("/", 1)[0])
        system.replace(PATH, json.dumps(found, sort_keys=True) + "\n")
        return _error(found)
    return earlier


def reason(system: System) -> Wedged | None:
    """Return why this head takes no LIO work, None if it does; a mark whose process is gone is removed."""
    if not system.exists(PATH):
        return None
    try:
        found = json.loads(system.read(PATH))
        pid, start = int(found["pid"]), str(found["start"])
        error = _error(found)
    except FileNotFoundError:
        return None  # another removed it just now
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        return Wedged(
            "this head may be wedged: %s is not what lunops writes (%s)" % (PATH, wrong),
            "look for processes in state D on the head; if there is none, remove that file",
        )
    if system.process_start(pid) == start:
        return error
    unmark(system)
    return None


def refuse(system: System) -> None:
    """Raise Wedged if this head takes no LIO work."""
    error = reason(system)
    if error is not None:
        raise error


def unmark(system: System) -> None:
    """Remove the mark."""
    with contextlib.suppress(FileNotFoundError):  # another was first
        system.unlink(PATH)


def _error(found: Dict[str, Any]) -> Wedged:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(found["since"])))
    return Wedged(
        "this head is wedged since %s: pid %s hangs in the kernel, at %s" % (since, found["pid"], found["step"]),
        "reboot the head; if that process ends by itself, just run again. Until then it takes no LIO work",
    )
