"""The simulated head: the agent's `System` over a state file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lunops.agent.piped import Piped
from lunops.agent.started import Started
from lunops.agent.system import Output, System
from lunops.sim import locks, portals, turn
from lunops.sim.contents import Contents
from lunops.sim.machine import POOL_SIZE, SAVECONFIG
from lunops.sim.shell import Shell
from lunops.sim.tree import parent_of, refuse

__all__ = ["POOL_SIZE", "SAVECONFIG", "SimulatedSystem", "pools_to_make"]

DEFAULT_POOL = "tank"


def pools_to_make(state: Path, named: Sequence[str]) -> Sequence[str]:
    """Return the pools that a head is to have: those named, else LUNOPS_SIM_POOLS (a,b), else one for a new head."""
    others = [name for name in os.environ.get("LUNOPS_SIM_POOLS", "").split(",") if name]
    return named or others or ([] if state.exists() else [DEFAULT_POOL])


class SimulatedSystem(Contents, System):
    """A head in a file. Several of these, in several processes, on one file are one head."""

    def run(self, argv: Sequence[str], timeout_s: float = 300.0) -> Output:
        """Run a command of the head's."""
        return self._commands.run(argv, timeout_s)

    def start(self, argv: Sequence[str], *, stdin: bytes, folder: str, environment: dict[str, str]) -> Started:
        """Start one of the few commands that a simulated head has."""
        if folder and not self.is_dir(folder):
            raise refuse(errno.ENOENT, folder)
        return Shell(self, folder or "/root", environment, stdin).start(argv)

    def environment(self) -> dict[str, str]:
        """Return the environment that a command has if nothing else is said."""
        return {"HOME": "/root", "USER": "root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def reach(self, host: str, port: int, timeout_s: float, pattern: re.Pattern[str] | None = None) -> str | None:
        """Return "" if one of the head's targets is served at the port: nobody else listens there."""
        del timeout_s, pattern  # it answers at once, and says nothing first
        is_own = host in ("127.0.0.1", "localhost", "::1", self.uname()[1])
        return "" if is_own and portals.is_served(self._state, port) else None

    def uname(self) -> tuple[str, str, str, str, str]:
        """Return system, name, release, version and machine."""
        return "Linux", self.read("/proc/sys/kernel/hostname").strip(), "6.1.0-simulated", "#1 SMP simulated", "x86_64"

    def pipe(self, argv: Sequence[str], *, feed: bool) -> Piped:
        """Start a command to read from, or to feed."""
        return self._commands.pipe(argv, feed=feed)

    def read(self, path: str) -> str:
        """Return the file's text."""
        self._observe("read", path)
        path, kind = self._there(path)
        part = self._tree.part(path)
        if kind == "dir":
            raise refuse(errno.EISDIR, path)
        if part is self._files:
            return self._files.text(path)
        if kind == "block":
            raise refuse(errno.EINVAL, path)  # nothing is stored in the simulated devices
        if part is self._net:
            return self._net.read(path)
        return self._configfs.read(path) if part is self._configfs else self._udev.read(path)

    def write(self, path: str, text: str) -> None:
        """Write to a file, without creating it."""
        with self._changing("write", path, f" = {text}"):
            path, kind = self._there(path)
            part = self._tree.part(path)
            if kind == "dir":
                raise refuse(errno.EISDIR, path)
            if part is self._configfs:
                self._configfs.write(path, text)
            elif part is self._udev:
                self._udev.write(path, text)
            else:
                self._files.put(path, "file", text + self._files.text(path)[len(text) :])

    def mkdir(self, path: str) -> None:
        """Make one folder."""
        with self._changing("mkdir", path):
            path = self._new(path)
            if self._tree.part(path) is self._configfs:
                self._configfs.mkdir(path)
            else:
                self._put(path, "dir")

    def rmdir(self, path: str) -> None:
        """Remove one folder."""
        with self._changing("rmdir", path):
            path = self._tree.canonical(path, follow=False)
            if self._tree.part(path) is self._configfs:
                self._configfs.rmdir(path)
                return
            kind = self._kind_or_refuse(path)
            if kind != "dir":
                raise refuse(errno.ENOTDIR, path)
            if self._tree.names(path):
                raise refuse(errno.ENOTEMPTY, path)
            self._remove(path)

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link at `path`."""
        with self._changing("symlink", path, f" -> {target}"):
            path = self._new(path)
            if self._tree.part(path) is self._configfs:
                self._configfs.symlink(self._tree.canonical(target, follow=True), path)
            else:
                self._put(path, "link", target)

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        with self._changing("unlink", path):
            path = self._tree.canonical(path, follow=False)
            if self._tree.part(path) is self._configfs:
                self._configfs.unlink(path)
                return
            if self._kind_or_refuse(path) == "dir":
                raise refuse(errno.EISDIR, path)
            if self._tree.part(path) is self._udev:
                self._udev.unlink(path)
            else:
                self._remove(path)

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none if it is not there."""
        self._observe("listdir", path)
        path, kind = self._tree.find(path, follow=True)
        if kind not in ("dir", None):
            raise refuse(errno.ENOTDIR, path)
        return self._tree.names(path) if kind else []

    def exists(self, path: str) -> bool:
        """Return whether something stands at the path, a dangling link included."""
        return self._kind(path, follow=False) is not None

    def is_dir(self, path: str) -> bool:
        """Return whether a folder, and not a link to one, stands at the path."""
        return self._kind(path, follow=False) == "dir"

    def is_link(self, path: str) -> bool:
        """Return whether a symbolic link stands at the path."""
        return self._kind(path, follow=False) == "link"

    def readlink(self, path: str) -> str:
        """Return what a link says, whether or not anything is there."""
        path = self._tree.canonical(path, follow=False)
        if self._kind_or_refuse(path) != "link":
            raise refuse(errno.EINVAL, path)
        return self._tree.part(path).target(path)

    def resolve(self, path: str) -> str:
        """Return the path that a link, or a path through links, leads to."""
        return self._tree.canonical(path, follow=True)

    def is_block_device(self, path: str) -> bool:
        """Return whether the path leads to a block device that is there."""
        return self._kind(path, follow=True) == "block"

    def zvol_name(self, device: str) -> str:
        """Return the dataset behind a /dev/zdN, asked of the device itself."""
        self._observe("zvol_name", device)
        path, kind = self._there(device)
        if kind != "block":
            raise refuse(errno.ENOTTY, device)
        return self._udev.dataset(path)

    def make_dirs(self, path: str, mode: int = 0o700) -> None:  # noqa: ARG002 - folders have no modes here
        """Make a folder and what is missing above it."""
        if self._kind(path, follow=True) == "dir":
            return
        with self._changing("make_dirs", path):
            done = ""
            for name in os.path.normpath(path).strip("/").split("/"):
                done = self._tree.canonical(f"{done}/{name}", follow=True)
                kind = self._tree.kind(done)
                if kind is None:
                    self._put(done, "dir")
                elif kind != "dir":
                    raise refuse(errno.EEXIST, done)

    def mode(self, path: str) -> int:
        """Return the permission bits of a file; those of a folder are always the same."""
        path, kind = self._there(path)
        return self._files.mode(path, kind)

    def lock_holder(self, path: str) -> str:
        """Return who holds a lock; the empty text if nobody does."""
        return locks.holder(self._locks, self._tree.canonical(path, follow=True))

    def replace(self, path: str, text: str, mode: int = 0o600) -> None:
        """Replace a file so that a crash leaves the old or the new one whole."""
        with self._changing("replace", path, text=text):
            path = self._tree.canonical(path, follow=False)  # rename(2) does not follow a link
            if self._kind(parent_of(path), follow=True) != "dir":
                raise refuse(errno.ENOENT, path)
            if self._tree.part(path) is not self._files:
                raise refuse(errno.EACCES, path)
            self._files.put(path, "file", text)
            self._files.set_mode(path, mode)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        turn.sleep(seconds)

    def name_locks(self, path: str) -> locks.NameLocks:  # type: ignore[override]  # its own file, the same methods
        """Open the file of the locks on names."""
        self._observe("lock", path)
        return locks.NameLocks(self._locks)

    @contextlib.contextmanager
    def lock(self, path: str, timeout_s: float) -> Iterator[None]:
        """Hold an exclusive lock on the file while the block runs; it dies with the process."""
        self._observe("lock", path)
        path = self._lock_file(path)
        with locks.held(self._locks, path, timeout_s, locks.myself()):
            yield
