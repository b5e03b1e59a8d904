"""Start, recognise and end processes that outlive the command that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process that cannot be mistaken for a later one with the same pid.

    `started_ticks` is its start in clock ticks after boot (proc(5), /proc/PID/stat, field 22); `boot_id` names
    that boot.
    """

    pid: int
    started_ticks: int
    boot_id: str


def start_process(command: Sequence[str], *, folder: Path, log: Path) -> Process:
    """Start a process in its own session, in `folder`, with its output added to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # It is to outlive this object; is_alive and end_process reap it if it ends before its parent.
    child.returncode = 0
    started = _started_ticks(child.pid)
    return Process(pid=child.pid, started_ticks=-1 if started is None else started, boot_id=boot_id())


def is_alive(process: Process) -> bool:
    """Say whether that very process runs."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return process.boot_id == boot_id() and _started_ticks(process.pid) == process.started_ticks


def end_process(process: Process, *, timeout_s: float = 20.0) -> None:
    """Kill that very process, if it still runs, and wait until it is gone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # The handle is fixed before the look at who it is, so the pid cannot change its owner in between.
        if not is_alive(process):
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        deadline = time.monotonic() + timeout_s
        while is_alive(process):
            if time.monotonic() > deadline:
                raise LabError(f"the process {process.pid} does not end although it was killed")
            time.sleep(0.02)
    finally:
        os.close(handle)


def boot_id() -> str:
    """Return the name of this machine's present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, and may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
