"""The restore of the saved configuration at boot, as `targetctl restore` does it: what cannot be made is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lunops.sim.configfs import TOP, Configfs

_CHAP = {
    "chap_userid": "userid",
    "chap_password": "password",
    "chap_mutual_userid": "userid_mutual",
    "chap_mutual_password": "password_mutual",
}
_ACL = {"tag": "tag", "tcq_depth": "cmdsn_depth"}
_DISCOVERY = {
    "discovery_userid": "userid",
    "discovery_password": "password",
    "discovery_mutual_userid": "userid_mutual",
    "discovery_mutual_password": "password_mutual",
    "discovery_enable_auth": "enforce_discovery_auth",
}


class Restore:
    """One restore; call it while changing the state."""

    def __init__(self, configfs: Configfs) -> None:
        self._configfs = configfs
        self._folders: dict[str, str] = {}  # storage object → its folder
        self.errors: list[str] = []  # what targetctl would have said

    def run(self, text: str) -> None:
        """Make what the text of a saveconfig.json says."""
        saved = json.loads(text)
        for number, storage in enumerate(saved.get("storage_objects", [])):
            self._try(lambda: self._storage(number, storage), f"storage object {storage.get('name')}")  # noqa: B023
        for module in saved.get("fabric_modules", []):
            if module.get("name") == "iscsi":
                self._fabric()
                names = {_DISCOVERY[key]: value for key, value in module.items() if value and key in _DISCOVERY}
                self._set(f"{TOP}/iscsi/discovery_auth", {name: _text(names[name]) for name in names})
        for target in saved.get("targets", []):
            self._fabric()
            folder = f"{TOP}/iscsi/{target['wwn']}"
            self._try(lambda: self._configfs.mkdir(folder), folder)  # noqa: B023
            for tpg in target.get("tpgs", []):
                self._tpg(f"{folder}/tpgt_{tpg['tag']}", tpg)

    def _fabric(self) -> None:
        if self._configfs.kind(f"{TOP}/iscsi") is None:
            self._configfs.mkdir(f"{TOP}/iscsi")

    def _storage(self, number: int, storage: Mapping[str, Any]) -> None:
        hba = f"{TOP}/core/{'iblock' if storage['plugin'] == 'block' else storage['plugin']}_{number}"
        folder = f"{hba}/{storage['name']}"
        self._configfs.mkdir(hba)
        self._configfs.mkdir(folder)
        try:
            self._configfs.write(f"{folder}/control", _control(storage))
            self._configfs.write(f"{folder}/udev_path", storage["dev"])
            if storage["plugin"] == "fileio" and storage.get("write_back"):
                self._configfs.write(f"{folder}/attrib/emulate_write_cache", "1")
            self._configfs.write(f"{folder}/enable", "1")
        except OSError:
            self._configfs.rmdir(folder)
            self._configfs.rmdir(hba)
            raise
        self._folders[storage["name"]] = folder
        self._set(f"{folder}/wwn", {"vpd_unit_serial": storage["wwn"]})
        self._set(f"{folder}/attrib", storage.get("attributes", {}))
        for group in storage.get("alua_tpgs", []):
            path = f"{folder}/alua/{group['name']}"
            if self._try(lambda: self._configfs.mkdir(path), path):  # noqa: B023
                self._set(path, {"tg_pt_gp_id": group["tg_pt_gp_id"]})
                self._set(path, {key: group[key] for key in group if key not in ("name", "tg_pt_gp_id")})

    def _tpg(self, folder: str, tpg: Mapping[str, Any]) -> None:
        self._try(lambda: self._configfs.mkdir(folder), folder)
        self._set(f"{folder}/attrib", tpg.get("attributes", {}))
        self._set(f"{folder}/param", tpg.get("parameters", {}))
        self._set(f"{folder}/auth", {file: tpg[key] for key, file in _CHAP.items() if tpg.get(key)})
        for lun in tpg.get("luns", []):
            storage = self._folders.get(lun["storage_object"].rsplit("/", 1)[1], f"{TOP}/core/missing")
            place = f"{folder}/lun/lun_{lun['index']}"
            if self._linked(place, storage, lun.get("alias")) and lun.get("alua_tg_pt_gp_name"):
                self._set(place, {"alua_tg_pt_gp": lun["alua_tg_pt_gp_name"]})
        for portal in tpg.get("portals", []):
            path = f"{folder}/np/{portal['ip_address']}:{portal['port']}"
            self._try(lambda: self._configfs.mkdir(path), path)  # noqa: B023
        for acl in tpg.get("node_acls", []):
            self._acl(folder, acl)
        self._set(folder, {"enable": int(tpg.get("enable", True))})

    def _acl(self, tpg: str, acl: Mapping[str, Any]) -> None:
        path = f"{tpg}/acls/{acl['node_wwn']}"
        self._try(lambda: self._configfs.mkdir(path), path)
        self._set(f"{path}/attrib", acl.get("attributes", {}))
        for mapped in acl.get("mapped_luns", []):
            place = f"{path}/lun_{mapped['index']}"
            if self._linked(place, f"{tpg}/lun/lun_{mapped['tpg_lun']}", mapped.get("alias")):
                self._set(place, {"write_protect": int(bool(mapped.get("write_protect")))})
        self._set(f"{path}/auth", {file: acl[key] for key, file in _CHAP.items() if acl.get(key)})
        self._set(path, {file: acl[key] for key, file in _ACL.items() if acl.get(key)})

    def _linked(self, folder: str, target: str, alias: str | None) -> bool:
        """Make a folder with a link in it; nothing is left of it if the link cannot be."""

        def make() -> None:
            self._configfs.mkdir(folder)
            try:
                self._configfs.symlink(target, f"{folder}/{alias or 'a1b2c3d4e5'}")
            except OSError:
                self._configfs.rmdir(folder)
                raise

        return self._try(make, folder)

    def _set(self, folder: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._try(lambda: self._configfs.write(f"{folder}/{name}", str(value)), f"{folder}/{name}")  # noqa: B023

    def _try(self, do: Any, what: str) -> bool:
        try:
            do()
        except OSError as error:
            self.errors.append(f"{what.replace(TOP + '/', '')}: {error.strerror}")
            return False
        return True


def _control(storage: Mapping[str, Any]) -> str:
    if storage["plugin"] == "fileio":
        flags = ",fd_buffered_io=1" * bool(storage.get("write_back")) + ",fd_async_io=1" * bool(storage.get("aio"))
        return f"fd_dev_name={storage['dev']},fd_dev_size={storage['size']}{flags}"
    return f"udev_path={storage['dev']}" + ",readonly=1" * bool(storage.get("readonly"))


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
