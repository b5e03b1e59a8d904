"""The ordinary files of a simulated head in depth: bytes, owners, modes and times. See lunops.agent.files."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable

from lunops.agent.files import FILE, FOLDER, Info
from lunops.sim.striking import Striking
from lunops.sim.tree import parent_of, refuse

_USERS = {"root": 0, "daemon": 1, "www-data": 33, "nobody": 65534}
_GROUPS = {"root": 0, "daemon": 1, "disk": 6, "www-data": 33, "nogroup": 65534}


class Contents(Striking):
    """A head with files that can be looked at and changed."""

    def info(self, path: str, *, follow: bool = False) -> Info | None:
        """Return what stands at the path, or at the end of its links; None where nothing does."""
        self._observe("info", path)
        try:
            path = self._tree.canonical(path, follow=follow)
        except NotADirectoryError:
            return None
        kind = self._tree.kind(path)
        if kind is None:
            return None
        is_ours = self._tree.part(path) is self._files
        size = len(self._files.data(path)) if is_ours and kind == FILE else 4096 if kind == FOLDER else 0
        uid, gid = self._files.owner(path)
        return Info(kind, size, self._files.mode(path, kind), uid, gid, self._files.mtime(path))

    def read_bytes(self, path: str) -> bytes:
        """Return what is in a file."""
        self._observe("read", path)
        path, kind = self._there(path)
        if kind == "dir":
            raise refuse(errno.EISDIR, path)
        if self._tree.part(path) is not self._files:
            raise refuse(errno.EINVAL, path)  # a file of the kernel's, whose text `read` gives
        return self._files.data(path)

    def sha1(self, path: str) -> str:
        """Return the SHA-1 of what is in a file."""
        return hashlib.sha1(self.read_bytes(path)).hexdigest()

    def put_file(
        self,
        path: str,
        data: bytes,
        mode: int,
        uid: int,
        gid: int,
        check: Callable[[str], None] | None = None,  # noqa: ARG002
    ) -> None:
        """Make or replace a file; a link is replaced itself. What a program would say of it is not simulated."""
        with self._changing("put_file", path):
            path = self._ordinary(path)
            if self._tree.kind(parent_of(path)) != "dir":
                raise refuse(errno.ENOENT, path)
            if self._tree.kind(path) == "dir":
                raise refuse(errno.EISDIR, path)
            self._files.put_data(path, data)
            self._files.set_mode(path, mode)
            self._files.set_owner(path, uid, gid)
            self._files.set_mtime(path, time.time())

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of what a path leads to."""
        with self._changing("chmod", path, f" {mode:04o}"):
            path, _kind = self._there(path)
            self._files.set_mode(path, mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Set the owner and the group of what stands at the path."""
        with self._changing("chown", path, f" {uid}:{gid}"):
            path = self._tree.canonical(path, follow=False)
            self._kind_or_refuse(path)
            self._files.set_owner(path, uid, gid)

    def touch(self, path: str) -> None:
        """Have a file there, changed just now."""
        with self._changing("touch", path):
            path = self._ordinary(self._tree.canonical(path, follow=True))
            if self._tree.kind(path) is None:
                self._files.put(self._new(path), "file")
                self._files.set_mode(path, 0o644)
            self._files.set_mtime(path, time.time())

    def remove_tree(self, path: str) -> None:
        """Remove a folder and all below it, following no link."""
        with self._changing("remove_tree", path):
            path = self._ordinary(path)
            if self._kind_or_refuse(path) != "dir":
                raise refuse(errno.ENOTDIR, path)
            self._remove(path)

    def user_id(self, name: str) -> int | None:
        """Return a user's number."""
        return _USERS.get(name)

    def group_id(self, name: str) -> int | None:
        """Return a group's number."""
        return _GROUPS.get(name)

    def user_name(self, number: int) -> str:
        """Return a user's name."""
        return next((name for name, each in _USERS.items() if each == number), "")

    def group_name(self, number: int) -> str:
        """Return a group's name."""
        return next((name for name, each in _GROUPS.items() if each == number), "")

    def ids(self) -> tuple[int, int]:
        """Return the user and group that new files belong to."""
        return 0, 0

    def _ordinary(self, path: str) -> str:
        path = self._tree.canonical(path, follow=False)
        if self._tree.part(path) is not self._files:
            raise refuse(errno.EPERM, path)
        return path
