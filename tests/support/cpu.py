"""What a process has used, by /proc."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_s(pid: int) -> tuple[float, float]:
    """Return the seconds of CPU of a process, and those of its children that are over; nothing if it is no more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0, 0.0
    tick = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / tick, (int(fields[13]) + int(fields[14])) / tick
