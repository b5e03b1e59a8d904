"""What jobs need of the world, so that a test can hand in another one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lunops.head_run import HeadSession
from lunops.inventory import Inventory
from lunops.model import Host
from lunops.render import Templates


class Clock(Protocol):
    """The time: `at` by the wall, to show; `steady_s` never steps back, and goes on over a restart."""

    def at(self) -> float: ...
    def steady_s(self) -> float: ...


class SteadyClock:
    """The machine's monotonic clock, set by the wall clock once, when this process starts.

    So a duration within one process is monotonic, and only one that spans a restart, or two machines, follows the
    wall clock.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def at(self) -> float:
        """Return the wall clock's time, in seconds since 1970."""
        return time.time()

    def steady_s(self) -> float:
        """Return seconds of which only differences mean something."""
        return self._offset_s + time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What jobs need of the world: the present inventory, the templates, how a head is reached, the time."""

    inventory: Callable[[], Inventory]
    templates: Templates
    connect: Callable[[Host], HeadSession]
    clock: Clock
