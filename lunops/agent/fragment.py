"""A fragment as configfs entries, in the order in which the kernel wants them. Pure: reads and writes nothing.

The order: storage object (device, enable, serial, attributes), target, TPG (attributes, parameters, CHAP),
LUNs, portals, ACLs with their mapped LUNs, and enable last.
"""

from __future__ import annotations

import hashlib

from lunops.agent import lio
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence

DIR, VALUE, LINK = "dir", "value", "link"
_CHAP = {
    "chap_userid": "userid",
    "chap_password": "password",
    "chap_mutual_userid": "userid_mutual",
    "chap_mutual_password": "password_mutual",
}


class Entry:
    """One thing that configfs should hold.

    dir: a folder. value: a file that should read as `value`. link: a folder that should hold one link to `value`.
    """

    def __init__(
        self,
        kind: str,
        path: str,
        value: str = "",
        *,
        secret: bool = False,
        name: str = "",
        control: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.path = path
        self.value = value
        self.secret = secret
        self.name = name  # of a link
        self.control = control  # of a storage object's device: what its control file is told besides

    def __repr__(self) -> str:
        return "%s %s %s" % (self.kind, self.path, "…" if self.secret else self.value)


def storage_entries(wanted: Dict[str, Any], folder: str) -> List[Entry]:
    """Return what one block storage object is, in its folder."""
    if wanted["plugin"] != "block":
        raise ItemError("the storage object %s is a %s; only block is applied" % (wanted["name"], wanted["plugin"]))
    if wanted.get("alua_tpgs"):
        raise ItemError("the storage object %s has alua_tpgs, which are not applied yet" % wanted["name"])
    control = ["udev_path=" + wanted["dev"]] + (["readonly=1"] if wanted.get("readonly") else [])
    entries = [
        Entry(DIR, folder.rsplit("/", 1)[0]),
        Entry(DIR, folder),
        Entry(VALUE, folder + "/udev_path", wanted["dev"], control=control),
        Entry(VALUE, folder + "/enable", "1"),
        Entry(VALUE, folder + "/wwn/vpd_unit_serial", wanted["wwn"]),
    ]
    return entries + _values(folder + "/attrib", wanted.get("attributes", {}))


def target_entries(wanted: Dict[str, Any], folder_of: Callable[[str], str]) -> List[Entry]:
    """Return what one iSCSI target is; `folder_of` gives the folder of a storage object by its name."""
    if wanted["fabric"] != "iscsi":
        raise ItemError("the target %s is of the fabric %s; only iscsi is applied" % (wanted["wwn"], wanted["fabric"]))
    target = "%s/%s" % (lio.ISCSI, wanted["wwn"])
    entries = [Entry(DIR, target)]
    for tpg in wanted.get("tpgs", []):
        entries += _tpg(target, tpg, folder_of)
    return entries


def _tpg(target: str, tpg: Dict[str, Any], folder_of: Callable[[str], str]) -> List[Entry]:
    base = "%s/tpgt_%d" % (target, tpg["tag"])
    entries = [Entry(DIR, base)]
    entries += _values(base + "/attrib", tpg.get("attributes", {}))
    entries += _values(base + "/param", tpg.get("parameters", {}))
    entries += _chap(base + "/auth", tpg)
    for lun in tpg.get("luns", []):
        path = "%s/lun/lun_%d" % (base, lun["index"])
        storage = folder_of(lun["storage_object"].rsplit("/", 1)[-1])
        name = lun.get("alias") or _alias(path)
        entries += [Entry(DIR, path), Entry(LINK, path, storage, name=name)]
    for portal in tpg.get("portals", []):
        if portal.get("iser") or portal.get("offload"):
            raise ItemError("the portal %s wants iser or offload, which are not applied" % portal["ip_address"])
        entries.append(Entry(DIR, "%s/np/%s:%d" % (base, portal["ip_address"], portal["port"])))
    for acl in tpg.get("node_acls", []):
        entries += _acl(base, acl)
    entries.append(Entry(VALUE, base + "/enable", "1" if tpg.get("enable", True) else "0"))
    return entries


def _acl(base: str, acl: Dict[str, Any]) -> List[Entry]:
    path = "%s/acls/%s" % (base, acl["node_wwn"])
    entries = [Entry(DIR, path)]
    entries += _values(path + "/attrib", acl.get("attributes", {}))
    entries += _chap(path + "/auth", acl)
    if acl.get("tcq_depth"):
        entries.append(Entry(VALUE, path + "/cmdsn_depth", str(acl["tcq_depth"])))
    for mapped in acl.get("mapped_luns", []):
        folder = "%s/lun_%d" % (path, mapped["index"])
        lun = "%s/lun/lun_%d" % (base, mapped["tpg_lun"])
        entries += [
            Entry(DIR, folder),
            Entry(LINK, folder, lun, name=mapped.get("alias") or _alias(folder)),
            Entry(VALUE, folder + "/write_protect", "1" if mapped.get("write_protect") else "0"),
        ]
    return entries


def _values(folder: str, values: Dict[str, Any]) -> List[Entry]:
    return [Entry(VALUE, "%s/%s" % (folder, name), str(values[name])) for name in sorted(values)]


def _chap(folder: str, source: Dict[str, Any]) -> List[Entry]:
    return [
        Entry(VALUE, "%s/%s" % (folder, file), source[key], secret=True)
        for key, file in sorted(_CHAP.items())
        if source.get(key)
    ]


def _alias(path: str) -> str:
    """Return the name of a link: rtslib takes ten hexadecimal digits at random, we make them of the path."""
    return hashlib.sha256(path.encode()).hexdigest()[:10]
