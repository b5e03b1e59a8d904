"""Which runs are at work on this head: one lock file for each run and session, held as long as the session lives.

What a run has half made looks like what an interrupted one left. A flock dies with its process, so that a file
whose lock is free belongs to a run that has ended, whatever ended it.
"""

from __future__ import annotations

import contextlib
import os
import re

from lunops.agent.run_files import FOLDER, file_of, prefix
from lunops.agent.system import Locked

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Container, Dict, Set

    from lunops.agent.system import System

_FILE = re.compile(r"lunops-run-[A-Za-z0-9_-]*\.(\d+)\.lock\Z")


class Runs:
    """The runs that this session has worked for."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._held = contextlib.ExitStack()
        self._known: Set[str] = set()
        self.files: Set[str] = set()  # those of this session

    def hold(self, run: str) -> None:
        """Say that the run is at work, until `release`; without a run there is nothing to say."""
        if not run or run in self._known:
            return
        self._known.add(run)
        path = file_of(run, os.getpid())
        # Where it cannot be said (no such folder, a file that is held already) the work is still to be done.
        with contextlib.suppress(OSError, Locked):
            self._held.enter_context(self._system.lock(path, 0.0))
            self.files.add(path)
            self._held.callback(self._unlink, path)  # called first, while the lock is still ours

    def release(self) -> None:
        """Say that all of them are over."""
        self._held.close()
        self._known.clear()
        self.files.clear()

    def _unlink(self, path: str) -> None:
        with contextlib.suppress(OSError):
            self._system.unlink(path)


def at_work(system: System, run: str, but: Container[str] = ()) -> str:
    """Return who works for the run, as `pid 12 (python3 …)`, the empty text if nobody does; `but` by these files."""
    if not run:
        return ""
    folder, start = prefix(run).rsplit("/", 1)
    for name in system.listdir(folder):
        path = "%s/%s" % (folder, name)
        if path in but or not name.startswith(start):
            continue
        try:
            with system.lock(path, 0.0):
                continue
        except Locked as error:
            return error.holder or "another process"
        except OSError:
            continue
    return ""


def sweep(system: System) -> None:
    """Remove the files of sessions that were killed: those whose lock is free and whose process is no more."""
    for name in system.listdir(FOLDER):
        match = _FILE.match(name)
        if match is None or system.exists("/proc/" + match.group(1)):
            continue
        path = "%s/%s" % (FOLDER, name)
        with contextlib.suppress(OSError, Locked), system.lock(path, 0.0):
            system.unlink(path)


def named_in(request: Dict[str, Any]) -> Set[str]:
    """Return the runs that a request of the protocol is work for; that of an undo is in what was made."""
    runs = {str(request.get("run") or "")}
    if request["do"] == "undo":
        for item in request["items"]:
            runs |= {str(step[2]) for step in item["made"] if step[0] in ("clone", "parent", "perhaps")}
    return runs - {""}
