"""The keys of a fragment: those that rtslib's dump writes and its setup reads (rtslib_fb/root.py, target.py, tcm.py).

Names that become a path in configfs are held to letters that cannot leave their folder. What cannot be seen in one
place alone stands in `lunops.fragment_rules`.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lunops.errors import BadValueError
from lunops.names import Iqn
from lunops.validate import Checked, bad_value

_INDEX_MAX = 65535
_MAPPED_MAX = 255  # rtslib restores no more (MappedLUN.MAX_LUN), whatever the kernel takes


def _uuid(text: str) -> str:
    try:
        if text.lower() != str(uuid.UUID(text)):
            raise ValueError
    except ValueError:
        raise bad_value(
            f"{text!r} is not a UUID",
            "write the serial as 8-4-4-4-12 hexadecimal digits: from one that is no UUID, such as an IQN, "
            "the kernel makes the same NAA identifier for many disks",
        ) from None
    return text.lower()


def _iqn(text: str) -> str:
    try:
        return Iqn.parse(text).name
    except BadValueError as error:
        raise bad_value(error.what, error.fix) from error


def _secret(text: str) -> str:
    if text.upper().startswith("NULL"):
        raise bad_value("it begins with NULL, which the kernel takes for: forget it", "choose another")
    return text


def _text(pattern: str, most: int = 255) -> object:
    return Field(pattern=rf"\A{pattern}\z", max_length=most)


Name = Annotated[str, _text("[A-Za-z0-9_][A-Za-z0-9_.:-]*", 200)]
Path = Annotated[str, _text("(/[A-Za-z0-9_:-][A-Za-z0-9_.:-]*)+")]
Alias = Annotated[str, _text("[A-Za-z0-9_-]+", 64)]
# 255: the kernel's buffer; no blanks at the ends, which rtslib and we would lose in reading them back
Secret = Annotated[str, _text("[!-~]([ -~]*[!-~])?"), AfterValidator(_secret)]
Wwn = Annotated[str, AfterValidator(_iqn)]
Serial = Annotated[str, AfterValidator(_uuid)]
Index = Annotated[int, Field(ge=0, le=_INDEX_MAX)]
MappedIndex = Annotated[int, Field(ge=0, le=_MAPPED_MAX)]
Attributes = dict[Annotated[str, _text("[a-z0-9_]+", 64)], int]
Parameters = dict[Annotated[str, _text("[A-Za-z0-9]+", 64)], Annotated[str, _text("[ -~]*")]]


class Chap(Checked):
    chap_userid: Secret | None = None
    chap_password: Secret | None = None
    chap_mutual_userid: Secret | None = None
    chap_mutual_password: Secret | None = None


class AluaGroup(Checked):
    """An ALUA target port group of a storage object: what its LUNs say of the way to them."""

    name: Annotated[str, _text("[A-Za-z0-9_-]+", 64)]
    tg_pt_gp_id: Annotated[int, Field(ge=1, le=_INDEX_MAX)]
    alua_access_state: int = 0
    alua_access_status: int = 0
    alua_access_type: int = 3
    alua_support_active_nonoptimized: int = 1
    alua_support_active_optimized: int = 1
    alua_support_offline: int = 1
    alua_support_standby: int = 1
    alua_support_transitioning: int = 1
    alua_support_unavailable: int = 1
    alua_write_metadata: int = 0
    implicit_trans_secs: int = 0
    nonop_delay_msecs: int = 100
    preferred: int = 0
    trans_delay_msecs: int = 0


class StorageObject(Checked):
    """A block device or a file that LIO can export."""

    plugin: Literal["block", "fileio"]
    name: Name
    dev: Path
    wwn: Serial
    readonly: bool = False
    write_back: bool = False
    size: Annotated[int, Field(gt=0, lt=2**63, multiple_of=512)] | None = None
    aio: bool = False
    attributes: Attributes = Field(default_factory=dict)
    alua_tpgs: list[AluaGroup] = Field(default_factory=list)


class Lun(Checked):
    """A storage object under a number."""

    index: Index
    storage_object: Annotated[str, _text("/backstores/(block|fileio)/[A-Za-z0-9_][A-Za-z0-9_.:-]*")]
    alias: Alias | None = None
    alua_tg_pt_gp_name: Annotated[str, _text("[A-Za-z0-9_-]+", 64)] = "default_tg_pt_gp"


class NetworkPortal(Checked):
    """An address and port to listen on; IPv6 in brackets."""

    ip_address: str
    port: Annotated[int, Field(ge=1, le=65535)]
    iser: bool = False
    offload: bool = False


class MappedLun(Checked):
    """A LUN as one initiator sees it."""

    index: MappedIndex
    tpg_lun: Index
    write_protect: bool = False
    alias: Alias | None = None


class NodeAcl(Chap):
    """What one initiator may do."""

    node_wwn: Wwn
    tag: Annotated[str, _text("[A-Za-z0-9_-]+", 63), AfterValidator(_secret)] | None = None
    tcq_depth: Annotated[int, Field(ge=1, le=512)] | None = None
    attributes: Attributes = Field(default_factory=dict)
    mapped_luns: list[MappedLun] = Field(default_factory=list)


class Tpg(Chap):
    """A target portal group."""

    tag: Annotated[int, Field(ge=1, le=_INDEX_MAX)]
    enable: bool = True
    attributes: Attributes = Field(default_factory=dict)
    parameters: Parameters = Field(default_factory=dict)
    luns: list[Lun] = Field(default_factory=list)
    portals: list[NetworkPortal] = Field(default_factory=list)
    node_acls: list[NodeAcl] = Field(default_factory=list)


class Target(Checked):
    """An iSCSI target."""

    fabric: Literal["iscsi"]
    wwn: Wwn
    tpgs: list[Tpg] = Field(default_factory=list)


class Fragment(Checked):
    """Storage objects and targets."""

    storage_objects: list[StorageObject] = Field(default_factory=list)
    targets: list[Target] = Field(default_factory=list)
