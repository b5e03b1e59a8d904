"""A fragment: a piece of LIO's saveconfig JSON (storage objects and targets), checked before anything uses it.

The keys are those that rtslib's dump writes and its setup reads (rtslib_fb/root.py, target.py, tcm.py); what the
agent does not apply is refused here rather than left out quietly. Names that become a path in configfs are held
to letters that cannot leave their folder.
"""

from __future__ import annotations

import json
import uuid
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lunops.errors import BadValueError, TemplateError
from lunops.model import Json
from lunops.names import Iqn, Portal
from lunops.validate import Checked, Problem, bad_value, check, in_one

_INDEX_MAX = 65535
_ADVICE = {
    "userid": "write 'chap_userid': rtslib reads that, whatever saveconfig.json(5) says",
    "password": "write 'chap_password': rtslib reads that, whatever saveconfig.json(5) says",
    "mutual_userid": "write 'chap_mutual_userid': rtslib reads that, whatever saveconfig.json(5) says",
    "mutual_password": "write 'chap_mutual_password': rtslib reads that, whatever saveconfig.json(5) says",
    "exclusive": "leave it out: older versions of rtslib refuse the object",
    "fabric_modules": "leave it out: it is for the whole head, and a fragment is for its own targets only",
}


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


def _text(pattern: str, most: int = 255) -> object:
    return Field(pattern=rf"\A{pattern}\z", max_length=most)


Name = Annotated[str, _text("[A-Za-z0-9_][A-Za-z0-9_.:-]*", 200)]
Device = Annotated[str, _text("/dev(/[A-Za-z0-9_:-][A-Za-z0-9_.:-]*)+")]
Alias = Annotated[str, _text("[A-Za-z0-9_-]+", 64)]
Secret = Annotated[str, _text("[ -~]+")]
Wwn = Annotated[str, AfterValidator(_iqn)]
Serial = Annotated[str, AfterValidator(_uuid)]
Index = Annotated[int, Field(ge=0, le=_INDEX_MAX)]
Attributes = dict[Annotated[str, _text("[a-z0-9_]+", 64)], int]
Parameters = dict[Annotated[str, _text("[A-Za-z0-9]+", 64)], Annotated[str, _text("[ -~]*")]]


class _Chap(Checked):
    chap_userid: Secret | None = None
    chap_password: Secret | None = None
    chap_mutual_userid: Secret | None = None
    chap_mutual_password: Secret | None = None


class StorageObject(Checked):
    """A block device that LIO can export."""

    plugin: Literal["block"]
    name: Name
    dev: Device
    wwn: Serial
    readonly: bool = False
    write_back: bool = False
    attributes: Attributes = Field(default_factory=dict)
    alua_tpgs: Annotated[list[Json], Field(max_length=0)] = Field(default_factory=list)


class Lun(Checked):
    """A storage object under a number."""

    index: Index
    storage_object: Annotated[str, _text("/backstores/block/[A-Za-z0-9_][A-Za-z0-9_.:-]*")]
    alias: Alias | None = None
    alua_tg_pt_gp_name: Literal["default_tg_pt_gp"] = "default_tg_pt_gp"


class NetworkPortal(Checked):
    """An address and port to listen on; IPv6 in brackets."""

    ip_address: str
    port: Annotated[int, Field(ge=1, le=65535)]
    iser: Literal[False] = False
    offload: Literal[False] = False


class MappedLun(Checked):
    """A LUN as one initiator sees it."""

    index: Index
    tpg_lun: Index
    write_protect: bool = False
    alias: Alias | None = None


class NodeAcl(_Chap):
    """What one initiator may do."""

    node_wwn: Wwn
    tag: Alias | None = None
    tcq_depth: Annotated[int, Field(ge=1, le=1024)] | None = None
    attributes: Attributes = Field(default_factory=dict)
    mapped_luns: list[MappedLun] = Field(default_factory=list)


class Tpg(_Chap):
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


def parse(source: Json, where: str) -> dict[str, Json]:
    """Return the fragment in a JSON text or value, names in the kernel's spelling.

    Raises `TemplateError` with every problem: a key path, the value, what to write.
    """
    value = _load(source, where) if isinstance(source, str | bytes) else source
    fragment, problems = check(Fragment, value, _ADVICE)
    if fragment is not None:
        problems = _contradictions(fragment)
    if fragment is None or problems:
        what, fix = in_one(problems)
        raise TemplateError(f"this is not a fragment: {what}", where=where, fix=fix)
    return fragment.model_dump(exclude_unset=True)


def print_text(fragment: Json) -> str:
    """Return the fragment as saveconfig.json has it: indented, keys sorted."""
    return json.dumps(fragment, indent=2, sort_keys=True) + "\n"


def _load(text: str | bytes, where: str) -> Json:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        line = error.doc.splitlines()[error.lineno - 1] if error.doc.strip() else ""
        what = f"this is not JSON: {error.msg} in line {error.lineno}, column {error.colno}: {line.strip()[:120]!r}"
        raise TemplateError(what, where=where, fix="put values in with the filter `json`") from error
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"this is not JSON: {error}", where=where) from error


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"the key {twice!r} is given twice in one object")
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


def _contradictions(fragment: Fragment) -> list[Problem]:
    """Return what each part alone cannot show: things given twice, and references to what is not there."""
    problems = _twice("storage_objects", [each.name for each in fragment.storage_objects])
    problems += _twice("storage_objects", [each.wwn for each in fragment.storage_objects])
    problems += _twice("targets", [each.wwn for each in fragment.targets])
    for number, target in enumerate(fragment.targets):
        path = f"targets[{number}]"
        problems += _twice(f"{path}.tpgs", [str(tpg.tag) for tpg in target.tpgs])
        for place, tpg in enumerate(target.tpgs):
            problems += _in_tpg(f"{path}.tpgs[{place}]", tpg)
    return problems


def _in_tpg(path: str, tpg: Tpg) -> list[Problem]:
    luns = {lun.index for lun in tpg.luns}
    problems = _twice(f"{path}.luns", [str(lun.index) for lun in tpg.luns])
    problems += _twice(f"{path}.portals", [f"{portal.ip_address}:{portal.port}" for portal in tpg.portals])
    problems += _twice(f"{path}.node_acls", [acl.node_wwn for acl in tpg.node_acls])
    for place, portal in enumerate(tpg.portals):
        try:
            Portal.parse(f"{portal.ip_address}:{portal.port}")
        except BadValueError as error:
            problems.append(Problem(path=f"{path}.portals[{place}].ip_address", what=error.what, fix=error.fix))
    for place, acl in enumerate(tpg.node_acls):
        problems += _twice(f"{path}.node_acls[{place}].mapped_luns", [str(each.index) for each in acl.mapped_luns])
        problems += [
            Problem(
                path=f"{path}.node_acls[{place}].mapped_luns[{index}].tpg_lun",
                what=f"there is no LUN {mapped.tpg_lun} in this target portal group",
                fix=f"the indexes of its luns: {', '.join(map(str, sorted(luns))) or 'none'}",
            )
            for index, mapped in enumerate(acl.mapped_luns)
            if mapped.tpg_lun not in luns
        ]
    return problems


def _twice(path: str, names: list[str]) -> list[Problem]:
    return [
        Problem(path=f"{path}[{place}]", what=f"{name} is given twice", fix="give each once")
        for place, name in enumerate(names)
        if name in names[:place]
    ]
