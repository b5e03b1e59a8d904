"""Volumes as devices: /dev/zdN, /sys/block/zdN, and the /dev/zvol links that udev makes late, or not at all."""

from __future__ import annotations

import errno
import hashlib
import time
from typing import Any

from lunops.sim.state import State
from lunops.sim.tree import Kind, below, refuse

STEP = 16  # minors of one volume (ZVOL_MINOR_BITS)
MAJOR = 230
_FILES = ("dev", "ro", "size", "uevent")
_READ_ONLY = ("dev", "ro", "size")
_EVENTS = ("add", "remove", "change", "move", "online", "offline", "bind", "unbind")
_BLOCK = "/sys/block/"
_DEVICES = "/sys/devices/virtual/block/"
_ZVOL = "/dev/zvol"


class Udev:
    """The devices of the volumes, as part of the file tree: /dev, /sys/block, /sys/devices."""

    def __init__(self, state: State) -> None:
        self._state = state

    def appear(self, dataset: str) -> None:
        """Give a volume its device; its link comes when the faults let it. Call it while changing the state."""
        count, last = self._state.all("select count(*), max(minor) from devices")[0]
        minor = count * STEP
        if count and last != minor - STEP:  # there is a gap, and the kernel takes the lowest free number
            used = {row[0] for row in self._state.all("select minor from devices")}
            minor = next(number for number in range(0, minor + STEP, STEP) if number not in used)
        faults = self._state.faults()
        lost = self._is_lost(dataset)
        self._state.do(
            "insert into devices values (?, ?, ?, ?)",
            minor,
            dataset,
            None if lost else time.time() + faults.link_delay_s,
            faults.lost_links.changes_lost if lost else 0,
        )

    def vanish(self, dataset: str) -> None:
        """Take a volume's device and link away; call it while changing the state."""
        self._state.do("delete from devices where dataset = ?", dataset)

    def minor(self, dataset: str) -> int | None:
        """Return the minor number of a volume's device, None if it has none."""
        row = self._state.one("select minor from devices where dataset = ?", dataset)
        return row[0] if row else None

    def dataset(self, device: str) -> str:
        """Return the dataset behind the device at this canonical path (the BLKZNAME ioctl)."""
        minor = self._minor_of(device.rsplit("/", 1)[-1])
        row = self._state.one("select dataset from devices where minor = ?", minor)
        if row is None:
            raise refuse(errno.ENOENT, device)
        return str(row[0])

    def trigger(self, minor: int | None = None) -> None:
        """Send a change event for one device, or for all; call it while changing the state."""
        late = time.time() + self._state.faults().link_delay_s
        which = "link_at is null and (?1 is null or minor = ?1)"
        self._state.do(f"update devices set link_at = ?2 where {which} and changes_lost <= 0", minor, late)
        self._state.do(f"update devices set changes_lost = changes_lost - 1 where {which}", minor)

    def kind(self, path: str) -> Kind | None:
        """Return what stands at the path; what a test has put there (other devices) as well."""
        put = self._put(path)
        if put is not None:
            return put[0]
        if path in ("/dev", _ZVOL, "/sys/block", "/sys/devices"):
            return "dir"
        if path.startswith(_ZVOL + "/"):
            name = path[len(_ZVOL) + 1 :]
            if self._linked(name):
                return "link"
            return "dir" if self._links_below(name, limit=1) else None
        if path.startswith((_BLOCK, _DEVICES)):
            return self._kind_in_sys(path)
        if path.startswith("/dev/zd"):
            return "block" if self._exists(path[len("/dev/") :]) else None
        return None

    def target(self, path: str) -> str:
        """Return where a link leads."""
        if path.startswith(_BLOCK):
            return _DEVICES + path[len(_BLOCK) :]
        return f"/dev/zd{self.minor(path[len(_ZVOL) + 1 :])}"

    def names(self, path: str) -> list[str]:
        """Return the names in a folder."""
        if path == "/dev":
            return ["zvol", *self._devices()]
        if path == "/sys/block":
            return [*self._devices(), *self._put_in(path)]
        if path == _ZVOL or path.startswith(_ZVOL + "/"):
            inside = path[len(_ZVOL) + 1 :]
            skipped = len(inside) + 1 if inside else 0
            return sorted({name[skipped:].split("/")[0] for name in self._links_below(inside)})
        if path.startswith(_DEVICES) and path.count("/") == _DEVICES.count("/"):
            return [*_FILES, "holders", *self._put_in(path)]
        return self._put_in(path)

    def read(self, path: str) -> str:
        """Return the text of a file in /sys."""
        put = self._put(path)
        if put is not None and put[0] == "file":
            return put[1]
        minor, name = self._file(path)
        if name == "size":
            row = self._state.one("select volsize from datasets join devices on name = dataset where minor = ?", minor)
            return f"{row[0] // 512 if row else 0}\n"
        if name == "uevent":
            return f"MAJOR={MAJOR}\nMINOR={minor}\nDEVNAME=zd{minor}\nDEVTYPE=disk\n"
        return f"{MAJOR}:{minor}\n" if name == "dev" else "0\n"

    def write(self, path: str, text: str) -> None:
        """Write to a file in /sys: an event's name to `uevent`; call it while changing the state."""
        minor, name = self._file(path)
        if name in _READ_ONLY:
            raise refuse(errno.EACCES, path)
        if text.split(" ")[0].strip() not in _EVENTS:
            raise refuse(errno.EINVAL, path)
        if text.strip() in ("change", "add"):
            self.trigger(minor)

    def unlink(self, path: str) -> None:
        """Remove a link, which a change event brings back; call it while changing the state."""
        if self.kind(path) != "link" or not path.startswith(_ZVOL):
            raise refuse(errno.EPERM, path)
        query = "update devices set link_at = null, changes_lost = 0 where dataset = ?"
        self._state.do(query, path[len(_ZVOL) + 1 :])

    def _put(self, path: str) -> tuple[Kind, str] | None:
        kind_and_value: Any = self._state.node(path)
        return kind_and_value  # type: ignore[no-any-return]

    def _put_in(self, path: str) -> list[str]:
        return [row[0].rsplit("/", 1)[1] for row in self._state.all("select path from nodes where parent = ?", path)]

    def _is_lost(self, dataset: str) -> bool:
        lost = self._state.faults().lost_links
        count = self._state.counter("volumes")
        if dataset in lost.names or (lost.every and count % lost.every == 0):
            return True
        number = int.from_bytes(hashlib.sha256(f"{lost.seed}/{dataset}".encode()).digest()[:4])
        return number < lost.probability * 2**32

    def _devices(self) -> list[str]:
        return [f"zd{row[0]}" for row in self._state.all("select minor from devices")]

    def _exists(self, device: str) -> bool:
        return self._state.one("select 1 from devices where minor = ?", self._minor_of(device)) is not None

    def _linked(self, dataset: str) -> bool:
        query = "select 1 from devices where dataset = ? and link_at <= ?"
        return self._state.one(query, dataset, time.time()) is not None

    def _links_below(self, folder: str, limit: int = -1) -> list[str]:
        first, behind = below(folder) if folder else ("", "\x7f")
        query = "select dataset from devices where dataset > ? and dataset < ? and link_at <= ? limit ?"
        return [row[0] for row in self._state.all(query, first, behind, time.time(), limit)]

    def _kind_in_sys(self, path: str) -> Kind | None:
        root = _BLOCK if path.startswith(_BLOCK) else _DEVICES
        if path == root.rstrip("/"):
            return "dir"
        device, _, name = path[len(root) :].partition("/")
        if not self._exists(device):
            return None
        if not name:
            return "link" if root == _BLOCK else "dir"
        if root == _BLOCK:
            return None  # it is reached through the link
        return "file" if name in _FILES else "dir" if name == "holders" else None

    def _file(self, path: str) -> tuple[int, str]:
        if self.kind(path) != "file":
            raise refuse(errno.EISDIR if self.kind(path) else errno.ENOENT, path)
        device, name = path[len(_DEVICES) :].split("/")
        return self._minor_of(device), name

    def _minor_of(self, device: str) -> int:
        return int(device[2:]) if device.startswith("zd") and device[2:].isdigit() else -1
