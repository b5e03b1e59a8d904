"""The head's processes: who holds a lock, and whether a process is still the one that it was. Part of `System`."""

from __future__ import annotations

import contextlib
import os
import signal
import time

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Iterator, List

LOOK_S = 0.02
DIES_WITHIN_S = 1.0  # of SIGKILL: far more than an exit takes


class Processes:
    """What `System` can tell of processes and of the time."""

    def process_start(self, pid: int) -> str:
        """Return when a process began, in ticks since boot, and the empty text if there is none.

        Pid and start together are one process for ever: numbers are used again. proc(5), /proc/PID/stat.
        """
        try:
            with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            return ""
        fields = text.rpartition(")")[2].split()  # a program's name may hold blanks and brackets
        return fields[19] if len(fields) > 19 else ""

    def lock_holder(self, path: str) -> str:
        """Return who holds the flock on a file, as `pid 12 (targetcli)`; the empty text if nobody is seen to."""
        try:
            inode = os.stat(path).st_ino
        except OSError:
            return ""
        return holder_of(inode)

    def uname(self) -> tuple[str, str, str, str, str]:
        """Return system, name, release, version and machine, as uname(2)."""
        found = os.uname()
        return found.sysname, found.nodename, found.release, found.version, found.machine

    def time(self) -> float:
        """Return the head's wall clock, in seconds since 1970."""
        return time.time()


def holder_of(inode: int) -> str:
    """Say who holds a flock on the file with this inode, by /proc/locks, as far as it can be seen."""
    try:
        with open("/proc/locks", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        # "->" is one that waits
        if "FLOCK" in fields and "->" not in fields and fields[-3].rsplit(":", 1)[-1] == str(inode):
            return named(fields[-4])
    return ""


def named(pid: str | int) -> str:
    """Return `pid 12 (targetcli)`; the command is missing if the process ended and left the lock to a child."""
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            command = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        command = "which has ended; a child of it holds the lock"
    return "pid %s (%s)" % (pid, command)


class Seen:
    """One process."""

    def __init__(self, pid: int, name: str, state: str, parent: int, session: int) -> None:
        self.pid = pid
        self.name = name
        self.is_dead = state in "ZX"
        self.parent = parent
        self.session = session


def seen() -> Iterator[Seen]:
    """Give all processes there are. proc(5), /proc/PID/stat: state, parent, group, session."""
    for word in os.listdir("/proc"):
        if not word.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % word, encoding="utf-8", errors="replace") as file:
                start, _, rest = file.read().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        yield Seen(int(word), start.partition("(")[2], fields[0], int(fields[1]), int(fields[3]))


def end_started() -> None:
    """Kill what this process has started and what that has started, but for what made a session of its own.

    All that the agent starts leads a session, by whose number the rest is found.
    """
    me = os.getpid()
    leaders: List[int] = []
    deadline = time.monotonic() + DIES_WITHIN_S
    while True:  # again and again: one that forks may be a step ahead
        found = list(seen())
        leaders += [each.pid for each in found if each.parent == me and each.session == each.pid]
        left = [each.pid for each in found if each.session in leaders and not each.is_dead]
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not left or time.monotonic() >= deadline:
            return
        time.sleep(LOOK_S)
