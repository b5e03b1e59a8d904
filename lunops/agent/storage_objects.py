"""The storage objects of the kernel, by one look at all of them: to look for each by itself costs a call for each of
the others, so that a LUN would cost the more the more there are."""

from __future__ import annotations

from lunops.agent import lio

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Mapping, Set

    from lunops.agent.system import System


def folders_by_name(system: System) -> Dict[str, str]:
    """Return the folder of each storage object in the kernel, by its name."""
    found: Dict[str, str] = {}
    for hba in system.listdir(lio.CORE):
        if lio.is_hba(hba):
            for name in lio.folders(system, "%s/%s" % (lio.CORE, hba)):
                found.setdefault(name, "%s/%s/%s" % (lio.CORE, hba, name))
    return found


class StorageObjects:
    """Where each one is, and where a new one goes. For one task, under the LIO locks.

    What has gone since the look is seen to have gone; what is new has its place from here.
    """

    def __init__(self, system: System, folders: Mapping[str, str] | None = None) -> None:
        """Look at all of them, unless their `folders` are known."""
        self._system = system
        self._folders = folders_by_name(system) if folders is None else dict(folders)
        self._taken: Set[str] = {folder.rsplit("/", 1)[0] for folder in self._folders.values()}
        self._next = dict.fromkeys(lio.PLUGINS, 0)  # by plugin: below this number there is no place

    def folder(self, name: str) -> str:
        """Return the folder of the storage object with this name, or the empty text."""
        folder = self._folders.get(name, "")
        return folder if folder and self._system.is_dir(folder) else ""

    def place(self, name: str, plugin: str) -> str:
        """Return a folder for a new one, and keep it for it.

        rtslib expects one object in each HBA, so each gets a number of its own. An empty one, left by an agent that
        was killed, is taken first of all.
        """
        while True:
            hba = "%s/%s_%d" % (lio.CORE, lio.PLUGINS[plugin], self._next[plugin])
            self._next[plugin] += 1
            if hba not in self._taken and not (self._system.is_dir(hba) and lio.folders(self._system, hba)):
                self._taken.add(hba)
                self._folders[name] = "%s/%s" % (hba, name)
                return self._folders[name]

    def give_back(self, name: str, plugin: str) -> None:
        """Let another one have the place of one that was not made, or was taken back."""
        if name in self._folders and not self.folder(name):
            hba = self._folders.pop(name).rsplit("/", 1)[0]
            self._taken.discard(hba)
            self._next[plugin] = min(self._next[plugin], int(hba.rsplit("_", 1)[1]))
