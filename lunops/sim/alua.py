"""ALUA groups of a simulated head: which state and id the kernel takes, which LUNs are in which group."""

from __future__ import annotations

import errno
from collections.abc import Callable

from lunops.sim.state import State
from lunops.sim.tree import parent_of, refuse

DEFAULT = "default_tg_pt_gp"
TYPES = ("None", "Implicit", "Explicit", "Implicit and Explicit")
STATUSES = ("None", "Altered by Explicit STPG", "Altered by Implicit ALUA")
_SUPPORT = {
    "0": "active_optimized",
    "1": "active_nonoptimized",
    "2": "standby",
    "3": "unavailable",
    "4": "lba_dependent",
    "14": "offline",
    "15": "transitioning",
}
_STATES = {
    "0": "Active/Optimized",
    "1": "Active/NonOptimized",
    "2": "Standby",
    "3": "Unavailable",
    "14": "Offline",
    "15": "Transitioning",
}
_WORDS = {"alua_access_type": TYPES, "alua_access_status": STATUSES}

Get = Callable[[str, str, str], str]
Put = Callable[[str, str, str], None]


class Alua:
    """The groups. `get` and `put` are those of the values: folder, name, default or value."""

    def __init__(self, state: State, get: Get, put: Put) -> None:
        self._state = state
        self._get = get
        self._put = put

    def shown(self, name: str, value: str) -> str:
        """Return a group's value as it is read."""
        return _WORDS[name][int(value)] if name in _WORDS else value

    def taken(self, group: str, name: str, value: str, *, is_enabled: bool) -> str:
        """Return what a write to a group's file (its folder) makes of it; raises what the kernel would."""
        path = f"{group}/{name}"
        if name == "tg_pt_gp_id":
            return self._id(group, path, value)
        if name == "alua_access_state":
            if not self._get(group, "tg_pt_gp_id", "0" if group.endswith(DEFAULT) else ""):
                raise refuse(errno.EINVAL, path)
            if not is_enabled:
                raise refuse(errno.ENODEV, path)
            support = f"alua_support_{_SUPPORT.get(value, '')}"
            default = "0" if value == "4" else "1"
            if (
                self._get(group, "alua_access_type", "3") not in ("1", "3")
                or value not in _SUPPORT
                or self._get(group, support, default) != "1"
            ):
                raise refuse(errno.EINVAL, path)
            self._put(group, "alua_access_status", "2")
        return value

    def group_of(self, lun: str) -> str:
        """Return the name of the group that a LUN (its folder) is in: the default one if its own is gone."""
        name = self._get(lun, "alua_tg_pt_gp", DEFAULT)
        is_there = self._state.one("select 1 from nodes where path = ?", f"{self._storage(lun)}/alua/{name}")
        return name if is_there else DEFAULT

    def join(self, lun: str, name: str) -> str:
        """Return the group that a LUN is put in by this name; NULL is the default one."""
        path = f"{lun}/alua_tg_pt_gp"
        if not name:
            raise refuse(errno.EFAULT, path)
        if name in ("NULL", DEFAULT):
            return DEFAULT
        if not self._get(f"{self._storage(lun)}/alua/{name}", "tg_pt_gp_id", ""):  # no id yet: the kernel finds it not
            raise refuse(errno.ENODEV, path)
        return name

    def of_lun(self, lun: str) -> str:
        """Return the text of a LUN's `alua_tg_pt_gp`."""
        name = self.group_of(lun)
        group = f"{self._storage(lun)}/alua/{name}"
        number = self._get(group, "tg_pt_gp_id", "0")
        status = self.shown("alua_access_status", self._get(group, "alua_access_status", "0"))
        return (
            f"TG Port Alias: {name}\nTG Port Group ID: {number}\n"
            f"TG Port Primary Access State: {_STATES[self._get(group, 'alua_access_state', '0')]}\n"
            f"TG Port Primary Access Status: {status}\n"
            "TG Port Secondary Access State: None\nTG Port Secondary Access Status: None\n"
        )

    def members(self, group: str) -> str:
        """Return the text of a group's `members`."""
        storage, name = group.rsplit("/alua/", 1)
        links = self._state.all("select parent from nodes where kind = 'link' and value = ?", storage)
        luns = sorted((row[0] for row in links if self.group_of(row[0]) == name), reverse=True)
        return "".join("iSCSI/" + lun.split("/iscsi/", 1)[1].replace("/lun/", "/") + "\n\0" for lun in luns)

    def _id(self, group: str, path: str, value: str) -> str:
        if self._get(group, "tg_pt_gp_id", "0" if group.endswith(DEFAULT) else ""):
            raise refuse(errno.EINVAL, path)
        query = "select path, value from nodes where path > ? and path < ? and path like '%/tg_pt_gp_id'"
        folder = parent_of(group)
        used = {row[1] for row in self._state.all(query, folder + "/", folder + "0")}
        if value == "0":
            return next(str(number) for number in range(1, 0x10000) if str(number) not in used)
        if value in used:
            raise refuse(errno.EINVAL, path)
        return value

    def _storage(self, lun: str) -> str:
        row = self._state.one("select value from nodes where parent = ? and kind = 'link'", lun)
        return str(row[0]) if row else ""
