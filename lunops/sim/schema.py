"""What LIO's configfs holds, as Linux 6.1 makes it. Pure data, read from a real kernel.

Left out: what is below `statistics` and `fabric_statistics`, which are there as empty folders.
"""

from __future__ import annotations

from collections.abc import Mapping

from lunops.sim.folders import CHAP, FLAG, SHOWN_BARE, File, Folder, empty, files
from lunops.sim.schema_core import HBA, STORAGE, TG_PT_GP
from lunops.sim.schema_iscsi import ACL, LUN_FILES, TPG

# what mkdir makes, by `maker`
MADE: Mapping[str, Folder] = {
    "hba": HBA,
    "storage": STORAGE,
    "tg_pt_gp": TG_PT_GP,
    "lu_gp": Folder(
        name="lu_gp", files={"lu_gp_id": File(check="number", most=0xFFFF, bare=True), "members": SHOWN_BARE}
    ),
    "fabric": Folder(
        name="fabric",
        files={
            "cpus_allowed_list": File(value="0-1"),
            "lio_version": File(value="Datera Inc. iSCSI Target v4.1.0", writable=False),
        },
        folders={
            "discovery_auth": Folder(
                name="auth", files={**CHAP, "enforce_discovery_auth": File(value="0", check="number", most=1)}
            )
        },
        maker="target",
    ),
    "target": Folder(
        name="target",
        folders={
            "fabric_statistics": empty(
                "fabric_statistics",
                "iscsi_instance iscsi_login_stats iscsi_logout_stats iscsi_sess_err iscsi_tgt_attr",
            ),
            "param": Folder(name="param", files={"cmd_completion_affinity": File(value="-1")}),
        },
        maker="tpg",
    ),
    "tpg": TPG,
    "acl": ACL,
    "lun": Folder(
        name="lun",
        files=LUN_FILES,
        folders={"statistics": empty("statistics", "scsi_port scsi_tgt_port scsi_transport")},
    ),
    "portal": Folder(name="portal", files=files(FLAG, "cxgbit=0 iser=0")),
    "mapped_lun": Folder(
        name="mapped_lun",
        files={"write_protect": File(value="0", check="bool")},
        folders={"statistics": empty("statistics", "scsi_att_intr_port scsi_auth_intr")},
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
                                    files={"lu_gp_id": File(value="0", check="number"), "members": SHOWN_BARE},
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
