"""What the kernel itself makes of each object (Linux 6.1), so that a read-back can leave it out."""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict

    Fragment = Dict[str, Any]


def _table(text: str) -> Dict[str, int]:
    return {name: int(value) for name, _, value in (word.partition("=") for word in text.split())}


STORAGE = _table(
    "alua_support=1 block_size=512 emulate_3pc=1 emulate_caw=1 emulate_dpo=1 emulate_fua_read=1 emulate_fua_write=1 "
    "emulate_model_alias=0 emulate_pr=1 emulate_rest_reord=0 emulate_rsoc=1 emulate_tas=1 emulate_tpu=0 "
    "emulate_tpws=0 emulate_ua_intlck_ctrl=0 emulate_write_cache=0 enforce_pr_isids=1 force_pr_aptpl=0 "
    "max_unmap_block_desc_count=1 pgr_support=1 pi_prot_format=0 pi_prot_type=0 pi_prot_verify=0 queue_depth=128 "
    "submit_type=0 unmap_granularity_alignment=0 unmap_zeroes_data=0"
)
DEVICE = {  # of a zvol, and of a file
    "block": _table(
        "is_nonrot=1 max_unmap_lba_count=262144 max_write_same_len=65535 optimal_sectors=32768 unmap_granularity=16"
    ),
    "fileio": _table(
        "is_nonrot=0 max_unmap_lba_count=8192 max_write_same_len=4096 optimal_sectors=16384 unmap_granularity=1"
    ),
}
ALUA = _table(
    "alua_access_state=0 alua_access_status=0 alua_access_type=3 alua_support_active_nonoptimized=1 "
    "alua_support_active_optimized=1 alua_support_offline=1 alua_support_standby=1 alua_support_transitioning=1 "
    "alua_support_unavailable=1 alua_write_metadata=0 implicit_trans_secs=0 nonop_delay_msecs=100 preferred=0 "
    "trans_delay_msecs=0"
)
TPG = _table(
    "authentication=1 cache_dynamic_acls=0 default_cmdsn_depth=64 default_erl=0 demo_mode_discovery=1 "
    "demo_mode_write_protect=1 fabric_prot_type=0 generate_node_acls=0 login_keys_workaround=1 login_timeout=15 "
    "netif_timeout=2 prod_mode_write_protect=0 t10_pi=0 tpg_enabled_sendtargets=1"
)
ACL = _table(
    "authentication=-1 dataout_timeout=3 dataout_timeout_retries=5 default_erl=0 nopin_response_timeout=30 "
    "nopin_timeout=15 random_datain_pdu_offsets=0 random_datain_seq_offsets=0 random_r2t_offsets=0"
)
PARAMETERS = {
    "AuthMethod": "CHAP",
    "DataDigest": "CRC32C,None",
    "DataPDUInOrder": "Yes",
    "DataSequenceInOrder": "Yes",
    "DefaultTime2Retain": "20",
    "DefaultTime2Wait": "2",
    "ErrorRecoveryLevel": "0",
    "FirstBurstLength": "65536",
    "HeaderDigest": "CRC32C,None",
    "IFMarkInt": "Reject",
    "IFMarker": "No",
    "ImmediateData": "Yes",
    "InitialR2T": "Yes",
    "MaxBurstLength": "262144",
    "MaxConnections": "1",
    "MaxOutstandingR2T": "1",
    "MaxRecvDataSegmentLength": "8192",
    "MaxXmitDataSegmentLength": "262144",
    "OFMarkInt": "Reject",
    "OFMarker": "No",
    "TargetAlias": "LIO Target",
}
_PLAIN: Dict[str, Fragment] = {
    "storage_objects": {"readonly": False, "write_back": False, "aio": False, "alua_tpgs": []},
    "alua_tpgs": dict(ALUA),
    "tpgs": {"luns": [], "portals": [], "node_acls": []},
    "luns": {"alua_tg_pt_gp_name": "default_tg_pt_gp"},
    "portals": {"iser": False, "offload": False},
    "node_acls": {"tcq_depth": 64},
    "mapped_luns": {},
}
_TABLES: Dict[str, Dict[str, Fragment]] = {
    "tpgs": {"attributes": dict(TPG), "parameters": dict(PARAMETERS)},
    "node_acls": {"attributes": dict(ACL)},
}


def without(found: Fragment) -> Fragment:
    """Return a whole fragment without what the kernel makes itself."""
    return {key: [without_in(key, one) for one in found[key]] for key in found}


def without_in(part: str, one: Fragment) -> Fragment:
    """Return a member of the list `part` without what the kernel makes itself; what it is known by stays."""
    plain = _PLAIN.get(part, {})
    tables = _TABLES.get(part, {})
    if part == "storage_objects":
        tables = {"attributes": dict(STORAGE, **DEVICE.get(one["plugin"], {}))}
    found: Fragment = {}
    for key, value in one.items():
        if key in plain and plain[key] == value:
            continue
        if key in tables:
            value = {name: value[name] for name in value if tables[key].get(name) != value[name]}
            if not value:
                continue
        elif isinstance(value, list):
            value = [without_in(key, member) for member in value]
        found[key] = value
    return found
