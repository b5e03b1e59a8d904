"""Fragments for the tests of LIO in depth, with names of one test's own."""

from __future__ import annotations

import copy
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.operations.bench import Bench

Fragment = dict[str, Any]

INITIATOR = "iqn.2024-01.org.example:init"
OTHER = "iqn.2024-01.org.example:other"
SECRETS = {
    "chap_userid": "init-user",
    "chap_password": "initiator secret 1",
    "chap_mutual_userid": "head-user",
    "chap_mutual_password": "heads-secret-22",
}


def names(bench: Bench, count: int = 1) -> list[str]:
    """Return the names of some volumes of the test, the same at every call."""
    return [f"{bench.folder}/d{number}" for number in range(count)]


def wwn(bench: Bench, name: str = "t") -> str:
    """Return an IQN of the test's own."""
    return f"iqn.2024-01.org.example:{bench.test}.{name}"


def volumes(bench: Bench, count: int = 1) -> list[str]:
    """Make some volumes and wait for their devices."""
    wanted = names(bench, count)
    bench.eyes.run(["zfs", "create", "-p", bench.folder])
    for name in wanted:
        assert bench.eyes.run(["zfs", "create", "-s", "-V", "16M", name])[0] == 0
    waited = bench.do("wait_for_device", *({"dataset": name} for name in wanted))
    assert not waited.status.is_bad, waited
    return wanted


def block(bench: Bench, number: int = 0, **more: Any) -> Fragment:
    """Return a storage object on one of the volumes."""
    dataset = names(bench, number + 1)[-1]
    return {
        "plugin": "block",
        "name": f"{bench.test[:16]}-{number}",
        "dev": f"/dev/zvol/{dataset}",
        "wwn": str(uuid5(NAMESPACE_URL, dataset)),
        **more,
    }


def file(bench: Bench, **more: Any) -> Fragment:
    """Return a storage object in a file."""
    name = f"{bench.test[:16]}-file"
    return {
        "plugin": "fileio",
        "name": name,
        "dev": f"/srv/{name}.img",
        "size": 16 << 20,
        "wwn": str(uuid5(NAMESPACE_URL, name + bench.pool)),
        **more,
    }


def lun(storage: Fragment, index: int = 0, **more: Any) -> Fragment:
    """Return a LUN on a storage object."""
    return {"index": index, "storage_object": f"/backstores/{storage['plugin']}/{storage['name']}", **more}


def acl(initiator: str = INITIATOR, *luns: int, **more: Any) -> Fragment:
    """Return an ACL with these LUNs, or with LUN 0."""
    mapped = [{"index": index, "tpg_lun": index, "write_protect": False} for index in luns or (0,)]
    return {"node_wwn": initiator, "mapped_luns": mapped, **more}


def fragment(bench: Bench, storages: list[Fragment], **tpg: Any) -> Fragment:
    """Return a fragment for one target with these storage objects, one LUN of each, and one ACL."""
    whole = {
        "tag": 1,
        "enable": True,
        "attributes": {"authentication": 0, "generate_node_acls": 0},
        "luns": [lun(storage, index) for index, storage in enumerate(storages)],
        "portals": [{"ip_address": "0.0.0.0", "port": 3260}],
        "node_acls": [acl(INITIATOR, *range(len(storages)))],
        **tpg,
    }
    return {"storage_objects": storages, "targets": [{"fabric": "iscsi", "wwn": wwn(bench), "tpgs": [whole]}]}


def rich(bench: Bench) -> Fragment:
    """Return a fragment with every key that there is, on two volumes and a file."""
    group = {
        "name": "way1",
        "tg_pt_gp_id": 17,
        "alua_access_state": 1,
        "alua_access_status": 0,
        "alua_access_type": 1,
        "alua_support_offline": 0,
        "alua_support_standby": 0,
        "alua_support_unavailable": 0,
        "alua_support_transitioning": 0,
        "alua_support_active_optimized": 1,
        "alua_support_active_nonoptimized": 1,
        "alua_write_metadata": 0,
        "implicit_trans_secs": 4,
        "nonop_delay_msecs": 0,
        "preferred": 1,
        "trans_delay_msecs": 7,
    }
    first = block(
        bench,
        0,
        readonly=False,
        write_back=False,
        attributes={
            "block_size": 4096,
            "emulate_3pc": 0,
            "emulate_caw": 0,
            "emulate_model_alias": 1,
            "emulate_tas": 0,
            "emulate_tpu": 1,
            "emulate_tpws": 1,
            "emulate_ua_intlck_ctrl": 1,
            "enforce_pr_isids": 0,
            "force_pr_aptpl": 1,
            "is_nonrot": 0,
            "max_unmap_lba_count": 4096,
            "max_write_same_len": 4096,
            "optimal_sectors": 2048,
            "queue_depth": 64,
            "unmap_granularity": 32,
            "unmap_zeroes_data": 1,
        },
        alua_tpgs=[group, {"name": "way2", "tg_pt_gp_id": 18}],
    )
    second = block(bench, 1, readonly=True)
    third = file(bench, write_back=True, aio=False, attributes={"emulate_write_cache": 1, "emulate_tpu": 1})
    tpg = {
        "tag": 1,
        "enable": True,
        "attributes": {
            "authentication": 1,
            "cache_dynamic_acls": 0,
            "default_cmdsn_depth": 32,
            "default_erl": 0,
            "demo_mode_discovery": 0,
            "demo_mode_write_protect": 1,
            "generate_node_acls": 0,
            "login_timeout": 20,
            "netif_timeout": 3,
            "prod_mode_write_protect": 1,
            "t10_pi": 0,
            "tpg_enabled_sendtargets": 1,
        },
        "parameters": {
            "AuthMethod": "CHAP",
            "HeaderDigest": "CRC32C,None",
            "MaxOutstandingR2T": "2",
            "ImmediateData": "No",
            "InitialR2T": "No",
            "MaxBurstLength": "524288",
            "TargetAlias": "a rich target",
        },
        "chap_userid": "tpg-user",
        "chap_password": "tpg-secret-333",
        "luns": [
            lun(first, 0, alias="one", alua_tg_pt_gp_name="way1"),
            lun(second, 1, alias="two", alua_tg_pt_gp_name="default_tg_pt_gp"),
            lun(third, 300, alias="three"),
        ],
        "portals": [
            {"ip_address": "10.0.2.15", "port": 3260, "iser": False, "offload": False},
            {"ip_address": "127.0.0.1", "port": 3261},
            {"ip_address": "[::1]", "port": 3262},
        ],
        "node_acls": [
            {
                "node_wwn": INITIATOR,
                "tag": "rack-7",
                "tcq_depth": 16,
                "attributes": {"authentication": 1, "dataout_timeout": 20, "nopin_timeout": 0},
                **SECRETS,
                "mapped_luns": [
                    {"index": 0, "tpg_lun": 0, "write_protect": False, "alias": "m0"},
                    {"index": 7, "tpg_lun": 1, "write_protect": True, "alias": "m1"},
                ],
            },
            {
                "node_wwn": OTHER,
                "mapped_luns": [{"index": 0, "tpg_lun": 300, "write_protect": True, "alias": "o0"}],
            },
        ],
    }
    target = {"fabric": "iscsi", "wwn": wwn(bench), "tpgs": [tpg]}
    return {"storage_objects": [first, second, third], "targets": [target]}


def tpg_of(whole: Fragment) -> Fragment:
    """Return the first TPG of a fragment."""
    found: Fragment = whole["targets"][0]["tpgs"][0]
    return found


def changed(whole: Fragment, **tpg: Any) -> Fragment:
    """Return the fragment with other values in its TPG."""
    new = copy.deepcopy(whole)
    tpg_of(new).update(tpg)
    return new
