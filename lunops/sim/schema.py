"""What LIO's configfs holds, as Linux 6.1 makes it: folders, their files and default values. Pure data.

Values were read from a real kernel. Left out: what is below `statistics` and `fabric_statistics`, which is
there as empty folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Check = Literal["any", "bool", "number", "small", "address"]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file: its first value, whether it may be read and written, and what may be written.

    `bare` files read as nothing while they have no value; the others always end their value with a newline.
    """

    value: str = ""
    readable: bool = True
    writable: bool = True
    check: Check = "any"
    least: int = 0
    most: int = 0xFFFFFFFF
    bare: bool = False


@dataclass(frozen=True, kw_only=True)
class Folder:
    """One folder: its files, the folders that come with it, and what a user may make in it.

    `name` says what it is; `maker` what kind of folder mkdir makes in it.
    """

    name: str
    files: Mapping[str, File] = field(default_factory=dict)
    folders: Mapping[str, Folder] = field(default_factory=dict)
    maker: str = ""


def _files(kind: File, values: str) -> dict[str, File]:
    """Return files of one kind, from words `name=value`."""
    pairs = [word.partition("=") for word in values.split()]
    return {
        name: File(value=value, readable=kind.readable, writable=kind.writable, check=kind.check, bare=kind.bare)
        for name, _, value in pairs
    }


def _empty(name: str, inside: str = "") -> Folder:
    return Folder(name=name, folders={word: Folder(name=word) for word in inside.split()})


_TEXT = File()
_BARE = File(bare=True)
_SHOWN = File(writable=False)
_SHOWN_BARE = File(writable=False, bare=True)
_FLAG = File(check="bool")
_NUMBER = File(check="number")

_CHAP = {
    **_files(_TEXT, "userid password userid_mutual password_mutual"),
    "authenticate_target": _SHOWN,
}

_DEVICE_ATTRIB = {
    **_files(
        _FLAG,
        "alua_support=1 emulate_3pc=1 emulate_caw=1 emulate_dpo=1 emulate_fua_read=1 emulate_fua_write=1 "
        "emulate_model_alias=0 emulate_pr=1 emulate_rest_reord=0 emulate_tas=1 emulate_tpu=0 emulate_tpws=0 "
        "emulate_write_cache=0 enforce_pr_isids=1 force_pr_aptpl=0 is_nonrot=0 pgr_support=1 pi_prot_format=0 "
        "pi_prot_verify=0 unmap_zeroes_data=0",
    ),
    **_files(
        _NUMBER,
        "block_size=0 max_unmap_block_desc_count=0 max_unmap_lba_count=0 max_write_same_len=0 optimal_sectors=0 "
        "queue_depth=0 unmap_granularity=0 unmap_granularity_alignment=0",
    ),
    "emulate_ua_intlck_ctrl": File(value="0", check="number", most=2),
    "pi_prot_type": File(value="0", check="number", most=3),
    **_files(_SHOWN, "hw_block_size=0 hw_max_sectors=0 hw_pi_prot_type=0 hw_queue_depth=0"),
}
# what these attributes are once the object has its zvol
ENABLED_ATTRIB = {
    "block_size": "512",
    "hw_block_size": "512",
    "hw_max_sectors": "32768",
    "hw_queue_depth": "128",
    "is_nonrot": "1",
    "max_unmap_block_desc_count": "1",
    "max_unmap_lba_count": "262144",
    "max_write_same_len": "65535",
    "optimal_sectors": "32768",
    "queue_depth": "128",
    "unmap_granularity": "16",
}

_TG_PT_GP = Folder(
    name="tg_pt_gp",
    files={
        **_files(
            _NUMBER,
            "alua_access_state=0 alua_support_active_nonoptimized=1 alua_support_active_optimized=1 "
            "alua_support_lba_dependent=0 alua_support_offline=1 alua_support_standby=1 "
            "alua_support_transitioning=1 alua_support_unavailable=1 alua_write_metadata=0 implicit_trans_secs=0 "
            "nonop_delay_msecs=100 preferred=0 trans_delay_msecs=0",
        ),
        "alua_access_status": File(value="None"),
        "alua_access_type": File(value="Implicit and Explicit"),
        "tg_pt_gp_id": File(check="number", most=0xFFFF, bare=True),
        "members": _SHOWN_BARE,
    },
)
_DEFAULT_TG_PT_GP = Folder(
    name="tg_pt_gp",
    files={**_TG_PT_GP.files, "tg_pt_gp_id": File(value="0", check="number", most=0xFFFF)},
)
_NO_HOLDER = "No SPC-3 Reservation holder"

_STORAGE = Folder(
    name="storage",
    files={
        "alias": _BARE,
        "alua_lu_gp": _BARE,
        "control": File(readable=False),
        "enable": File(value="0"),
        "info": _SHOWN,
        "lba_map": _BARE,
        "udev_path": _BARE,
    },
    folders={
        "action": Folder(name="action"),
        "alua": Folder(name="alua", folders={"default_tg_pt_gp": _DEFAULT_TG_PT_GP}, maker="tg_pt_gp"),
        "attrib": Folder(name="attrib", files=_DEVICE_ATTRIB),
        "pr": Folder(
            name="pr",
            files={
                "res_aptpl_active": File(value="APTPL Bit Status: Disabled", writable=False),
                "res_aptpl_metadata": File(value="Ready to process PR APTPL metadata.."),
                "res_holder": File(value=_NO_HOLDER, writable=False),
                "res_pr_all_tgt_pts": File(value=_NO_HOLDER, writable=False),
                "res_pr_generation": File(value="0x00000000", writable=False),
                "res_pr_holder_tg_port": File(value=_NO_HOLDER, writable=False),
                "res_pr_registered_i_pts": File(value="SPC-3 PR Registrations:\nNone", writable=False),
                "res_pr_type": File(value=_NO_HOLDER, writable=False),
                "res_type": File(value="SPC3_PERSISTENT_RESERVATIONS", writable=False),
            },
        ),
        "statistics": _empty("statistics", "scsi_dev scsi_lu scsi_tgt_dev"),
        "wwn": Folder(
            name="wwn",
            files={
                **_files(_TEXT, "company_id=0x001405 product_id=IBLOCK revision=4.0 vendor_id=LIO-ORG"),
                "vpd_unit_serial": _TEXT,
                **_files(
                    _SHOWN_BARE,
                    "vpd_assoc_logical_unit vpd_assoc_scsi_target_device vpd_assoc_target_port vpd_protocol_identifier",
                ),
            },
        ),
    },
)

_HBA = Folder(name="hba", files={"hba_info": _SHOWN, "hba_mode": File(value="0", check="number")}, maker="storage")

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

_LUN_FILES = {
    "alua_tg_pt_gp": _TEXT,
    **_files(_NUMBER, "alua_tg_pt_offline=0 alua_tg_pt_status=0 alua_tg_pt_write_md=0"),
}

_NO_SESSION_PARAM = (
    "DataPDUInOrder DataSequenceInOrder DefaultTime2Retain DefaultTime2Wait ErrorRecoveryLevel FirstBurstLength "
    "ImmediateData InitialR2T MaxBurstLength MaxConnections MaxOutstandingR2T"
)

_TPG = Folder(
    name="tpg",
    files={"dynamic_sessions": _SHOWN_BARE, "enable": File(value="0", check="bool")},
    folders={
        "acls": Folder(name="acls", maker="acl"),
        "attrib": Folder(
            name="attrib",
            files={
                **_files(
                    _FLAG,
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
        "auth": Folder(name="auth", files=_CHAP),
        "lun": Folder(name="luns", maker="lun"),
        "np": Folder(name="portals", maker="portal"),
        "param": Folder(name="param", files=_PARAM),
    },
)

_ACL = Folder(
    name="acl",
    files={
        "cmdsn_depth": File(value="64", check="number", most=512),
        "info": _SHOWN,
        "tag": _BARE,
    },
    folders={
        "attrib": Folder(
            name="attrib",
            files={
                "authentication": File(value="-1", check="small"),
                "dataout_timeout": File(value="3", check="number", least=3, most=60),
                "dataout_timeout_retries": File(value="5", check="number", least=1, most=15),
                "default_erl": File(value="0", check="number", most=2),
                "nopin_response_timeout": File(value="30", check="number", least=3, most=60),
                "nopin_timeout": File(value="15", check="number", most=60),
                **_files(_FLAG, "random_datain_pdu_offsets=0 random_datain_seq_offsets=0 random_r2t_offsets=0"),
            },
        ),
        "auth": Folder(name="auth", files=_CHAP),
        "fabric_statistics": _empty("fabric_statistics", "iscsi_sess_stats"),
        "param": Folder(name="param", files=_files(_SHOWN, _NO_SESSION_PARAM)),
    },
    maker="mapped_lun",
)

# what mkdir makes, by `maker`
MADE: Mapping[str, Folder] = {
    "hba": _HBA,
    "storage": _STORAGE,
    "tg_pt_gp": _TG_PT_GP,
    "lu_gp": Folder(
        name="lu_gp", files={"lu_gp_id": File(check="number", most=0xFFFF, bare=True), "members": _SHOWN_BARE}
    ),
    "fabric": Folder(
        name="fabric",
        files={
            "cpus_allowed_list": File(value="0-1"),
            "lio_version": File(value="Datera Inc. iSCSI Target v4.1.0", writable=False),
        },
        folders={
            "discovery_auth": Folder(
                name="auth", files={**_CHAP, "enforce_discovery_auth": File(value="0", check="bool")}
            )
        },
        maker="target",
    ),
    "target": Folder(
        name="target",
        folders={
            "fabric_statistics": _empty(
                "fabric_statistics",
                "iscsi_instance iscsi_login_stats iscsi_logout_stats iscsi_sess_err iscsi_tgt_attr",
            ),
            "param": Folder(name="param", files={"cmd_completion_affinity": File(value="-1")}),
        },
        maker="tpg",
    ),
    "tpg": _TPG,
    "acl": _ACL,
    "lun": Folder(
        name="lun",
        files=_LUN_FILES,
        folders={"statistics": _empty("statistics", "scsi_port scsi_tgt_port scsi_transport")},
    ),
    "portal": Folder(name="portal", files=_files(_FLAG, "cxgbit=0 iser=0")),
    "mapped_lun": Folder(
        name="mapped_lun",
        files={"write_protect": File(value="0", check="bool")},
        folders={"statistics": _empty("statistics", "scsi_att_intr_port scsi_auth_intr")},
    ),
}

ROOT = Folder(
    name="root",
    files={
        "dbroot": File(value="/etc/rtslib-fb-target"),
        "version": File(
            value="Target Engine Core ConfigFS Infrastructure v5.0 on Linux/x86_64 on 6.1.0-simulated", writable=False
        ),
    },
    folders={
        "core": Folder(
            name="core",
            folders={
                "alua": Folder(
                    name="core_alua",
                    folders={
                        "lu_gps": Folder(
                            name="lu_gps",
                            folders={
                                "default_lu_gp": Folder(
                                    name="lu_gp",
                                    files={"lu_gp_id": File(value="0", check="number"), "members": _SHOWN_BARE},
                                )
                            },
                            maker="lu_gp",
                        )
                    },
                )
            },
            maker="hba",
        )
    },
    maker="fabric",
)
