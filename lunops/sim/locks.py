"""Locks between processes on a simulated head: real flocks on files beside the state file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from lunops.agent.system import Locked
from lunops.sim import turn

_POLL_S = 0.02
_HOLDER_MOST = 4096
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


@contextlib.contextmanager
def held(folder: Path, path: str, timeout_s: float, holder: str) -> Iterator[None]:
    """Hold the lock of a head's `path` while the block runs; it dies with the process.

    `holder` is what others are told about who has it. Raises Locked if it is not free in time.
    """
    file = folder / quote(path, safe="")
    try:
        handle = os.open(file, _FLAGS, 0o600)
    except FileNotFoundError:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(file, _FLAGS, 0o600)
    try:
        deadline = time.monotonic() + timeout_s
        while not _take(handle):
            if time.monotonic() >= deadline:
                raise Locked(path, os.pread(handle, _HOLDER_MOST, 0).decode("utf-8", "replace"))
            turn.sleep(_POLL_S)
        said = holder.encode()
        if os.pread(handle, _HOLDER_MOST, 0) != said:  # to cut a file that is not empty is the most costly of it
            os.ftruncate(handle, 0)
            os.pwrite(handle, said, 0)
        yield
    finally:
        os.close(handle)


def holder(folder: Path, path: str) -> str:
    """Return who holds the lock of a head's `path`; the empty text if it is free."""
    try:
        handle = os.open(folder / quote(path, safe=""), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        return "" if _take(handle) else os.pread(handle, _HOLDER_MOST, 0).decode("utf-8", "replace")
    finally:
        os.close(handle)


def myself() -> str:
    """Return this process in the words that `Locked.holder` has."""
    return _in_words(os.getpid())


@functools.cache
def _in_words(pid: int) -> str:
    command = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f"pid {pid} ({command})"


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
