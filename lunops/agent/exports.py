"""Which devices LIO exports, looked at once for a whole task.

`guards.uses` goes through all storage objects of the head for each dataset that it is asked about; a task over many
datasets asks it only about those that are exported, and about what costs no such look.
"""

from __future__ import annotations

import contextlib

from lunops.agent import guards, lio
from lunops.agent.device import path_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Iterator, List, Set

    from lunops.agent.system import System
    from lunops.agent.work import Work


@contextlib.contextmanager
def fixed(work: Work) -> Iterator[Exports]:
    """Keep lunops and targetcli from exporting anything while the block runs; check mode only looks."""
    with contextlib.ExitStack() as held:
        if not work.check:
            held.enter_context(lio.locked(work))
        yield Exports(work.system)


class Exports:
    """The devices behind the head's storage objects."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._devices: Set[str] = set()
        for hba in lio.folders(system, lio.CORE):
            for name in lio.folders(system, "%s/%s" % (lio.CORE, hba)):
                with contextlib.suppress(OSError):  # an ALUA folder, or gone meanwhile
                    self._devices.add(system.read("%s/%s/%s/udev_path" % (lio.CORE, hba, name)).strip())

    def uses(self, dataset: str) -> List[guards.Use]:
        """Return who is logged in to, exports or holds a dataset."""
        kinds = [guards.HOLDERS]
        if path_of(dataset) in self._devices:
            kinds += [guards.SESSIONS, guards.EXPORTED]
        return guards.uses(self._system, dataset, kinds)
