"""What each part of a fragment alone cannot show: bounds by name, things given twice, references, contradictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from lunops import fragment_bounds as bounds
from lunops.errors import BadValueError
from lunops.fragment_model import AluaGroup, Chap, Fragment, NetworkPortal, NodeAcl, StorageObject, Tpg
from lunops.names import Portal
from lunops.validate import Problem

_DEFAULT_GROUP = "default_tg_pt_gp"
# folders of the system itself: no disk belongs there, and a name mistyped must not overwrite what does
_NO_FILES = ("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr")
_SUPPORT = ("active_optimized", "active_nonoptimized", "standby", "unavailable")  # by alua_access_state


def contradictions(fragment: Fragment) -> list[Problem]:
    """Return every problem of a fragment whose parts are each well-formed."""
    storages = fragment.storage_objects
    problems = _twice("storage_objects", [each.name for each in storages])
    problems += _twice("storage_objects", [each.wwn for each in storages])
    problems += _twice("storage_objects", [each.dev for each in storages])
    problems += _twice("targets", [each.wwn for each in fragment.targets])
    for number, storage in enumerate(storages):
        problems += _in_storage(f"storage_objects[{number}]", storage)
    known = {each.name: each for each in storages}
    for number, target in enumerate(fragment.targets):
        path = f"targets[{number}]"
        problems += _twice(f"{path}.tpgs", [str(tpg.tag) for tpg in target.tpgs])
        for place, tpg in enumerate(target.tpgs):
            problems += _in_tpg(f"{path}.tpgs[{place}]", tpg, known)
    return problems


def _in_storage(path: str, storage: StorageObject) -> list[Problem]:
    problems = list(_out_of_bounds(f"{path}.attributes", storage.attributes, bounds.STORAGE))
    problems += _in_block(path, storage) if storage.plugin == "block" else _in_file(path, storage)
    groups = storage.alua_tpgs
    problems += _twice(f"{path}.alua_tpgs", [each.name for each in groups])
    problems += _twice(f"{path}.alua_tpgs", [f"the id {each.tg_pt_gp_id}" for each in groups])
    for number, group in enumerate(groups):
        problems += _in_group(f"{path}.alua_tpgs[{number}]", group)
    return problems


def _in_block(path: str, storage: StorageObject) -> Iterator[Problem]:
    if not storage.dev.startswith("/dev/"):
        what = f"{storage.dev!r} is not a block device"
        yield Problem(path=f"{path}.dev", what=what, fix="name one below /dev, or write plugin fileio for a file")
    if storage.write_back or storage.attributes.get("emulate_write_cache"):
        key = "write_back" if storage.write_back else "attributes.emulate_write_cache"
        what = "a block device says itself whether it has a write cache, and the kernel refuses another word"
        yield Problem(path=f"{path}.{key}", what=what, fix="leave it out")
    if "size" in storage.model_fields_set or storage.aio:
        key = "size" if "size" in storage.model_fields_set else "aio"
        yield Problem(path=f"{path}.{key}", what=f"{key} is for fileio; a block device has its own", fix="leave it out")


def _in_file(path: str, storage: StorageObject) -> Iterator[Problem]:
    top = storage.dev.split("/")[1]
    if top in _NO_FILES or storage.dev.count("/") < 2:
        fix = "write plugin block for a device" if top == "dev" else "keep disks in a folder of their own, such as /srv"
        yield Problem(path=f"{path}.dev", what=f"{storage.dev!r} is no place for a disk in a file", fix=fix)
    if storage.size is None:
        yield Problem(path=f"{path}.size", what="is missing: a file has the size that it is given", fix="give 'size'")
    if storage.readonly:
        what = "the kernel knows no read-only fileio"
        yield Problem(path=f"{path}.readonly", what=what, fix="write write_protect in the mapped LUNs")
    cache = storage.attributes.get("emulate_write_cache", int(storage.write_back))
    if cache != int(storage.write_back):
        what = f"write_back is {str(storage.write_back).lower()}, but emulate_write_cache is {cache}"
        yield Problem(path=f"{path}.write_back", what=what, fix="say it once, by write_back: rtslib derives the other")


def _in_group(path: str, group: AluaGroup) -> Iterator[Problem]:
    values = group.model_dump(exclude_unset=True, exclude={"name", "tg_pt_gp_id"})
    yield from _out_of_bounds(path, values, bounds.ALUA)
    if group.name == _DEFAULT_GROUP:
        what = "the kernel makes this group, and rtslib restores nothing of it"
        yield Problem(path=f"{path}.name", what=what, fix="leave it out, or make a group of another name")
    state = group.alua_access_state
    if 0 <= state < len(_SUPPORT) and not getattr(group, f"alua_support_{_SUPPORT[state]}"):
        what = f"the group is in state {state}, but does not support it (alua_support_{_SUPPORT[state]})"
        yield Problem(path=f"{path}.alua_access_state", what=what, fix="let it support the state that it is in")


def _in_tpg(path: str, tpg: Tpg, storages: Mapping[str, StorageObject]) -> list[Problem]:
    luns = {lun.index for lun in tpg.luns}
    problems = list(_out_of_bounds(f"{path}.attributes", tpg.attributes, bounds.TPG))
    problems += _out_of_bounds(f"{path}.parameters", tpg.parameters, bounds.PARAMETERS)
    problems += _attributes_together(path, tpg)
    problems += _chap(path, tpg)
    problems += _twice(f"{path}.luns", [str(lun.index) for lun in tpg.luns])
    problems += _luns(path, tpg, storages)
    problems += _twice(f"{path}.portals", [f"{portal.ip_address}:{portal.port}" for portal in tpg.portals])
    problems += _portals(path, tpg.portals)
    problems += _twice(f"{path}.node_acls", [acl.node_wwn for acl in tpg.node_acls])
    for place, acl in enumerate(tpg.node_acls):
        problems += _in_acl(f"{path}.node_acls[{place}]", acl, luns)
    return problems


def _attributes_together(path: str, tpg: Tpg) -> Iterator[Problem]:
    if tpg.attributes.get("generate_node_acls") == 1 and tpg.attributes.get("cache_dynamic_acls") == 0:
        what = "with generate_node_acls 1 the kernel always sets cache_dynamic_acls"
        yield Problem(path=f"{path}.attributes.cache_dynamic_acls", what=what, fix="leave it out, or write 1")
    if tpg.attributes.get("authentication") == 1 and tpg.parameters.get("AuthMethod") == "None":
        what = "authentication is 1, but AuthMethod leaves nothing to authenticate with"
        yield Problem(path=f"{path}.parameters.AuthMethod", what=what, fix="leave it out, or write CHAP")


def _luns(path: str, tpg: Tpg, storages: Mapping[str, StorageObject]) -> Iterator[Problem]:
    for place, lun in enumerate(tpg.luns):
        _, _, plugin, name = lun.storage_object.split("/")
        storage = storages.get(name)
        if storage is None:
            continue  # one that is there already; the agent looks
        where = f"{path}.luns[{place}]"
        if storage.plugin != plugin:
            what = f"{name} is a {storage.plugin}, not a {plugin}"
            fix = f"write /backstores/{storage.plugin}/{name}"
            yield Problem(path=f"{where}.storage_object", what=what, fix=fix)
        groups = [_DEFAULT_GROUP, *(group.name for group in storage.alua_tpgs)]
        if lun.alua_tg_pt_gp_name not in groups:
            what = f"the storage object {name} has no ALUA group {lun.alua_tg_pt_gp_name!r}"
            yield Problem(path=f"{where}.alua_tg_pt_gp_name", what=what, fix=f"it has {', '.join(groups)}")


def _portals(path: str, portals: list[NetworkPortal]) -> Iterator[Problem]:
    wild = {portal.port: portal.ip_address for portal in portals if portal.ip_address in ("0.0.0.0", "[::]")}
    for place, portal in enumerate(portals):
        where = f"{path}.portals[{place}].ip_address"
        try:
            Portal.parse(f"{portal.ip_address}:{portal.port}")
        except BadValueError as error:
            yield Problem(path=where, what=error.what, fix=error.fix)
            continue
        every = wild.get(portal.port, portal.ip_address)
        if every != portal.ip_address and (
            every == "[::]" or "[" not in portal.ip_address or portal.ip_address == "[::]"
        ):
            what = f"{every} takes the port {portal.port} on every address, so {portal.ip_address} cannot have it too"
            yield Problem(path=where, what=what, fix="write the one or the other")


def _in_acl(path: str, acl: NodeAcl, luns: set[int]) -> Iterator[Problem]:
    yield from _out_of_bounds(f"{path}.attributes", acl.attributes, bounds.ACL)
    yield from _chap(path, acl)
    yield from _twice(f"{path}.mapped_luns", [str(each.index) for each in acl.mapped_luns])
    twice = Counter(each.tpg_lun for each in acl.mapped_luns)
    for index, mapped in enumerate(acl.mapped_luns):
        where = f"{path}.mapped_luns[{index}].tpg_lun"
        if mapped.tpg_lun not in luns:
            what = f"there is no LUN {mapped.tpg_lun} in this target portal group"
            fix = f"the indexes of its luns: {', '.join(map(str, sorted(luns))) or 'none'}"
            yield Problem(path=where, what=what, fix=fix)
        elif twice[mapped.tpg_lun] > 1:
            what = f"the LUN {mapped.tpg_lun} is mapped twice: the initiator would take it for two paths to one disk"
            yield Problem(path=where, what=what, fix="map it once")


def _chap(path: str, chap: Chap) -> Iterator[Problem]:
    for key, other in (("userid", "password"), ("mutual_userid", "mutual_password")):
        for one, two in ((key, other), (other, key)):
            if getattr(chap, f"chap_{one}") and not getattr(chap, f"chap_{two}"):
                fix = f"give 'chap_{two}'"
                yield Problem(path=f"{path}.chap_{two}", what=f"is missing beside chap_{one}", fix=fix)
    if chap.chap_mutual_userid and not chap.chap_userid:
        what = "mutual CHAP is the target's answer, and there is nothing to answer without chap_userid"
        yield Problem(
            path=f"{path}.chap_mutual_userid", what=what, fix="give 'chap_userid' and 'chap_password' as well"
        )
    if chap.chap_password and chap.chap_password == chap.chap_mutual_password:
        what = "is the same as chap_password, which RFC 7143 forbids: an initiator could reflect it"
        yield Problem(path=f"{path}.chap_mutual_password", what=what, fix="choose another")


def _out_of_bounds(path: str, values: Mapping[str, Any], table: Mapping[str, bounds.Bound]) -> Iterator[Problem]:
    for name, value in values.items():
        what, fix = bounds.problem(name, value, table)
        if what:
            yield Problem(path=f"{path}.{name}", what=what, fix=fix)


def _twice(path: str, names: list[str]) -> list[Problem]:
    return [
        Problem(path=f"{path}[{place}]", what=f"{name} is given twice", fix="give each once")
        for place, name in enumerate(names)
        if name in names[:place]
    ]
