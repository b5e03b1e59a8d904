"""From the kernel back to a fragment.

`like` gives exactly what a fragment said, each key with the value that the kernel has now. `full` gives all of a
target that is not as the kernel makes it. Both in canonical order, so that two of them can be compared.
"""

from __future__ import annotations

from lunops.agent import alua, backing, defaults, fragment, lio, steps

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

    from lunops.agent.fragment import Entry
    from lunops.agent.storage_objects import StorageObjects
    from lunops.agent.system import System

    Fragment = Dict[str, Any]

_IDENTITY = {
    "storage_objects": ("plugin", "name"),
    "alua_tpgs": ("name",),
    "targets": ("wwn",),
    "tpgs": ("tag",),
    "luns": ("index",),
    "portals": ("ip_address", "port"),
    "node_acls": ("node_wwn",),
    "mapped_luns": ("index",),
}
_AUTH = {
    "chap_userid": "userid",
    "chap_password": "password",
    "chap_mutual_userid": "userid_mutual",
    "chap_mutual_password": "password_mutual",
}


def canonical(value: Any) -> Any:
    """Return a fragment with each list in the order of what its members are known by."""
    if isinstance(value, dict):
        return {
            key: sorted(canonical(value[key]), key=lambda one: [str(one[name]).zfill(6) for name in _IDENTITY[key]])
            if key in _IDENTITY
            else canonical(value[key])
            for key in sorted(value)
        }
    return [canonical(one) for one in value] if isinstance(value, list) else value


def like(system: System, wanted: Fragment) -> Fragment:
    """Return what the kernel has of a fragment's objects: of each the keys that the fragment gives.

    What is not there is left out; a LUN, portal, ACL, mapped LUN or group that the fragment does not have is there
    with all that is not as the kernel makes it.
    """
    found: Fragment = {}
    if "storage_objects" in wanted:
        folders = [(one, lio.storage_object(system, one["name"])) for one in wanted["storage_objects"]]
        found["storage_objects"] = [_only(storage(system, folder), one) for one, folder in folders if folder]
    if "targets" in wanted:
        there = [one for one in wanted["targets"] if system.is_dir("%s/%s" % (lio.ISCSI, one["wwn"]))]
        found["targets"] = [_only(target(system, one["wwn"]), one) for one in there]
    return dict(canonical(found))


def full(system: System, wwn: str, there: StorageObjects | None = None) -> Fragment:
    """Return a target that is there and the storage objects behind it, with every value that is not the kernel's own.

    `there`: those that the kernel has, where a task has looked at them already. Values that the kernel takes from the
    device are compared with those of a zvol or a file on Linux 6.1.
    """
    found = target(system, wwn)
    names = []
    for tpg in found["tpgs"]:
        for lun in tpg["luns"]:
            name = lun["storage_object"].rsplit("/", 1)[-1]
            if name not in names:
                names.append(name)
    look_up = there.folder if there else lambda name: lio.storage_object(system, name)
    objects = [storage(system, look_up(name)) for name in names]
    return dict(canonical(defaults.without({"storage_objects": objects, "targets": [found]})))


def entries(system: System, path: str) -> List[Entry]:
    """Return the entries that make an ACL, mapped LUN, LUN, portal, ALUA group or storage object again as it is now.

    `path` is its folder.
    """
    parts = path.split("/")
    folder_of: Callable[[str], str] = lambda name: lio.storage_object(system, name)  # noqa: E731
    plain = defaults.without_in
    if path.startswith(lio.CORE):
        if "/alua/" in path:
            return fragment.alua_group("/".join(parts[:-2]), plain("alua_tpgs", _group(system, path)))
        return fragment.storage_entries(plain("storage_objects", storage(system, path)), path)
    if "acls" in parts:
        place = parts.index("acls")
        base, acl = "/".join(parts[:place]), "/".join(parts[: place + 2])
        if path != acl:
            return fragment.mapped_lun(base, acl, _mapped(system, path))
        return fragment.node_acl(base, plain("node_acls", node_acl(system, path)))
    base = "/".join(parts[:-2])
    if parts[-2] == "np":
        return fragment.tpg_portal(base, plain("portals", _portal(system, path)))
    return fragment.tpg_lun(base, plain("luns", _lun(system, path)), folder_of)


def storage(system: System, folder: str) -> Fragment:
    """Return all of a storage object (its folder)."""
    shown = backing.shown(system.read(folder + "/info"))
    plugin = lio.plugin_of(folder)
    found: Fragment = {
        "plugin": plugin,
        "name": folder.rsplit("/", 1)[-1],
        "dev": _read(system, folder, "udev_path"),
        "wwn": _read(system, folder, "wwn/vpd_unit_serial"),
        "attributes": _numbers(system, folder + "/attrib"),
        "alua_tpgs": [
            _group(system, "%s/alua/%s" % (folder, name))
            for name in lio.folders(system, folder + "/alua")
            if name != alua.DEFAULT
        ],
    }
    if plugin == "fileio":
        size, write_back, aio = (shown.get("fd_" + name, "0") for name in ("dev_size", "buffered_io", "async_io"))
        found.update(size=int(size), write_back=write_back == "1", aio=aio == "1")
    else:
        found.update(readonly=shown.get("readonly") == "1", write_back=False)
    return found


def target(system: System, wwn: str) -> Fragment:
    """Return all of an iSCSI target."""
    folder = "%s/%s" % (lio.ISCSI, wwn)
    tags = [name for name in lio.folders(system, folder) if name.startswith("tpgt_")]
    return {"fabric": "iscsi", "wwn": wwn, "tpgs": [_tpg(system, "%s/%s" % (folder, tag)) for tag in tags]}


def node_acl(system: System, path: str) -> Fragment:
    """Return all of an ACL (its folder)."""
    found: Fragment = {
        "node_wwn": path.rsplit("/", 1)[-1],
        "tcq_depth": int(_read(system, path, "cmdsn_depth")),
        "attributes": _numbers(system, path + "/attrib"),
        "mapped_luns": [
            _mapped(system, "%s/%s" % (path, name))
            for name in lio.folders(system, path)
            if name.startswith("lun_") and lio.linked(system, "%s/%s" % (path, name))
        ],
    }
    tag = _read(system, path, "tag")
    if tag:
        found["tag"] = tag
    found.update(_chap(system, path))
    return found


def _tpg(system: System, base: str) -> Fragment:
    def folders(kind: str) -> List[str]:
        return ["%s/%s/%s" % (base, kind, name) for name in lio.folders(system, "%s/%s" % (base, kind))]

    found: Fragment = {
        "tag": int(base.rsplit("_", 1)[-1]),
        "enable": _read(system, base, "enable") == "1",
        "attributes": _numbers(system, base + "/attrib"),
        "parameters": {name: _read(system, base, "param/" + name) for name in system.listdir(base + "/param")},
        "luns": [_lun(system, path) for path in folders("lun") if lio.linked(system, path)],
        "portals": [_portal(system, path) for path in folders("np")],
        "node_acls": [node_acl(system, path) for path in folders("acls")],
    }
    found.update(_chap(system, base))
    return found


def _lun(system: System, path: str) -> Fragment:
    for name in lio.link_names(system, path):
        where = system.resolve("%s/%s" % (path, name))
        if "/alua/" not in where:
            break
    return {
        "index": int(path.rsplit("_", 1)[-1]),
        "storage_object": "/backstores/%s/%s" % (lio.plugin_of(where), where.rsplit("/", 1)[-1]),
        "alias": name,
        "alua_tg_pt_gp_name": alua.group_name(system.read(path + "/alua_tg_pt_gp")),
    }


def _mapped(system: System, path: str) -> Fragment:
    [name] = lio.link_names(system, path)
    return {
        "index": int(path.rsplit("_", 1)[-1]),
        "tpg_lun": int(system.resolve("%s/%s" % (path, name)).rsplit("_", 1)[-1]),
        "write_protect": _read(system, path, "write_protect") == "1",
        "alias": name,
    }


def _portal(system: System, path: str) -> Fragment:
    address, _colon, port = path.rsplit("/", 1)[-1].rpartition(":")
    iser, offload = (_read(system, path, name) == "1" for name in ("iser", "cxgbit"))
    return {"ip_address": address, "port": int(port), "iser": iser, "offload": offload}


def _group(system: System, path: str) -> Fragment:
    found: Fragment = {"name": path.rsplit("/", 1)[-1]}
    for name in system.listdir(path):
        if name in defaults.ALUA or name == "tg_pt_gp_id":
            value = alua.number(name, _read(system, path, name))
            if value.isdigit():
                found[name] = int(value)
    return found


def _chap(system: System, folder: str) -> Fragment:
    found = {}
    for key, file in _AUTH.items():
        value = _read(system, folder, "auth/" + file)
        if value and not value.startswith("NULL"):
            found[key] = value
    return found


def _numbers(system: System, folder: str) -> Dict[str, int]:
    return {name: int(_read(system, folder, name)) for name in system.listdir(folder) if not name.startswith("hw_")}


def _read(system: System, folder: str, name: str) -> str:
    return steps.clean(system.read("%s/%s" % (folder, name)))


def _only(there: Fragment, said: Fragment) -> Fragment:
    """Return of what is there the keys that were said; members of lists that were not said come without defaults."""
    found: Fragment = {}
    for key in said:
        if key not in there:
            continue
        value = there[key]
        if key in _IDENTITY:
            names = _IDENTITY[key]
            known = {tuple(one[name] for name in names): one for one in said[key]}
            members = [(one, known.get(tuple(one[name] for name in names))) for one in value]
            found[key] = [_only(one, want) if want else defaults.without_in(key, one) for one, want in members]
        elif isinstance(value, dict):
            found[key] = {name: value[name] for name in said[key] if name in value}
        else:
            found[key] = value
    return found
