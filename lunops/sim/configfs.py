"""LIO's configfs on a simulated head: what may be made, linked and removed, and what the kernel says if not.

Only what a user made is kept (folders, links, values that were written); all else comes from the schema.
"""

from __future__ import annotations

import errno
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from lunops.sim import portals, schema, sessions
from lunops.sim.folders import File, Folder
from lunops.sim.state import State
from lunops.sim.tree import Files, Kind, below, parent_of, refuse
from lunops.sim.values import Values

TOP = "/sys/kernel/config/target"
CORE = TOP + "/core/"
_HBA = re.compile(r"(iblock|fileio|rd_mcp|pscsi|user)_\d+\Z")
_NUMBERED = {"tpg": ("tpgt_", 0xFFFF), "lun": ("lun_", 0xFFFFFFFF), "mapped_lun": ("lun_", 0xFFFFFFFF)}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in the schema that a path leads to: a folder, a file in one, or a link in one.

    `made` is the nearest folder on the way, itself included, that a user made.
    """

    path: str
    folder: Folder
    made: str
    name: str = ""
    file: File | None = None
    is_link: bool = False

    @property
    def kind(self) -> Kind:
        """Say what it is."""
        return "link" if self.is_link else "dir" if self.file is None else "file"


class Configfs:
    """/sys/kernel/config/target, as part of the file tree. Changes are to be called while changing the state."""

    def __init__(self, state: State, device_of: Callable[[str], int]) -> None:
        """Take the state and what finds the minor number of the zvol that a path leads to (or raises OSError)."""
        self._state = state
        self._files = Files(state)
        self._values = Values(state, device_of)

    def kind(self, path: str) -> Kind | None:
        """Return what stands at the path."""
        place = self._place(path)
        return place.kind if place else None

    def target(self, path: str) -> str:
        """Return where a link leads."""
        return self._files.target(path)

    def names(self, path: str) -> list[str]:
        """Return the names in a folder: files, folders and links."""
        place = self._place(path)
        if place is None or place.kind != "dir":
            return []
        made = self._state.all("select path from nodes where parent = ? and kind in ('dir', 'link')", path)
        return sorted([*place.folder.files, *place.folder.folders, *(row[0].rsplit("/", 1)[1] for row in made)])

    def read(self, path: str) -> str:
        """Return a file's text."""
        place = self._file(path)
        if place.file is None or not place.file.readable:
            raise refuse(errno.EACCES, path)
        return self._values.read(place.folder.name, parent_of(path), place.name, place.file)

    def write(self, path: str, text: str) -> None:
        """Write to a file."""
        place = self._file(path)
        if place.file is None or not place.file.writable:
            raise refuse(errno.EACCES, path)
        self._values.write(place.folder.name, parent_of(path), place.name, place.file, text)

    def mkdir(self, path: str) -> None:
        """Make a folder."""
        folder = self._folder(parent_of(path))
        if self._place(path) is not None:
            raise refuse(errno.EEXIST, path)
        if not folder.maker:
            raise refuse(errno.ENOSYS if folder.name == "statistics" else errno.EPERM, path)
        if not _may_be_called(folder.maker, path.rsplit("/", 1)[1]):
            raise refuse(errno.EINVAL, path)
        if folder.maker == "portal" and portals.conflict(self._state, path.rsplit("/", 1)[1]):
            raise refuse(errno.EINVAL, path)
        self._files.put(path, "dir", str(self._state.counter("hbas")) if folder.maker == "hba" else "")

    def rmdir(self, path: str) -> None:
        """Remove a folder that a user made, with the files that came with it."""
        place = self._place(path)
        if place is None:
            raise refuse(errno.ENOENT, path)
        if place.kind != "dir":
            raise refuse(errno.ENOTDIR, path)
        if place.made != path:
            raise refuse(errno.EPERM, path)
        if self._state.one("select 1 from nodes where kind = 'link' and value = ?", path):
            raise refuse(errno.EBUSY, path)
        query = "select 1 from nodes where path > ? and path < ? and kind in ('dir', 'link')"
        if self._state.one(query, *below(path)):
            raise refuse(errno.ENOTEMPTY, path)
        if place.folder.name == "storage":
            self._state.do("delete from claims where object = ?", path)
        elif place.folder.name == "acl":
            sessions.end(self._state, path.rsplit("/acls/", 1)[0], path.rsplit("/", 1)[1])
        elif place.folder.name == "tpg":
            sessions.end(self._state, path)
        self._files.remove(path)

    def symlink(self, target: str, path: str) -> None:
        """Link a LUN to a storage object, or a mapped LUN to a LUN; the target is a canonical path."""
        folder = self._folder(parent_of(path))
        if self._place(path) is not None:
            raise refuse(errno.EEXIST, path)
        if folder.name not in ("lun", "mapped_lun"):
            raise refuse(errno.EPERM, path)
        there = self._place(target) if target.startswith(TOP) else None
        if there is None:
            raise refuse(errno.ENOENT if target.startswith(TOP) else errno.EPERM, path)
        linked = bool(self._state.one("select 1 from nodes where parent = ? and kind = 'link'", parent_of(path)))
        if folder.name == "lun":
            self._check_lun_link(there, path, linked=linked)
        else:
            self._check_mapped_link(there, path, linked=linked)
        self._files.put(path, "link", target)
        if folder.name == "mapped_lun":
            self._values.map(parent_of(path))

    def unlink(self, path: str) -> None:
        """Remove a link."""
        place = self._place(path)
        if place is None:
            raise refuse(errno.ENOENT, path)
        if place.kind != "link":
            raise refuse(errno.EISDIR if place.kind == "dir" else errno.EPERM, path)
        self._files.remove(path)

    def clear(self) -> None:
        """Forget everything, as the kernel does when it ends."""
        self._state.do("delete from nodes where path > ? and path < ?", *below(TOP))
        self._state.do("delete from claims")
        self._state.put("hbas", 0)
        self._state.do("delete from sessions")

    def _check_lun_link(self, there: Place, path: str, *, linked: bool) -> None:
        if there.folder.name != "storage" or there.made != there.path:
            raise refuse(errno.EFAULT, path)
        if not self._values.is_enabled(there.path):
            raise refuse(errno.ENODEV, path)
        if linked:
            raise refuse(errno.EEXIST, path)

    def _check_mapped_link(self, there: Place, path: str, *, linked: bool) -> None:
        if there.folder.name != "lun" or there.made != there.path:
            raise refuse(errno.EFAULT, path)
        has_storage = self._state.one("select 1 from nodes where parent = ? and kind = 'link'", there.path)
        if linked or not has_storage or there.path.rsplit("/lun/", 1)[0] != path.rsplit("/acls/", 1)[0]:
            raise refuse(errno.EINVAL, path)

    def _folder(self, path: str) -> Folder:
        place = self._place(path)
        if place is None:
            raise refuse(errno.ENOENT, path)
        if place.kind != "dir":
            raise refuse(errno.ENOTDIR, path)
        return place.folder

    def _file(self, path: str) -> Place:
        place = self._place(path)
        if place is None:
            raise refuse(errno.ENOENT, path)
        if place.kind != "file":
            raise refuse(errno.EISDIR, path)
        return place

    def _place(self, path: str) -> Place | None:
        """Return the place at a path if something stands there, at the cost of one query at most."""
        place = _would_be(path)
        if place is None:
            return None
        there, kind = (path, "link") if place.is_link else (place.made, "dir")
        return place if not there or self._state.has_node(there, kind) else None


@functools.lru_cache(maxsize=1 << 13)
def _would_be(path: str) -> Place | None:
    """Return the place that the schema has at a path, None where nothing can ever stand."""
    folder, made, done = schema.ROOT, "", TOP
    names = path[len(TOP) + 1 :].split("/") if path != TOP else []
    for index, name in enumerate(names):
        done = f"{done}/{name}"
        is_last = index == len(names) - 1
        if name in folder.folders:
            folder = folder.folders[name]
        elif name in folder.files:
            return Place(path=path, folder=folder, made=made, name=name, file=folder.files[name]) if is_last else None
        elif folder.maker:
            folder, made = schema.MADE[folder.maker], done
        else:
            return Place(path=path, folder=folder, made=made, is_link=True) if is_last else None
    return Place(path=path, folder=folder, made=made)


def _may_be_called(maker: str, name: str) -> bool:
    """Return whether the kernel makes such a folder under this name."""
    if maker == "hba":
        return bool(_HBA.match(name)) and int(name.rsplit("_", 1)[1]) < 2**64
    if maker == "fabric":
        return name == "iscsi"
    if maker in _NUMBERED:
        prefix, most = _NUMBERED[maker]
        number = name[len(prefix) :]
        return name.startswith(prefix) and number.isascii() and number.isdigit() and int(number) <= most
    if maker == "portal":
        return portals.is_one(name)
    return len(name) < 224 if maker in ("target", "acl") else True
