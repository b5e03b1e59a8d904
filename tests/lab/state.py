"""What the lab remembers of its heads between two commands: ports and processes, in one small file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cache import lab_folder, locked
from tests.lab.errors import LabError
from tests.lab.machine import Ports
from tests.lab.process import Process

LOCK_WAIT_S = 1800.0
# Below the ports that kernels give to outgoing connections, so that a head that is off does not lose its own.
PORT_RANGE = (20000, 32000)


@dataclass(frozen=True, kw_only=True)
class HeadState:
    """One head that is up or was powered off; its disks and keys are in `run_folder() / name`."""

    number: int
    ports: Ports
    process: Process | None


@dataclass(frozen=True, kw_only=True)
class LabState:
    """The heads of one build (`image`, `states`: keys of image and ready states); none if nothing is up."""

    image: str = ""
    accel: str = ""
    states: str = ""
    heads: tuple[HeadState, ...] = ()

    def head(self, number: int) -> HeadState:
        """Return the head with this number, which is there."""
        return next(x for x in self.heads if x.number == number)

    def with_head(self, head: HeadState) -> LabState:
        """Return the state with this head in place of the one with its number, if there is one."""
        others = [x for x in self.heads if x.number != head.number]
        return dataclasses.replace(self, heads=tuple(sorted([*others, head], key=lambda x: x.number)))


def run_folder() -> Path:
    """Return the folder of the heads that are up."""
    folder = lab_folder() / "run"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def state_locked() -> Iterator[None]:
    """Hold the lock without which nothing changes the heads or the state."""
    with locked(lab_folder() / "run.lock", timeout_s=LOCK_WAIT_S, what="it changes the heads"):
        yield


def load_state() -> LabState:
    """Read the state; an empty one if nothing is up."""
    path = run_folder() / "state.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        heads = tuple(
            HeadState(
                number=head["number"],
                ports=Ports(**head["ports"]),
                process=Process(**head["process"]) if head["process"] else None,
            )
            for head in data.pop("heads")
        )
        return LabState(heads=heads, **data)
    except FileNotFoundError:
        return LabState()
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"the state of the lab cannot be read: {error!r}",
            where=str(path),
            fix="end the qemu processes named lunops-lab-… by hand and remove the file",
        ) from error


def save_state(state: LabState) -> None:
    """Write the state, whole or not at all."""
    path = run_folder() / "state.json"
    draft = path.with_name(f".state.{os.getpid()}")
    draft.write_text(json.dumps(dataclasses.asdict(state), indent=1), encoding="utf-8")
    draft.replace(path)


class Book:
    """The state while heads are started at once: what one thread notes is on disk before it goes on."""

    def __init__(self, state: LabState) -> None:
        """Begin with `state`; the caller holds the lock of `state_locked`."""
        self._guard = threading.Lock()
        self._state = state
        save_state(state)

    @property
    def state(self) -> LabState:
        """The state as it is noted now."""
        return self._state

    def note(self, head: HeadState) -> None:
        """Put a head in place of the one with its number, and save."""
        with self._guard:
            self._state = self._state.with_head(head)
            save_state(self._state)


def free_ports(taken: set[int], *, within: tuple[int, int] = PORT_RANGE) -> Ports:
    """Find two ports of 127.0.0.1 that nothing listens on and that are not in `taken`."""
    found: list[int] = []
    for _ in range(200):
        port = random.randrange(*within)
        if port in taken or port in found:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == 2:
            return Ports(ssh=found[0], iscsi=found[1])
    raise LabError(f"no two free ports between {within[0]} and {within[1]} on 127.0.0.1")
