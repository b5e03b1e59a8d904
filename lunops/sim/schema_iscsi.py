"""LIO's iSCSI targets in configfs, as Linux 6.1 makes them. Pure data, read from a real kernel."""

from __future__ import annotations

from lunops.sim.folders import BARE, CHAP, NUMBER, SHOWN, SHOWN_BARE, TEXT, File, Folder, empty, files

_PARAM = {
    name: File(value=value)
    for name, value in {
        "AuthMethod": "CHAP",
        "DataDigest": "CRC32C,None",
        "HeaderDigest": "CRC32C,None",
        "IFMarkInt": "Reject",
        "OFMarkInt": "Reject",
        "TargetAlias": "LIO Target",
        **dict.fromkeys(("DataPDUInOrder", "DataSequenceInOrder", "ImmediateData", "InitialR2T"), "Yes"),
        **dict.fromkeys(("IFMarker", "OFMarker"), "No"),
    }.items()
} | {
    name: File(value=str(value), check="number", least=least, most=most)
    for name, value, least, most in (
        ("DefaultTime2Retain", 20, 0, 3600),
        ("DefaultTime2Wait", 2, 0, 3600),
        ("ErrorRecoveryLevel", 0, 0, 2),
        ("FirstBurstLength", 65536, 512, 16777215),
        ("MaxBurstLength", 262144, 512, 16777215),
        ("MaxConnections", 1, 1, 65535),
        ("MaxOutstandingR2T", 1, 1, 65535),
        ("MaxRecvDataSegmentLength", 8192, 512, 16777215),
        ("MaxXmitDataSegmentLength", 262144, 512, 16777215),
    )
}

LUN_FILES = {
    "alua_tg_pt_gp": TEXT,
    **files(NUMBER, "alua_tg_pt_offline=0 alua_tg_pt_status=0 alua_tg_pt_write_md=0"),
}

_NO_SESSION_PARAM = (
    "DataPDUInOrder DataSequenceInOrder DefaultTime2Retain DefaultTime2Wait ErrorRecoveryLevel FirstBurstLength "
    "ImmediateData InitialR2T MaxBurstLength MaxConnections MaxOutstandingR2T"
)

TPG = Folder(
    name="tpg",
    files={"dynamic_sessions": SHOWN_BARE, "enable": File(value="0", check="bool")},
    folders={
        "acls": Folder(name="acls", maker="acl"),
        "attrib": Folder(
            name="attrib",
            files={
                **files(
                    File(check="number", most=1),
                    "authentication=1 cache_dynamic_acls=0 demo_mode_discovery=1 demo_mode_write_protect=1 "
                    "generate_node_acls=0 login_keys_workaround=1 prod_mode_write_protect=0 t10_pi=0 "
                    "tpg_enabled_sendtargets=1",
                ),
                "default_cmdsn_depth": File(value="64", check="number", least=1, most=512),
                "default_erl": File(value="0", check="number", most=2),
                "fabric_prot_type": File(value="0", check="number", most=3),
                "login_timeout": File(value="15", check="number", least=5, most=30),
                "netif_timeout": File(value="2", check="number", least=2, most=15),
            },
        ),
        "auth": Folder(name="auth", files=CHAP),
        "lun": Folder(name="luns", maker="lun"),
        "np": Folder(name="portals", maker="portal"),
        "param": Folder(name="param", files=_PARAM),
    },
)

ACL = Folder(
    name="acl",
    files={
        "cmdsn_depth": File(value="64", check="number", most=512),
        "info": SHOWN,
        "tag": BARE,
    },
    folders={
        "attrib": Folder(
            name="attrib",
            files={
                "authentication": File(value="-1", check="small"),
                "dataout_timeout": File(value="3", check="number", least=2, most=60),
                "dataout_timeout_retries": File(value="5", check="number", least=1, most=15),
                "default_erl": File(value="0", check="number", most=2),
                "nopin_response_timeout": File(value="30", check="number", least=3, most=60),
                "nopin_timeout": File(value="15", check="number", most=60),
                **files(
                    File(check="number", most=1),
                    "random_datain_pdu_offsets=0 random_datain_seq_offsets=0 random_r2t_offsets=0",
                ),
            },
        ),
        "auth": Folder(name="auth", files=CHAP),
        "fabric_statistics": empty("fabric_statistics", "iscsi_sess_stats"),
        "param": Folder(name="param", files=files(SHOWN, _NO_SESSION_PARAM)),
    },
    maker="mapped_lun",
)
