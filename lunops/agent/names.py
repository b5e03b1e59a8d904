"""The names that a session works on: locked on the head before anything is changed, and until the session ends.

A lock is a byte of one file, at the place that the name's digest says, so that a thousand names cost neither a
thousand files nor a thousand descriptors. It dies with the process. Whoever waits, waits at the first name that is not
free, in sorted order, and holds only those before it: so two tasks do not wait for each other.
"""

from __future__ import annotations

import contextlib

from lunops.agent.changed_names import changed_names
from lunops.agent.outcome import Busy
from lunops.agent.protocol import ALIVE_S

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Mapping, Sequence, Set

    from lunops.agent.name_locks import NameLocks
    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

PATH = "/run/lock/lunops-names.lock"
WAIT_S = 60.0
_LOOK_S = 0.05


class Names:
    """The names that this session holds."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._locks: NameLocks | None = None
        self._held: Set[str] = set()

    def take(
        self,
        module: str,
        work: Work,
        items: Sequence[Item],
        wait_s: float,
        runs: Sequence[str] = (),
        waiting: Callable[[], None] = lambda: None,
    ) -> Dict[str, Busy]:
        """Take the names of a task's items; return, by item key, the errors of those whose names were not to be had.

        An undo is never refused: what is a run's own is taken back, whoever is at it.
        """
        busy = self.take_all({item.key: changed_names(module, item) for item in items}, work, wait_s, runs, waiting)
        return {} if module == "undo" else busy

    def take_all(
        self,
        wanted: Mapping[str, Set[str]],
        work: Work,
        wait_s: float,
        runs: Sequence[str] = (),
        waiting: Callable[[], None] = lambda: None,
    ) -> Dict[str, Busy]:
        """Take the names of some things; return, by the things' keys, the errors of those that were not to be had.

        A name that another session of one of these runs holds is to be had. `waiting` is called now and then. Nothing
        is locked in check mode, and where the file cannot be made: the work is still to be done.
        """
        if work.check:
            return {}
        missing = sorted({name for names in wanted.values() for name in names} - self._held)
        if not missing:
            return {}
        with contextlib.suppress(OSError):
            self._locks = self._locks or self._system.name_locks(PATH)
        if self._locks is None:
            return {}
        begun = self._system.monotonic()
        busy = self._wait(self._locks, missing, work, begun + wait_s, runs, waiting)
        work.wait_s += self._system.monotonic() - begun
        return {key: busy[name] for key, names in wanted.items() for name in sorted(names) if name in busy}

    def release(self) -> None:
        """Give up all of them."""
        locks, self._locks = self._locks, None
        self._held.clear()
        if locks is not None:
            locks.close()

    def _wait(
        self,
        locks: NameLocks,
        missing: Sequence[str],
        work: Work,
        until: float,
        runs: Sequence[str],
        waiting: Callable[[], None],
    ) -> Dict[str, Busy]:
        busy: Dict[str, Busy] = {}
        said = self._system.monotonic()
        for name in missing:
            while not locks.take(name, runs):
                if locks.is_of(name, runs):
                    break
                now = self._system.monotonic()
                if now >= until or work.is_over():
                    busy[name] = Busy(name, locks.holder(name))
                    break
                if now - said >= ALIVE_S:
                    said = now
                    waiting()
                self._system.sleep(_LOOK_S)
            else:
                self._held.add(name)
        return busy
