"""What the files of LIO's configfs say, and what happens when one is written."""

from __future__ import annotations

import errno
from collections.abc import Callable

from lunops.sim import schema, schema_core, sessions
from lunops.sim.folders import File
from lunops.sim.state import State
from lunops.sim.tree import parent_of, refuse

_TRUE, _FALSE = ("1", "y", "t", "on"), ("0", "n", "f", "off")  # by their first letter, as kstrtobool
_SERIAL = "T10 VPD Unit Serial Number: "
_SERIAL_MOST = 254
_LU_GP = "LU Group Alias: default_lu_gp\nLU Group ID: 0\n"
_TG_PT_GP = (
    "TG Port Alias: default_tg_pt_gp\nTG Port Group ID: 0\nTG Port Primary Access State: Active/Optimized\n"
    "TG Port Primary Access Status: None\nTG Port Secondary Access State: None\nTG Port Secondary Access Status: None\n"
)
# may not be changed while a LUN leads to the object
_FIXED_WHEN_EXPORTED = ("block_size", "emulate_model_alias", "queue_depth")
_NEEDS_DEVICE = ("emulate_tpu", "emulate_tpws")
_HIDDEN_PATH, _HIDDEN_READ_ONLY = ".udev_path", ".readonly"  # told to `control`, shown in `info`


class KernelOops(Exception):
    """A real kernel does not survive what was done; the agent must never do it."""


class Values:
    """The values of the files."""

    def __init__(self, state: State, device_of: Callable[[str], int]) -> None:
        """Take the state and what finds the minor number of the zvol that a path leads to (or raises OSError)."""
        self._state = state
        self._device_of = device_of

    def is_enabled(self, storage: str) -> bool:
        """Return whether the storage object (its folder) has been enabled."""
        return self._get(storage, "enable", "0") == "1"

    def map(self, mapped: str) -> None:
        """Note that a mapped LUN (its folder) was linked: it is read-only or not as its TPG has it."""
        tpg = mapped.rsplit("/acls/", 1)[0]
        self._put(mapped, "write_protect", self._get(tpg + "/attrib", "prod_mode_write_protect", "0"))

    def read(self, kind: str, folder: str, name: str, file: File) -> str:
        """Return the text of the file `name` in a folder of this kind."""
        value = self._get(folder, name, file.value)
        match kind, name:
            case "hba", "hba_info":
                index = self._get(parent_of(folder), folder.rsplit("/", 1)[1], "0")
                return f"HBA Index: {index} plugin: {folder.rsplit('/', 1)[1].rsplit('_', 1)[0]} version: v5.0\n"
            case "storage", "info":
                return self._info(folder)
            case "storage", "alua_lu_gp":
                return _LU_GP if self.is_enabled(folder) else ""
            case "attrib", _ if name in schema_core.ENABLED_ATTRIB and self.is_enabled(parent_of(folder)):
                value = self._get(folder, name, schema_core.ENABLED_ATTRIB[name])
            case "wwn", "vpd_unit_serial":
                return f"{_SERIAL}{value}\n"
            case "wwn", "product_id" if self._get(parent_of(folder) + "/attrib", "emulate_model_alias", "0") == "1":
                value = folder.rsplit("/", 2)[1]
            case "auth", "authenticate_target":
                both = all(
                    self._get(folder, word, "") not in ("", "NULL") for word in ("userid_mutual", "password_mutual")
                )
                value = "1" if both else "0"
            case "lun", _ if not self._has_link(folder):
                raise refuse(errno.ENODEV, f"{folder}/{name}")
            case "lun", "alua_tg_pt_gp":
                return _TG_PT_GP
            case "mapped_lun", "write_protect" if not self._has_link(folder):
                return ""
            case "tg_pt_gp", "members" if folder.endswith("/alua/default_tg_pt_gp"):
                return self._luns_of(folder.rsplit("/alua/", 1)[0])
            case "lu_gp", "members" if folder.endswith("/default_lu_gp"):
                claims = self._state.all("select object from claims order by object")
                return "".join("/".join(row[0].rsplit("/", 2)[1:]) + "\n" for row in claims)
            case "acl", "tag":
                return value
            case "tpg", "dynamic_sessions":
                return sessions.dynamic(self._state, folder)
            case "acl", "info":
                return sessions.info(self._state, folder)
            case "param", _ if "/acls/" in folder:
                if not sessions.of_acl(self._state, parent_of(folder)):
                    return "No Active iSCSI Session\n"
                value = self._tpg_parameter(folder, name)
        return "" if file.bare and not value else f"{value}\n"

    def write(self, kind: str, folder: str, name: str, file: File, text: str) -> None:
        """Write to the file `name` in a folder of this kind."""
        path = f"{folder}/{name}"
        value = text.strip("\n").strip()
        match kind, name:
            case "storage", "control":
                self._control(folder, value)
                return
            case "storage", "enable":
                self._enable(folder, value)
                return
            case "wwn", "vpd_unit_serial":
                if self._is_exported(parent_of(folder)):
                    raise refuse(errno.EINVAL, path)
                if len(value) > _SERIAL_MOST:
                    raise refuse(errno.EOVERFLOW, path)
            case "lun", _ if not self._has_link(folder) or name == "alua_tg_pt_gp":
                raise refuse(errno.ENODEV, path)
        value = _checked(path, file, value)
        match kind, name:
            case "attrib", _ if "/core/" in folder:
                value = self._storage_attribute(folder, name, value)
            case "portal", _ if value != "0":  # there is no such hardware
                raise refuse(errno.EINVAL, path)
            case "param", "AuthMethod" if not set(value.split(",")) <= {"CHAP", "None"}:
                raise refuse(errno.EINVAL, path)
            case "attrib", "generate_node_acls" if value == "1":
                self._put(folder, "cache_dynamic_acls", "1")
            case "tpg", "enable" if value == "0":
                sessions.end(self._state, folder)
            case "acl", "cmdsn_depth":
                sessions.end(self._state, folder.rsplit("/acls/", 1)[0], folder.rsplit("/", 1)[1])
                value = value if value != "0" else "1"
        self._put(folder, name, value)

    def _control(self, storage: str, text: str) -> None:
        for option in text.replace("\n", ",").split(","):
            key, _, value = option.strip().partition("=")
            if key == "udev_path":
                if self.is_enabled(storage):
                    raise refuse(errno.EEXIST, f"{storage}/control")
                self._put(storage, _HIDDEN_PATH, value.strip())
            elif key == "readonly":
                self._put(storage, _HIDDEN_READ_ONLY, value.strip())

    def _enable(self, storage: str, value: str) -> None:
        path = f"{storage}/enable"
        if value != "1":
            raise refuse(errno.EINVAL, path)
        if self.is_enabled(storage):
            raise refuse(errno.EEXIST, path)
        if "/iblock_" in parent_of(storage) + "/":
            device = self._get(storage, _HIDDEN_PATH, "")
            if not device:
                raise refuse(errno.EINVAL, path)
            try:
                minor = self._device_of(device)
            except OSError as error:
                raise refuse(error.errno or errno.EINVAL, path) from None
            if self._state.one("select 1 from claims where minor = ?", minor):
                raise refuse(errno.EBUSY, path)
            self._state.do("insert into claims values (?, ?)", minor, storage)
        self._put(storage, "enable", "1")

    def _storage_attribute(self, folder: str, name: str, value: str) -> str:
        """Return what a write to an attribute of a storage object makes of it."""
        path, storage = f"{folder}/{name}", parent_of(folder)
        if name in _NEEDS_DEVICE and value == "1" and not self.is_enabled(storage):
            raise KernelOops(f"{path} = 1 before the object is enabled: Linux 6.1 dereferences a null pointer here")
        if name in _FIXED_WHEN_EXPORTED and self._is_exported(storage):
            raise refuse(errno.EINVAL, path)
        if name == "block_size" and value not in ("512", "1024", "2048", "4096"):
            raise refuse(errno.EINVAL, path)
        if name == "emulate_write_cache" and value == "1":
            raise refuse(errno.EINVAL, path)
        if name == "pi_prot_type" and value != "0":
            raise refuse(errno.ENOSYS, path)
        return value

    def _info(self, storage: str) -> str:
        enabled = self.is_enabled(storage)
        attrib = storage + "/attrib"
        depth, sectors = (
            (self._get(attrib, "queue_depth", "0"), self._get(attrib, "block_size", "512")) if enabled else ("0", "0")
        )
        row = self._state.one("select minor from claims where object = ?", storage)
        device = self._get(storage, _HIDDEN_PATH, "")
        text = (
            f"Status: {'ACTIVATED' if self._is_exported(storage) else 'DEACTIVATED'}  Max Queue Depth: {depth}  "
            f"SectorSize: {sectors}  HwMaxSectors: {32768 if enabled else 0}\n        "
        )
        text += f"iBlock device: zd{row[0]}  " if row else "  "
        text += f"UDEV PATH: {device}  " if device else ""
        text += f"readonly: {self._get(storage, _HIDDEN_READ_ONLY, '0')}\n        "
        return text + (f"Major: 230 Minor: {row[0]}  CLAIMED: IBLOCK\n" if row else "Major: 0 Minor: 0\n")

    def _luns_of(self, storage: str) -> str:
        links = self._state.all("select parent from nodes where kind = 'link' and value = ?", storage)
        luns = sorted((row[0] for row in links), reverse=True)
        return "".join("iSCSI/" + lun.split("/iscsi/", 1)[1].replace("/lun/", "/") + "\n\0" for lun in luns)

    def _tpg_parameter(self, folder: str, name: str) -> str:
        tpg = folder.rsplit("/acls/", 1)[0]
        return self._get(tpg + "/param", name, schema.MADE["tpg"].folders["param"].files[name].value)

    def _is_exported(self, storage: str) -> bool:
        return self._state.one("select 1 from nodes where kind = 'link' and value = ?", storage) is not None

    def _has_link(self, folder: str) -> bool:
        return self._state.one("select 1 from nodes where parent = ? and kind = 'link'", folder) is not None

    def _get(self, folder: str, name: str, default: str) -> str:
        row = self._state.one("select value from nodes where path = ?", f"{folder}/{name}")
        return str(row[0]) if row else default

    def _put(self, folder: str, name: str, value: str) -> None:
        self._state.do("insert or replace into nodes values (?, ?, 'value', ?)", f"{folder}/{name}", folder, value)


def _checked(path: str, file: File, value: str) -> str:
    """Return the value as the kernel keeps it; raises EINVAL for what it does not take."""
    if file.check == "bool":
        first = value[:2].lower() if value[:1].lower() == "o" else value[:1].lower()
        if first in _TRUE or value.lower() == "on":
            return "1"
        if first in _FALSE or value.lower() == "off":
            return "0"
        raise refuse(errno.EINVAL, path)
    if file.check == "small":
        if value not in ("-1", "0", "1"):
            raise refuse(errno.EINVAL, path)
    elif file.check == "number":
        digits = value[2:] if value.lower().startswith("0x") else value
        try:
            number = int(digits, 16 if digits != value else 10)
        except ValueError:
            raise refuse(errno.EINVAL, path) from None
        if not file.least <= number <= file.most:
            raise refuse(errno.EINVAL, path)
        return str(number)
    return value
