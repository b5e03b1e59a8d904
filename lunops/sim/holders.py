"""Who else holds a simulated volume: mounts, swap, device-mapper, processes, as a test sets them."""

from __future__ import annotations

from typing import Literal

from lunops.sim.state import State
from lunops.sim.tree import Files
from lunops.sim.udev import Udev

How = Literal["mounted", "swap", "lvm", "multipath", "open"]
_UUIDS = {"lvm": "LVM-9f2c", "multipath": "mpath-360014050000"}
_SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
_PID = "4242"


class Holding:
    """What is set so, and taken away again. Call it while changing the state."""

    def __init__(self, state: State, files: Files, udev: Udev) -> None:
        self._state = state
        self._files = files
        self._udev = udev

    def hold(self, dataset: str, how: How, name: str) -> None:
        """Have a volume's device held; `name` is the mount point, the mapped device's name, or the command."""
        minor = self._udev.minor(dataset)
        device = f"/dev/zd{minor}"
        self._state.put(f"held {dataset}", how)
        if how == "mounted":
            self._append("/proc/mounts", "", f"{device} {name.replace(' ', chr(92) + '040')} ext4 rw,relatime 0 0\n")
        elif how == "swap":
            self._append("/proc/swaps", _SWAPS, f"{device}                              partition\t65532\t0\t-2\n")
        elif how == "open":
            for folder in (f"/proc/{_PID}", f"/proc/{_PID}/fd"):
                self._files.put(folder, "dir")
            self._files.put(f"/proc/{_PID}/fd/3", "link", device)
            self._files.put(f"/proc/{_PID}/cmdline", "file", name.replace(" ", "\0") + "\0")
        else:
            for folder in ("/sys/block/dm-0", "/sys/block/dm-0/dm"):
                self._files.put(folder, "dir")
            self._files.put("/sys/block/dm-0/dm/name", "file", name + "\n")
            self._files.put("/sys/block/dm-0/dm/uuid", "file", _UUIDS[how] + "\n")
            self._files.put(f"/sys/devices/virtual/block/zd{minor}/holders/dm-0", "dir")

    def release(self, dataset: str) -> None:
        """Take it away; one volume at a time is held."""
        self._state.do("delete from meta where key = ?", f"held {dataset}")
        minor = self._udev.minor(dataset)
        for path in (
            *("/proc/mounts", "/proc/swaps", f"/proc/{_PID}", "/sys/block/dm-0"),
            f"/sys/devices/virtual/block/zd{minor}/holders/dm-0",
        ):
            self._files.remove(path)

    def _append(self, path: str, first: str, line: str) -> None:
        before = self._files.text(path) if self._files.kind(path) == "file" else first
        self._files.put(path, "file", before + line)


def is_held(state: State, dataset: str) -> bool:
    """Return whether something other than LIO holds a volume's device."""
    return state.one("select 1 from meta where key = ?", f"held {dataset}") is not None
