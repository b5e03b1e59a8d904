"""From a LUN as the kernel has it to its fragment: what a record of it is made of when lunops did not export it.

Every file that rtslib would save is read, and the fragment held against the kernel once more before it is used, so
that what cannot be written down in a fragment is refused instead of being lost.
"""

from __future__ import annotations

import re

from lunops.agent import lio, remove, steps, target
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from lunops.agent.system import System

_DEFAULT_ALUA = "default_tg_pt_gp"
_STORAGE = (
    *("emulate_3pc", "emulate_caw", "emulate_dpo", "emulate_fua_read", "emulate_fua_write", "emulate_model_alias"),
    *("emulate_pr", "emulate_rest_reord", "emulate_tas", "emulate_tpu", "emulate_tpws", "emulate_ua_intlck_ctrl"),
    *("emulate_write_cache", "enforce_pr_isids", "force_pr_aptpl", "is_nonrot", "max_unmap_block_desc_count"),
    *("max_unmap_lba_count", "max_write_same_len", "optimal_sectors", "pi_prot_type", "pi_prot_verify"),
    *("queue_depth", "unmap_granularity", "unmap_granularity_alignment", "unmap_zeroes_data", "block_size"),
)
_TPG = (
    *("authentication", "cache_dynamic_acls", "default_cmdsn_depth", "default_erl", "demo_mode_discovery"),
    *("demo_mode_write_protect", "fabric_prot_type", "generate_node_acls", "login_keys_workaround", "login_timeout"),
    *("netif_timeout", "prod_mode_write_protect", "t10_pi", "tpg_enabled_sendtargets"),
)
_ACL = (
    *("authentication", "dataout_timeout", "dataout_timeout_retries", "default_erl", "nopin_response_timeout"),
    *("nopin_timeout", "random_datain_pdu_offsets", "random_datain_seq_offsets", "random_r2t_offsets"),
)
_PARAMETERS = (
    *("AuthMethod", "DataDigest", "DataPDUInOrder", "DataSequenceInOrder", "DefaultTime2Retain", "DefaultTime2Wait"),
    *("ErrorRecoveryLevel", "FirstBurstLength", "HeaderDigest", "ImmediateData", "InitialR2T", "MaxBurstLength"),
    *("MaxConnections", "MaxOutstandingR2T", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength", "TargetAlias"),
)
_CHAP = {
    "chap_userid": "userid",
    "chap_password": "password",
    "chap_mutual_userid": "userid_mutual",
    "chap_mutual_password": "password_mutual",
}


def fragment_of(system: System, wwn: str, storage: str) -> Dict[str, Any]:
    """Return the fragment of a target and the one storage object (its folder) behind it.

    Raises ItemError naming what a fragment cannot say.
    """
    base = "%s/%s" % (lio.ISCSI, wwn)
    tpgs = [name for name in lio.folders(system, base) if name.startswith("tpgt_")]
    name = storage.rsplit("/", 1)[-1]
    wanted = {
        "storage_objects": [_storage(system, storage, name)],
        "targets": [{"fabric": "iscsi", "wwn": wwn, "tpgs": [_tpg(system, base, tpg, name) for tpg in tpgs]}],
    }
    entries = target.entries_of(system, wanted, {name: storage})
    different = [str(step) for step in steps.difference(entries, steps.observe(system, entries))]
    different += steps.extras(system, entries)
    if different:
        raise ItemError(
            "%s has what lunops cannot write down: %s" % (wwn, "; ".join(different[:5])),
            "keep it in the hands that made it",
        )
    return wanted


def _storage(system: System, folder: str, name: str) -> Dict[str, Any]:
    groups = [each for each in lio.folders(system, folder + "/alua") if each != _DEFAULT_ALUA]
    if groups:
        raise ItemError("%s has the ALUA groups %s" % (name, ", ".join(groups)), "lunops cannot keep these")
    shown: Dict[str, Any] = {
        "plugin": "block",
        "name": name,
        "dev": system.read(folder + "/udev_path").strip(),
        "wwn": steps.clean(system.read(folder + "/wwn/vpd_unit_serial")),
        "attributes": _numbers(system, folder + "/attrib", _STORAGE),
    }
    if re.search(r"readonly:\s*1", system.read(folder + "/info")):
        shown["readonly"] = True
    return shown


def _tpg(system: System, base: str, tpg: str, storage: str) -> Dict[str, Any]:
    folder = "%s/%s" % (base, tpg)
    shown: Dict[str, Any] = {
        "tag": int(tpg.split("_")[1]),
        "enable": system.read(folder + "/enable").strip() == "1",
        "attributes": _numbers(system, folder + "/attrib", _TPG),
        "parameters": {
            name: steps.clean(system.read("%s/param/%s" % (folder, name)))
            for name in _PARAMETERS
            if system.exists("%s/param/%s" % (folder, name))
        },
        "luns": [
            {
                "index": _number(lun),
                "storage_object": "/backstores/block/" + storage,
                "alias": _alias(system, "%s/lun/%s" % (folder, lun)),
            }
            for lun in lio.folders(system, folder + "/lun")
        ],
        "portals": [_portal(system, folder, name) for name in lio.folders(system, folder + "/np")],
        "node_acls": [_acl(system, folder, name) for name in lio.folders(system, folder + "/acls")],
    }
    return dict(shown, **_chap(system, folder + "/auth"))


def _portal(system: System, tpg: str, name: str) -> Dict[str, Any]:
    for kind in ("iser", "cxgbit"):
        path = "%s/np/%s/%s" % (tpg, name, kind)
        if system.exists(path) and system.read(path).strip() == "1":
            raise ItemError("the portal %s uses %s" % (name, kind), "lunops cannot keep that")
    address, port = name.rsplit(":", 1)
    return {"ip_address": address, "port": int(port)}


def _acl(system: System, tpg: str, name: str) -> Dict[str, Any]:
    folder = "%s/acls/%s" % (tpg, name)
    shown: Dict[str, Any] = {
        "node_wwn": name,
        "attributes": _numbers(system, folder + "/attrib", _ACL),
        "mapped_luns": [
            {
                "index": _number(mapped),
                "tpg_lun": _number(_lun_behind(system, folder, mapped)),
                "write_protect": system.read("%s/%s/write_protect" % (folder, mapped)).strip() == "1",
                "alias": _alias(system, "%s/%s" % (folder, mapped)),
            }
            for mapped in lio.folders(system, folder)
            if mapped.startswith("lun_")
        ],
    }
    depth = steps.clean(system.read(folder + "/cmdsn_depth"))
    if depth != steps.clean(system.read(tpg + "/attrib/default_cmdsn_depth")):
        shown["tcq_depth"] = int(depth)
    return dict(shown, **_chap(system, folder + "/auth"))


def _lun_behind(system: System, acl: str, mapped: str) -> str:
    for path in lio.linked(system, "%s/%s" % (acl, mapped)):
        return path.rsplit("/", 1)[-1]
    raise ItemError("%s of %s leads to no LUN" % (mapped, acl.rsplit("/", 1)[-1]), "remove it with targetcli")


def _chap(system: System, folder: str) -> Dict[str, str]:
    found = {}
    for key, file in _CHAP.items():
        value = steps.clean(system.read("%s/%s" % (folder, file))) if system.exists("%s/%s" % (folder, file)) else ""
        if value and value != "NULL":  # rtslib writes that to set none
            found[key] = value
    return found


def _numbers(system: System, folder: str, names: tuple[str, ...]) -> Dict[str, int]:
    """Return those of the attributes that this kernel has."""
    there = set(system.listdir(folder))
    return {name: int(steps.clean(system.read("%s/%s" % (folder, name)))) for name in names if name in there}


def _number(name: str) -> int:
    return int(name.split("_")[1])


def _alias(system: System, folder: str) -> str:
    """Return the name of the link in a LUN's folder."""
    links: List[str] = [
        name for name in system.listdir(folder) if system.is_link("%s/%s" % (folder, name)) and name != _DEFAULT_ALUA
    ]
    return links[0] if links else ""


def volume_of(system: System, wwn: str) -> str:
    """Return the folder of the one storage object behind a target; raises ItemError where it is not one."""
    base = "%s/%s" % (lio.ISCSI, wwn)
    tpgs = [name for name in lio.folders(system, base) if name.startswith("tpgt_")]
    backing = sorted(set(remove.luns_of(system, base)))
    if len(tpgs) != 1 or len(backing) != 1:
        raise ItemError(
            "%s has %d portal groups and %d storage objects, and a LUN of lunops has one of each"
            % (wwn, len(tpgs), len(backing)),
            "keep it in the hands that made it",
        )
    return backing[0]
