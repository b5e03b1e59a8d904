"""Locks on names: record locks on the bytes of one file, which the kernel drops with this process."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct

from lunops.agent.processes import named
from lunops.agent.run_files import file_of

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Sequence

_FLOCK = "hhqqi4x"  # struct flock where off_t has 64 bits


class NameLocks:
    """One open file. A process may have only one: closing any descriptor of the file drops all of its locks."""

    def __init__(self, path: str) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, name: str, _runs: Sequence[str] = ()) -> bool:
        """Take a name's lock if it is free; return whether it is this process's now."""
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place(name))
        except OSError:
            return False
        return True

    def is_of(self, name: str, runs: Sequence[str]) -> bool:
        """Return whether who has a name's lock works for one of these runs."""
        pid = self._holder(name)
        return pid > 0 and any(os.path.exists(file_of(run, pid)) for run in runs)

    def holder(self, name: str) -> str:
        """Return who has a name's lock, as `pid 12 (python3 …)`; the empty text if nobody, or it cannot be told."""
        pid = self._holder(name)
        return named(pid) if pid > 0 else ""

    def _holder(self, name: str) -> int:
        with contextlib.suppress(OSError, struct.error):
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, place(name), 1, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(self._handle, fcntl.F_GETLK, asked))
            if kind != fcntl.F_UNLCK:
                return int(pid)
        return 0

    def close(self) -> None:
        """Drop all of them."""
        os.close(self._handle)


def place(name: str) -> int:
    """Return the byte that stands for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
