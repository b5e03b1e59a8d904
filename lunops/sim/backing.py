"""What is behind a storage object of a simulated head: a volume's device, or a file."""

from __future__ import annotations

import errno
from collections.abc import Callable

from lunops.sim import schema_core
from lunops.sim.alua import Get, Put
from lunops.sim.state import State
from lunops.sim.tree import Files, parent_of, refuse

# told to `control`, shown in `info`
_HIDDEN = {name: f".{name}" for name in ("udev_path", "readonly", "fd_dev_name", "fd_dev_size")} | {
    name: f".{name}" for name in ("fd_buffered_io", "fd_async_io")
}
_FILE_MOST = 8 << 20  # bytes of one transfer (FD_MAX_BYTES)


class Backing:
    """`control`, `enable` and `info` of storage objects. `get` and `put` are those of the values."""

    def __init__(self, state: State, device_of: Callable[[str], int], get: Get, put: Put) -> None:
        self._state = state
        self._files = Files(state)
        self._device_of = device_of
        self._get = get
        self._put = put

    def control(self, storage: str, text: str) -> None:
        """Take options, `name=value` with commas between; unknown ones are passed over, as the kernel does."""
        path = f"{storage}/control"
        for option in text.replace("\n", ",").split(","):
            key, _, value = option.strip().partition("=")
            if _is_file(storage) != key.startswith("fd_") or key not in _HIDDEN:
                continue
            if key == "udev_path" and self._is_enabled(storage):
                raise refuse(errno.EEXIST, path)
            if key == "fd_dev_size" and not value.isdigit():
                raise refuse(errno.EINVAL, path)
            if key in ("fd_buffered_io", "fd_async_io") and value != "1":
                raise refuse(errno.EINVAL, path)
            self._put(storage, _HIDDEN[key], value.strip())

    def enable(self, storage: str, value: str) -> None:
        """Open what is behind the object."""
        path = f"{storage}/enable"
        if value != "1":
            raise refuse(errno.EINVAL, path)
        if self._is_enabled(storage):
            raise refuse(errno.EEXIST, path)
        if _is_file(storage):
            self._open_file(storage, path)
        elif "/iblock_" in parent_of(storage) + "/":
            self._claim(storage, path)
        self._put(storage, "enable", "1")

    def _open_file(self, storage: str, path: str) -> None:
        name = self._get(storage, ".fd_dev_name", "")
        if not name:
            raise refuse(errno.EINVAL, path)
        if self._files.kind(parent_of(name)) != "dir":
            raise refuse(errno.ENOENT, path)
        if self._files.kind(name) is None:
            self._files.put(name, "file")  # the kernel makes it, and leaves it behind
        if self._get(storage, ".fd_dev_size", "0") == "0":
            raise refuse(errno.EINVAL, path)
        if self._get(storage, ".fd_buffered_io", "0") == "1":
            self._put(storage + "/attrib", "emulate_write_cache", "1")

    def _claim(self, storage: str, path: str) -> None:
        device = self._get(storage, ".udev_path", "")
        if not device:
            raise refuse(errno.EINVAL, path)
        try:
            minor = self._device_of(device)
        except OSError as error:
            raise refuse(error.errno or errno.EINVAL, path) from None
        if self._state.one("select 1 from claims where minor = ?", minor):
            raise refuse(errno.EBUSY, path)
        self._state.do("insert into claims values (?, ?)", minor, storage)

    def hardware(self, storage: str, name: str) -> str:
        """Return one of the `hw_` attributes of an object that is enabled."""
        attrib = storage + "/attrib"
        if name == "hw_max_sectors" and _is_file(storage):
            return str(_FILE_MOST // int(self._get(attrib, "block_size", "512")))
        return schema_core.enabled_attribute(attrib, name, "0")

    def info(self, storage: str) -> str:
        """Return the text of `info`."""
        enabled = self._is_enabled(storage)
        attrib = storage + "/attrib"

        # the kernel shows a depth only once one was written
        depth = self._get(attrib, "queue_depth", "0") if enabled else "0"
        sectors = self._get(attrib, "block_size", "512" if enabled else "0")
        most = self.hardware(storage, "hw_max_sectors") if enabled else "0"
        is_exported = self._state.one("select 1 from nodes where kind = 'link' and value = ?", storage)
        text = (
            f"Status: {'ACTIVATED' if is_exported else 'DEACTIVATED'}  Max Queue Depth: {depth}  "
            f"SectorSize: {sectors}  HwMaxSectors: {most}\n        "
        )
        return text + (self._file_info(storage) if _is_file(storage) else self._block_info(storage))

    def _file_info(self, storage: str) -> str:
        mode = "Buffered-WCE" if self._get(storage, ".fd_buffered_io", "0") == "1" else "O_DSYNC"
        return (
            f"TCM FILEIO ID: 0        File: {self._get(storage, '.fd_dev_name', '')}  "
            f"Size: {self._get(storage, '.fd_dev_size', '0')}  Mode: {mode} "
            f"Async: {self._get(storage, '.fd_async_io', '0')}\n"
        )

    def _block_info(self, storage: str) -> str:
        row = self._state.one("select minor from claims where object = ?", storage)
        device = self._get(storage, ".udev_path", "")
        text = f"iBlock device: zd{row[0]}  " if row else "  "
        text += f"UDEV PATH: {device}  " if device else ""
        text += f"readonly: {self._get(storage, '.readonly', '0')}\n        "
        return text + (f"Major: 230 Minor: {row[0]}  CLAIMED: IBLOCK\n" if row else "Major: 0 Minor: 0\n")

    def _is_enabled(self, storage: str) -> bool:
        return self._get(storage, "enable", "0") == "1"


def _is_file(storage: str) -> bool:
    return parent_of(storage).rsplit("/", 1)[-1].startswith("fileio_")
