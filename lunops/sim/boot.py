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
        for target in saved.get("targets", []):
            if self._configfs.kind(f"{TOP}/iscsi") is None:
                self._configfs.mkdir(f"{TOP}/iscsi")
            folder = f"{TOP}/iscsi/{target['wwn']}"
            self._try(lambda: self._configfs.mkdir(folder), folder)  # noqa: B023
            for tpg in target.get("tpgs", []):
                self._tpg(f"{folder}/tpgt_{tpg['tag']}", tpg)

    def _storage(self, number: int, storage: Mapping[str, Any]) -> None:
        hba = f"{TOP}/core/{'iblock' if storage['plugin'] == 'block' else storage['plugin']}_{number}"
        folder = f"{hba}/{storage['name']}"
        self._configfs.mkdir(hba)
        self._configfs.mkdir(folder)
        try:
            read_only = ",readonly=1" if storage.get("readonly") else ""
            self._configfs.write(f"{folder}/control", f"udev_path={storage['dev']}{read_only}")
            self._configfs.write(f"{folder}/udev_path", storage["dev"])
            self._configfs.write(f"{folder}/enable", "1")
        except OSError:
            self._configfs.rmdir(folder)
            self._configfs.rmdir(hba)
            raise
        self._folders[storage["name"]] = folder
        self._set(f"{folder}/wwn", {"vpd_unit_serial": storage["wwn"]})
        self._set(f"{folder}/attrib", storage.get("attributes", {}))

    def _tpg(self, folder: str, tpg: Mapping[str, Any]) -> None:
        self._try(lambda: self._configfs.mkdir(folder), folder)
        self._set(f"{folder}/attrib", tpg.get("attributes", {}))
        self._set(f"{folder}/param", tpg.get("parameters", {}))
        self._set(f"{folder}/auth", {file: tpg[key] for key, file in _CHAP.items() if tpg.get(key)})
        for lun in tpg.get("luns", []):
            storage = self._folders.get(lun["storage_object"].rsplit("/", 1)[1], f"{TOP}/core/missing")
            self._linked(f"{folder}/lun/lun_{lun['index']}", storage, lun.get("alias"))
        for portal in tpg.get("portals", []):
            path = f"{folder}/np/{portal['ip_address']}:{portal['port']}"
            self._try(lambda: self._configfs.mkdir(path), path)  # noqa: B023
        for acl in tpg.get("node_acls", []):
            path = f"{folder}/acls/{acl['node_wwn']}"
            self._try(lambda: self._configfs.mkdir(path), path)  # noqa: B023
            self._set(f"{path}/attrib", acl.get("attributes", {}))
            self._set(f"{path}/auth", {file: acl[key] for key, file in _CHAP.items() if acl.get(key)})
            for mapped in acl.get("mapped_luns", []):
                place = f"{path}/lun_{mapped['index']}"
                if self._linked(place, f"{folder}/lun/lun_{mapped['tpg_lun']}", mapped.get("alias")):
                    self._set(place, {"write_protect": int(bool(mapped.get("write_protect")))})
        self._set(folder, {"enable": int(tpg.get("enable", True))})

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
