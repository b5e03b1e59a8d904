"""The head's processes: who holds a lock, and whether a process is still the one that it was. Part of `System`."""

from __future__ import annotations

import os
import time


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
