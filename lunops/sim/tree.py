"""Ordinary files of a simulated head, and how paths lead through links."""

from __future__ import annotations

import errno
import os
from typing import Any, Literal, Protocol

from lunops.sim.state import State

Kind = Literal["dir", "file", "link", "block"]
_LINKS_MOST = 40  # as the kernel
_MODE, _FOLDER_MODE = 0o600, 0o755  # unless it was set
_BEGUN = 1700000000.0  # when what came with the head was made


def refuse(number: int, path: str) -> OSError:
    """Return the OSError with this errno, as the kernel would give it for the path."""
    return OSError(number, os.strerror(number), path)


def parent_of(path: str) -> str:
    """Return the folder that a path is in."""
    return path.rsplit("/", 1)[0] or "/"


def below(path: str) -> tuple[str, str]:
    """Return the bounds (first inside, first behind) between which the paths below a folder sort."""
    return path + "/", path + "0"  # "0" comes right after "/"


class Part(Protocol):
    """One part of the file tree, such as configfs. Paths are canonical: no link in them but the last name."""

    def kind(self, path: str) -> Kind | None:
        """Return what stands at the path, None if nothing does."""
        ...

    def target(self, path: str) -> str:
        """Return where the link at the path leads: an absolute path."""
        ...

    def names(self, path: str) -> list[str]:
        """Return the names in the folder at the path."""
        ...


class Files:
    """Ordinary files, folders and links."""

    def __init__(self, state: State) -> None:
        self._state = state

    def look(self) -> None:
        """See what others have changed since the last look."""
        self._state.look()

    def kind(self, path: str) -> Kind | None:
        """Return what stands at the path."""
        if path == "/":
            return "dir"
        node = self._state.node(path)
        kind: Any = node[0] if node else None
        return kind  # type: ignore[no-any-return]

    def target(self, path: str) -> str:
        """Return where a link leads."""
        return self.text(path)

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""
        return [row[0].rsplit("/", 1)[1] for row in self._state.all("select path from nodes where parent = ?", path)]

    def text(self, path: str) -> str:
        """Return a file's text."""
        data = self._value(path)
        return data.decode("utf-8", "replace") if isinstance(data, bytes) else data

    def data(self, path: str) -> bytes:
        """Return a file's bytes."""
        data = self._value(path)
        return data if isinstance(data, bytes) else data.encode()

    def put_data(self, path: str, data: bytes) -> None:
        """Make or replace a file, as text where it is some; call it while changing the state."""
        try:
            value: str | bytes = data.decode()
        except UnicodeDecodeError:
            value = data
        self._state.put_node(path, parent_of(path), "file", value)

    def put(self, path: str, kind: Kind, text: str = "") -> None:
        """Make or replace what stands at the path; call it while changing the state."""
        self._state.put_node(path, parent_of(path), kind, text)

    def mode(self, path: str, kind: Kind = "file") -> int:
        """Return the permission bits of what stands there, by default those that root's umask leaves."""
        return int(self._attribute("mode", path, _FOLDER_MODE if kind == "dir" else _MODE))

    def set_mode(self, path: str, mode: int) -> None:
        """Set permission bits; call it while changing the state."""
        self._state.put(f"mode:{path}", mode)

    def owner(self, path: str) -> tuple[int, int]:
        """Return the numbers of the user and the group."""
        uid, gid = str(self._attribute("owner", path, "0:0")).split(":")
        return int(uid), int(gid)

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        """Set the user and the group; call it while changing the state."""
        self._state.put(f"owner:{path}", f"{uid}:{gid}")

    def mtime(self, path: str) -> float:
        """Return when it was changed last, as far as that is noted."""
        return float(self._attribute("mtime", path, _BEGUN))

    def set_mtime(self, path: str, when: float) -> None:
        """Note when it was changed; call it while changing the state."""
        self._state.put(f"mtime:{path}", when)

    def _attribute(self, name: str, path: str, default: object) -> Any:
        row = self._state.one("select value from meta where key = ?", f"{name}:{path}")
        return row[0] if row else default

    def _value(self, path: str) -> str | bytes:
        node = self._state.node(path)
        if node is None:
            raise refuse(errno.ENOENT, path)
        return node[1] if isinstance(node[1], bytes) else str(node[1])

    def remove(self, path: str) -> None:
        """Remove what stands at the path and below it; call it while changing the state."""
        self._state.do("delete from nodes where path = ? or (path > ? and path < ?)", path, *below(path))
        for name in ("mode", "owner", "mtime"):
            bounds = [f"{name}:{bound}" for bound in (path, *below(path))]
            self._state.do("delete from meta where key = ? or (key > ? and key < ?)", *bounds)


class Tree:
    """The whole tree, put together of its parts."""

    def __init__(self, files: Files, parts: dict[str, Part]) -> None:
        """Take the ordinary files, and the parts by the folder that each begins at."""
        self.files = files
        self._parts = parts

    def part(self, path: str) -> Part:
        """Return the part that a path belongs to."""
        for root, part in self._parts.items():
            if path == root or path.startswith(root + "/"):
                return part
        return self.files

    def kind(self, path: str) -> Kind | None:
        """Return what stands at a canonical path."""
        kind = self.part(path).kind(path)
        if kind is None and any(root.startswith(path.rstrip("/") + "/") for root in self._parts):
            return "dir"
        return kind

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder at a canonical path."""
        inside = path.rstrip("/") + "/"
        roots = {root[len(inside) :].split("/")[0] for root in self._parts if root.startswith(inside)}
        return sorted(roots.union(self.part(path).names(path)))

    def canonical(self, path: str, *, follow: bool) -> str:
        """Return the path with its links followed, the last one only if `follow`; the end may be missing.

        Raises ENOTDIR if it leads through a file, ELOOP if its links go round.
        """
        return self.find(path, follow=follow)[0]

    def find(self, path: str, *, follow: bool) -> tuple[str, Kind | None]:
        """Return the canonical path, and what stands there; errors as `canonical`."""
        self.files.look()
        path = os.path.normpath(path)
        kind = self.part(path).kind(path)
        if kind is not None and (kind != "link" or not follow):
            return path, kind
        path = self._way(path, kind, follow=follow)
        return path, self.kind(path)

    def _way(self, path: str, kind: Kind | None, *, follow: bool) -> str:
        if kind is None and self.part(parent_of(path)).kind(parent_of(path)) == "dir":
            return path  # it is what is missing at the end
        waiting = path.strip("/").split("/")[::-1] if path != "/" else []
        done = ""
        links = 0
        while waiting:
            step = f"{done}/{waiting.pop()}"
            kind = self.kind(step)
            if kind == "link" and (waiting or follow):
                links += 1
                if links > _LINKS_MOST:
                    raise refuse(errno.ELOOP, path)
                waiting += self.part(step).target(step).strip("/").split("/")[::-1]
                done = ""
                continue
            if kind in ("file", "block") and waiting:
                raise refuse(errno.ENOTDIR, path)
            done = step
        return done or "/"
