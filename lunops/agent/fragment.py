"""A fragment as configfs entries, in the order in which the kernel wants them. Pure: reads and writes nothing.

The order: storage object (device or file, enable, serial, attributes, ALUA groups), target, TPG (attributes,
parameters, CHAP), LUNs, portals, ACLs with their mapped LUNs, and enable last. Attributes come after enable: some
are refused before it, and emulate_tpu then makes the kernel fall over.
"""

from __future__ import annotations

import hashlib

from lunops.agent import alua, backing, lio
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

DIR, VALUE, LINK, CONTROL, GROUP = "dir", "value", "link", "control", "group"
_CHAP = {
    "chap_userid": "userid",
    "chap_password": "password",
    "chap_mutual_userid": "userid_mutual",
    "chap_mutual_password": "password_mutual",
}


class Entry:
    """One thing that configfs should hold.

    dir: a folder. value: a file that should read as `value`. link: a folder that should hold one link to `value`.
    control: a storage object's control file, which should have been told that `name` is `value`.
    group: an ALUA group's folder, in which the files of `values` should read so.
    """

    def __init__(
        self,
        kind: str,
        path: str,
        value: str = "",
        *,
        secret: bool = False,
        name: str = "",
        values: Dict[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.path = path
        self.value = value
        self.secret = secret
        self.name = name  # of a link, or of an option
        self.values = values or {}

    def __repr__(self) -> str:
        return "%s %s %s" % (self.kind, self.path, "…" if self.secret else self.value)


def storage_entries(wanted: Dict[str, Any], folder: str) -> List[Entry]:
    """Return what one storage object is, in its folder."""
    if wanted["plugin"] not in lio.PLUGINS:
        raise ItemError("the storage object %s is a %s" % (wanted["name"], wanted["plugin"]), "make it block or fileio")
    entries = [
        Entry(DIR, folder.rsplit("/", 1)[0]),
        Entry(DIR, folder),
        Entry(VALUE, folder + "/udev_path", wanted["dev"]),
    ]
    entries += [Entry(CONTROL, folder + "/control", value, name=name) for name, value in backing.options(wanted)]
    entries += [
        Entry(VALUE, folder + "/enable", "1"),
        Entry(VALUE, folder + "/wwn/vpd_unit_serial", wanted["wwn"]),
    ]
    attributes = dict(wanted.get("attributes", {}))
    if wanted.get("write_back"):
        attributes["emulate_write_cache"] = 1  # rtslib sets it by this key
    entries += _values(folder + "/attrib", attributes)
    for group in wanted.get("alua_tpgs", []):
        entries += alua_group(folder, group)
    return entries


def alua_group(folder: str, group: Dict[str, Any]) -> List[Entry]:
    """Return what one ALUA group of a storage object (its folder) is."""
    path = "%s/alua/%s" % (folder, group["name"])
    return [
        Entry(DIR, path),
        Entry(VALUE, path + "/tg_pt_gp_id", str(group["tg_pt_gp_id"])),
        Entry(GROUP, path, values=dict(alua.values(group))),
    ]


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
        entries += tpg_lun(base, lun, folder_of)
    for portal in tpg.get("portals", []):
        entries += tpg_portal(base, portal)
    for acl in tpg.get("node_acls", []):
        entries += node_acl(base, acl)
    entries.append(Entry(VALUE, base + "/enable", "1" if tpg.get("enable", True) else "0"))
    return entries


def tpg_lun(base: str, lun: Dict[str, Any], folder_of: Callable[[str], str]) -> List[Entry]:
    """Return what one LUN of a TPG (its folder) is."""
    path = "%s/lun/lun_%d" % (base, lun["index"])
    storage = folder_of(lun["storage_object"].rsplit("/", 1)[-1])
    entries = [Entry(DIR, path), Entry(LINK, path, storage, name=lun.get("alias") or _alias(path))]
    if lun.get("alua_tg_pt_gp_name"):
        entries.append(Entry(VALUE, path + "/alua_tg_pt_gp", lun["alua_tg_pt_gp_name"]))
    return entries


def tpg_portal(base: str, portal: Dict[str, Any]) -> List[Entry]:
    """Return what one portal of a TPG (its folder) is."""
    path = "%s/np/%s:%d" % (base, portal["ip_address"], portal["port"])
    flags = [("iser", "iser"), ("offload", "cxgbit")]
    return [Entry(DIR, path)] + [
        Entry(VALUE, "%s/%s" % (path, file), "1" if portal[key] else "0") for key, file in flags if key in portal
    ]


def node_acl(base: str, acl: Dict[str, Any]) -> List[Entry]:
    """Return what one initiator's ACL in a TPG (its folder) is."""
    path = "%s/acls/%s" % (base, acl["node_wwn"])
    entries = [Entry(DIR, path)]
    entries += _values(path + "/attrib", acl.get("attributes", {}))
    entries += _chap(path + "/auth", acl)
    if acl.get("tag"):
        entries.append(Entry(VALUE, path + "/tag", acl["tag"]))
    if acl.get("tcq_depth"):
        entries.append(Entry(VALUE, path + "/cmdsn_depth", str(acl["tcq_depth"])))
    for mapped in acl.get("mapped_luns", []):
        entries += mapped_lun(base, path, mapped)
    return entries


def mapped_lun(base: str, acl: str, mapped: Dict[str, Any]) -> List[Entry]:
    """Return what one LUN in an ACL (both folders) is."""
    folder = "%s/lun_%d" % (acl, mapped["index"])
    lun = "%s/lun/lun_%d" % (base, mapped["tpg_lun"])
    return [
        Entry(DIR, folder),
        Entry(LINK, folder, lun, name=mapped.get("alias") or _alias(folder)),
        Entry(VALUE, folder + "/write_protect", "1" if mapped.get("write_protect") else "0"),
    ]


def _values(folder: str, values: Dict[str, Any]) -> List[Entry]:
    names = sorted(values, key=lambda name: (name == "cache_dynamic_acls", name))  # generate_node_acls sets that one
    return [Entry(VALUE, "%s/%s" % (folder, name), str(values[name])) for name in names]


def _chap(folder: str, source: Dict[str, Any]) -> List[Entry]:
    """Return the CHAP files; a key that is left out is a secret that should not be there, be it an older one's."""
    return [
        Entry(VALUE, "%s/%s" % (folder, file), source.get(key) or "", secret=True)
        for key, file in sorted(_CHAP.items())
    ]


def _alias(path: str) -> str:
    """Return the name of a link: rtslib takes ten hexadecimal digits at random, we make them of the path."""
    return hashlib.sha256(path.encode()).hexdigest()[:10]
