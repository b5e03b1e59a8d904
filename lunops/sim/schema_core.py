"""LIO's storage objects in configfs, as Linux 6.1 makes them. Pure data, read from a real kernel."""

from __future__ import annotations

from lunops.sim.folders import BARE, FLAG, NUMBER, SHOWN, SHOWN_BARE, TEXT, File, Folder, empty, files

_DEVICE_ATTRIB = {
    **files(
        FLAG,
        "alua_support=1 emulate_3pc=1 emulate_caw=1 emulate_fua_write=1 "
        "emulate_model_alias=0 emulate_pr=1 emulate_rest_reord=0 emulate_tas=1 emulate_tpu=0 emulate_tpws=0 "
        "emulate_write_cache=0 enforce_pr_isids=1 force_pr_aptpl=0 is_nonrot=0 pgr_support=1 pi_prot_format=0 "
        "pi_prot_verify=0 unmap_zeroes_data=0",
    ),
    **files(
        NUMBER,
        "block_size=0 max_unmap_block_desc_count=0 max_unmap_lba_count=0 max_write_same_len=0 optimal_sectors=0 "
        "queue_depth=0 unmap_granularity=0 unmap_granularity_alignment=0",
    ),
    **files(TEXT, "emulate_dpo=1 emulate_fua_read=1"),  # anything is taken, and nothing changes
    "emulate_ua_intlck_ctrl": File(value="0", check="number", most=2),
    "pi_prot_type": File(value="0", check="number", most=3),
    **files(SHOWN, "hw_block_size=0 hw_max_sectors=0 hw_pi_prot_type=0 hw_queue_depth=0"),
}
_LIKE_BOTH = {
    "block_size": "512",
    "hw_block_size": "512",
    "hw_queue_depth": "128",
    "max_unmap_block_desc_count": "1",
    "queue_depth": "128",
}
# what these attributes are once the object has its zvol, or its file; by how its HBA's folder begins
ENABLED_ATTRIB = {
    "iblock": {
        **_LIKE_BOTH,
        "hw_max_sectors": "32768",
        "is_nonrot": "1",
        "max_unmap_lba_count": "262144",
        "max_write_same_len": "65535",
        "optimal_sectors": "32768",
        "unmap_granularity": "16",
    },
    "fileio": {
        **_LIKE_BOTH,
        "hw_max_sectors": "16384",
        "is_nonrot": "0",
        "max_unmap_lba_count": "8192",
        "max_write_same_len": "4096",
        "optimal_sectors": "16384",
        "unmap_granularity": "1",
    },
}
_FLAG01 = File(check="number", most=1)
TG_PT_GP = Folder(
    name="tg_pt_gp",
    files={
        **files(
            _FLAG01,
            "alua_support_active_nonoptimized=1 alua_support_active_optimized=1 alua_support_lba_dependent=0 "
            "alua_support_offline=1 alua_support_standby=1 alua_support_transitioning=1 alua_support_unavailable=1 "
            "alua_write_metadata=0 preferred=0",
        ),
        "alua_access_state": File(value="0", check="number", most=15),
        "alua_access_status": File(value="0", check="number", most=2),
        "alua_access_type": File(value="3", check="number", most=3),
        "implicit_trans_secs": File(value="0", check="number", most=255),
        "nonop_delay_msecs": File(value="100", check="number", most=10000),
        "trans_delay_msecs": File(value="0", check="number", most=30000),
        "tg_pt_gp_id": File(check="number", most=0xFFFF, bare=True),
        "members": SHOWN_BARE,
    },
)
_DEFAULT_TG_PT_GP = Folder(
    name="tg_pt_gp",
    files={**TG_PT_GP.files, "tg_pt_gp_id": File(value="0", check="number", most=0xFFFF)},
)
_NO_HOLDER = "No SPC-3 Reservation holder"

STORAGE = Folder(
    name="storage",
    files={
        "alias": BARE,
        "alua_lu_gp": BARE,
        "control": File(readable=False),
        "enable": File(value="0"),
        "info": SHOWN,
        "lba_map": BARE,
        "udev_path": BARE,
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
        "statistics": empty("statistics", "scsi_dev scsi_lu scsi_tgt_dev"),
        "wwn": Folder(
            name="wwn",
            files={
                **files(TEXT, "company_id=0x001405 product_id=IBLOCK revision=4.0 vendor_id=LIO-ORG"),
                "vpd_unit_serial": TEXT,
                **files(
                    SHOWN_BARE,
                    "vpd_assoc_logical_unit vpd_assoc_scsi_target_device vpd_assoc_target_port vpd_protocol_identifier",
                ),
            },
        ),
    },
)

HBA = Folder(name="hba", files={"hba_info": SHOWN, "hba_mode": File(value="0", check="number")}, maker="storage")


def enabled_attribute(attrib: str, name: str, first: str) -> str:
    """Return what an attribute of an enabled object is, as long as nobody wrote it; `attrib` is its folder."""
    begin = attrib.split("/core/", 1)[1].split("_", 1)[0]
    return ENABLED_ATTRIB.get(begin, {}).get(name, first)
