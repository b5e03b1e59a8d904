"""Locks between processes on a simulated head: bytes of one real file beside the state file, locked as by flock.

A byte for each path, at the place that its digest says; the locks are those of an open file description, so that
they are the agent's own and not its process's, and die with it. A file for each lock would cost several times as much.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lunops.agent.name_locks import place
from lunops.agent.system import Locked
from lunops.sim import turn

_POLL_S = 0.02
_HOLDER_MOST = 4096
_HOLDERS = 1024  # places for the words of those who hold one; two that share a place would only be named wrongly
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_LOCK = "hhqqi4x"  # struct flock where off_t has 64 bits


@contextlib.contextmanager
def held(file: Path, path: str, timeout_s: float, holder: str) -> Iterator[None]:
    """Hold the lock of a head's `path` while the block runs; it dies with the process.

    `holder` is what others are told about who has it. Raises Locked if it is not free in time.
    """
    byte, words = _places(path)
    handle = os.open(file, _FLAGS, 0o600)
    try:
        deadline = time.monotonic() + timeout_s
        while not _take(handle, byte):
            if time.monotonic() >= deadline:
                raise Locked(path, _words(handle, words))
            turn.sleep(_POLL_S)
        said = holder.encode()[: _HOLDER_MOST - 1]
        if os.pread(handle, len(said) + 1, words) != said + b"\0":
            os.pwrite(handle, said + b"\0", words)
        yield
    finally:
        os.close(handle)


class NameLocks:
    """The names that one session on a simulated head holds, by one descriptor."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, _FLAGS, 0o600)

    def take(self, name: str, runs: Sequence[str] = ()) -> bool:
        """Take a name's lock if it is free; return whether it is this session's now."""
        byte, words = _places("name " + name)
        if not _take(self._handle, byte):
            return False
        said = "\n".join((myself(), *runs)).encode()
        os.pwrite(self._handle, said[: _HOLDER_MOST - 1] + b"\0", words)
        return True

    def is_of(self, name: str, runs: Sequence[str]) -> bool:
        """Return whether who has a name's lock took it for one of these runs."""
        _, *theirs = self._words(name)
        return bool(set(theirs) & set(runs))

    def holder(self, name: str) -> str:
        """Return who has a name's lock, or had it last."""
        return self._words(name)[0]

    def _words(self, name: str) -> list[str]:
        return _words(self._handle, _places("name " + name)[1]).split("\n")

    def close(self) -> None:
        """Drop all of them."""
        os.close(self._handle)


def holder(file: Path, path: str) -> str:
    """Return who holds the lock of a head's `path`; the empty text if it is free."""
    byte, words = _places(path)
    try:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        return "" if _take(handle, byte) else _words(handle, words)
    finally:
        os.close(handle)


def myself() -> str:
    """Return this process in the words that `Locked.holder` has."""
    return _in_words(os.getpid())


@functools.cache
def _in_words(pid: int) -> str:
    command = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f"pid {pid} ({command})"


@functools.lru_cache
def _places(path: str) -> tuple[int, int]:
    """Return the byte that stands for a path's lock, and where the words of its holder are."""
    number = place(path)
    return number, number % _HOLDERS * _HOLDER_MOST


def _words(handle: int, place: int) -> str:
    return os.pread(handle, _HOLDER_MOST, place).partition(b"\0")[0].decode("utf-8", "replace")


def _take(handle: int, byte: int) -> bool:
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
