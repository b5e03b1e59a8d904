"""Cutting the connection with a head: its agent is killed at its work, by us or by a fault of the simulated head."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from lunops.sim.faults import Fault
from tests.chaos.place import Place

_PATIENCE_S = 4.0  # a job that finds all done changes nothing: then another head's turn comes


def cut(place: Place, head: int, nth: int) -> bool:
    """Kill the head's agent soon: its process, or by a fault at one of its next changes. Return whether it was."""
    return _kill_process(place, head) if place.has_process(head) else _let_die(place, head, nth)


def left(folder: Path) -> list[int]:
    """Return the ids of the processes of lunops that work with what is in a folder."""
    inside = os.fsencode(folder) + b"/"
    return [pid for pid, words in _lunops() if any(word.startswith(inside) for word in words)]


def _kill_process(place: Place, head: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        for pid in _agents(place, head):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        time.sleep(0.005)
    return False


def _let_die(place: Place, head: int, nth: int) -> bool:
    # Every second one before the change, so that it is not there; the others after.
    place.set_fault(head, Fault(on="*", nth=nth, effect="die_before" if nth % 2 else "die_after"))
    try:
        deadline = time.monotonic() + _PATIENCE_S
        with place.head(head) as system:
            while time.monotonic() < deadline:
                if system.met() >= nth:
                    return True
                time.sleep(0.02)
        return False
    finally:
        place.set_fault(head)


def _agents(place: Place, head: int) -> list[int]:
    return [pid for pid, words in _lunops() if os.fsencode(place.state(head)) in words]


def _lunops() -> list[tuple[int, list[bytes]]]:
    """Return the id and the command line of each process that is a `python -m lunops…`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"-m" in words and words[words.index(b"-m") + 1].partition(b".")[0] == b"lunops":
                    found.append((int(entry.name), words))
    return found
