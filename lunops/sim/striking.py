"""What every change of a simulated head's files goes through, and every look at them: the faults that were set."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from lunops.sim import turn
from lunops.sim.faults import Fault, Struck
from lunops.sim.machine import Machine
from lunops.sim.tree import Kind, parent_of, refuse


class Striking(Machine):
    """A head whose faults strike."""

    @contextlib.contextmanager
    def _changing(self, kind: str, path: str, detail: str = "", *, text: str = "") -> Iterator[None]:
        try:
            with self._state.mutation(kind, path + detail):
                yield
        except Struck as struck:
            fault = struck.fault
            if fault.effect == "half_written":
                with self._state.changing():
                    self._files.put(f"{path}.lunops-{os.getpid()}", "file", text[: len(text) // 2])
                if fault.die:
                    self._state.die()
                raise refuse(fault.errno or errno.ENOSPC, path) from None
            _hang(fault)
            raise refuse(fault.errno or errno.EIO, path) from None

    def _observe(self, kind: str, path: str) -> None:
        try:
            self._state.observation(kind, path)
        except Struck as struck:
            _hang(struck.fault)
            number = struck.fault.errno or errno.EIO
            raise OSError(number, os.strerror(number), path) from None

    def _new(self, path: str) -> str:
        """Return the canonical path of what is to be made; refuse if it is there, or its folder is not."""
        path = self._tree.canonical(path, follow=False)
        above = self._tree.kind(parent_of(path))
        if above is None:
            raise refuse(errno.ENOENT, path)
        if above != "dir":
            raise refuse(errno.ENOTDIR, path)
        if self._tree.kind(path) is not None:
            raise refuse(errno.EEXIST, path)
        return path

    def _put(self, path: str, kind: Kind, text: str = "") -> None:
        if self._tree.part(path) is not self._files:
            raise refuse(errno.EPERM, path)
        self._files.put(path, kind, text)

    def _remove(self, path: str) -> None:
        if self._tree.part(path) is not self._files:
            raise refuse(errno.EPERM, path)
        self._files.remove(path)


def _hang(fault: Fault) -> None:
    """Keep this thread for as long as the fault says; nothing of the head is locked meanwhile."""
    if fault.effect == "hang":
        turn.sleep(fault.hang_s)
