"""What the files of LIO's configfs say, and what happens when one is written."""

from __future__ import annotations

import errno
from collections.abc import Callable

from lunops.sim import schema, schema_core, sessions
from lunops.sim.alua import Alua
from lunops.sim.backing import Backing
from lunops.sim.folders import File
from lunops.sim.state import State
from lunops.sim.tree import parent_of, refuse

_TRUE, _FALSE = ("1", "y", "t", "on"), ("0", "n", "f", "off")  # by their first letter, as kstrtobool
_SERIAL = "T10 VPD Unit Serial Number: "
_SERIAL_MOST = 254
_LU_GP = "LU Group Alias: default_lu_gp\nLU Group ID: 0\n"
# may not be changed while a LUN leads to the object
_FIXED_WHEN_EXPORTED = (
    *("block_size", "emulate_model_alias", "emulate_tas", "emulate_ua_intlck_ctrl", "force_pr_aptpl"),
    *("optimal_sectors", "queue_depth", "unmap_zeroes_data"),
)
_NEEDS_DEVICE = ("emulate_tpu", "emulate_tpws")
# the kernel takes no other value, or takes it and keeps this one
_ONLY = {"alua_support": "1", "pgr_support": "1", "emulate_rest_reord": "0", "pi_prot_format": "0"}
_STAYS = {"emulate_dpo": "1", "emulate_fua_read": "1", "pi_prot_verify": "0"}
_SECRET_MOST = 255
_U32 = 0xFFFFFFFF
_TAG_MOST = 63
_FORGET = "NULL"


class KernelOops(Exception):
    """A real kernel does not survive what was done; the agent must never do it."""


class Values:
    """The values of the files."""

    def __init__(self, state: State, device_of: Callable[[str], int]) -> None:
        """Take the state and what finds the minor number of the zvol that a path leads to (or raises OSError)."""
        self._state = state
        self._backing = Backing(state, device_of, self._get, self._put)
        self._alua = Alua(state, self._get, self._put)

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
                return self._backing.info(folder)
            case "storage", "alua_lu_gp":
                return _LU_GP if self.is_enabled(folder) else ""
            case "attrib", _ if name.startswith("hw_") and self.is_enabled(parent_of(folder)):
                value = self._backing.hardware(parent_of(folder), name)
            case "attrib", _ if "/core/" in folder and self.is_enabled(parent_of(folder)):
                value = self._get(folder, name, schema_core.enabled_attribute(folder, name, file.value))
            case "wwn", "vpd_unit_serial":
                return f"{_SERIAL}{value}\n"
            case "wwn", "product_id" if "/fileio_" in folder:
                alias = self._get(parent_of(folder) + "/attrib", "emulate_model_alias", "0") == "1"
                value = folder.rsplit("/", 2)[1] if alias else "FILEIO"
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
                return self._alua.of_lun(folder)
            case "mapped_lun", "write_protect" if not self._has_link(folder):
                return ""
            case "tg_pt_gp", "members":
                return self._alua.members(folder)
            case "tg_pt_gp", _:
                value = self._alua.shown(name, value)
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
                self._backing.control(folder, value)
                return
            case "storage", "enable":
                self._backing.enable(folder, value)
                return
            case "wwn", "vpd_unit_serial":
                if self._is_exported(parent_of(folder)):
                    raise refuse(errno.EINVAL, path)
                if len(value) > _SERIAL_MOST:
                    raise refuse(errno.EOVERFLOW, path)
            case "lun", _ if not self._has_link(folder):
                raise refuse(errno.ENODEV, path)
            case "lun", "alua_tg_pt_gp":
                value = self._alua.join(folder, value)
            case "auth", _ if name.startswith(("userid", "password")):
                value = text.removesuffix("\n")  # blanks are part of a secret
                if len(value) > _SECRET_MOST:
                    raise refuse(errno.EINVAL, path)
            case "acl", "tag":
                if len(value) > _TAG_MOST:
                    raise refuse(errno.EINVAL, path)
                value = "" if value.startswith(_FORGET) else text  # it is read as it was written, newline and all
        value = _checked(path, file, value)
        match kind, name:
            case "attrib", _ if "/core/" in folder:
                value = self._storage_attribute(folder, name, value)
            case "tg_pt_gp", _:
                is_enabled = self.is_enabled(folder.rsplit("/alua/", 1)[0])
                value = self._alua.taken(folder, name, value, is_enabled=is_enabled)
            case "portal", _ if value != "0":  # there is no such hardware
                raise refuse(errno.EINVAL, path)
            case "param", _:
                _check_parameter(path, name, value)
            case "attrib", "fabric_prot_type" if value == "2":
                raise refuse(errno.EINVAL, path)
            case "attrib", "nopin_timeout" if value in ("1", "2"):
                raise refuse(errno.EINVAL, path)
            case "attrib", "authentication" if "/acls/" not in folder:
                self._authentication(parent_of(folder), value)
            case "attrib", "generate_node_acls" if value == "1":
                self._put(folder, "cache_dynamic_acls", "1")
            case "attrib", "cache_dynamic_acls" if self._get(folder, "generate_node_acls", "0") == "1":
                value = "1"
            case "tpg", "enable" if value == "0":
                sessions.end(self._state, folder)
            case "acl", "cmdsn_depth":
                sessions.end(self._state, folder.rsplit("/acls/", 1)[0], folder.rsplit("/", 1)[1])
                value = value if value != "0" else "1"
        self._put(folder, name, value)

    def _authentication(self, tpg: str, value: str) -> None:
        """Have the list of methods follow the attribute, as the kernel does."""
        methods = self._get(tpg + "/param", "AuthMethod", "CHAP").split(",")
        if value == "0" and "None" not in methods:
            self._put(tpg + "/param", "AuthMethod", ",".join([*methods, "None"]))
        elif value == "1" and "None" in methods:
            if methods == ["None"]:
                raise KernelOops("authentication = 1 where AuthMethod is None: Linux 6.1 writes before its buffer")
            self._put(tpg + "/param", "AuthMethod", ",".join(word for word in methods if word != "None"))

    def _storage_attribute(self, folder: str, name: str, value: str) -> str:
        """Return what a write to an attribute of a storage object makes of it."""
        path, storage = f"{folder}/{name}", parent_of(folder)
        if name in _NEEDS_DEVICE and value == "1" and not self.is_enabled(storage):
            raise KernelOops(f"{path} = 1 before the object is enabled: Linux 6.1 dereferences a null pointer here")
        if name in _FIXED_WHEN_EXPORTED and self._is_exported(storage):
            raise refuse(errno.EINVAL, path)
        is_file = "/fileio_" in folder
        if name == "queue_depth" and not self.is_enabled(storage) and is_file:
            raise refuse(errno.EINVAL, path)
        if name == "block_size" and value not in ("512", "1024", "2048", "4096"):
            raise refuse(errno.EINVAL, path)
        if name == "emulate_write_cache" and value == "1" and not is_file:
            raise refuse(errno.EINVAL, path)
        if name == "pi_prot_type" and (value == "2" or (value != "0" and not is_file)):
            raise refuse(errno.ENOSYS, path)
        if name in _ONLY and value != _ONLY[name]:
            raise refuse(errno.ENODEV if name == "pi_prot_format" and is_file else errno.ENOSYS, path)
        most = {"queue_depth": "hw_queue_depth", "optimal_sectors": "hw_max_sectors"}.get(name)
        if most and self.is_enabled(storage):
            if int(value) > int(self._backing.hardware(storage, most)):
                raise refuse(errno.EINVAL, path)
            if name == "queue_depth" and value == "0":
                raise refuse(errno.EINVAL, path)
        return _STAYS.get(name, value)

    def _tpg_parameter(self, folder: str, name: str) -> str:
        tpg = folder.rsplit("/acls/", 1)[0]
        return self._get(tpg + "/param", name, schema.MADE["tpg"].folders["param"].files[name].value)

    def _is_exported(self, storage: str) -> bool:
        return self._state.one("select 1 from nodes where kind = 'link' and value = ?", storage) is not None

    def _has_link(self, folder: str) -> bool:
        return self._state.one("select 1 from nodes where parent = ? and kind = 'link'", folder) is not None

    def _get(self, folder: str, name: str, default: str) -> str:
        node = self._state.node(f"{folder}/{name}")
        return str(node[1]) if node else default

    def _put(self, folder: str, name: str, value: str) -> None:
        self._state.put_node(f"{folder}/{name}", folder, "value", value)


def _check_parameter(path: str, name: str, value: str) -> None:
    words = {"AuthMethod": {"CHAP", "None"}, "DataDigest": {"CRC32C", "None"}, "HeaderDigest": {"CRC32C", "None"}}
    if not value:
        raise refuse(errno.EFAULT, path)
    if name in words and not set(value.split(",")) <= words[name]:
        raise refuse(errno.EINVAL, path)
    first = schema.MADE["tpg"].folders["param"].files[name].value
    if first in ("Yes", "No") and value not in ("Yes", "No"):
        raise refuse(errno.EINVAL, path)


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
            raise refuse(errno.ERANGE if "/core/" in path and number > _U32 else errno.EINVAL, path)
        return str(number)
    return value
