"""The modules for LIO in depth: what they take, and what they refuse by name before anything runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lunops.errors import InputError
from lunops.inventory import parse
from lunops.model import Item
from lunops.modules import MODULES, Context
from lunops.render import Templates
from lunops.resources import load_templates

HOST = parse("jbod-01 connection=sim pools=tank portals=10.0.0.1:3260 tier=gold", Path("inv")).hosts["jbod-01"]
IQN = "iqn.2024-01.org.example:t"
SERIALS = ("6f3814c4-2115-5119-a3c8-b5ec40b7c2a1", "0b5e2f0c-6d1e-4c7e-9a6b-2f8f0f5f7a11")
BLOCK: dict[str, Any] = {"plugin": "block", "name": "b", "dev": "/dev/zvol/tank/b", "wwn": SERIALS[0]}
FILE: dict[str, Any] = {
    "plugin": "fileio",
    "name": "f",
    "dev": "/srv/f.img",
    "size": 1 << 20,
    "wwn": SERIALS[1],
}
GROUP = {"name": "g", "tg_pt_gp_id": 1}


def fragment(*storages: dict[str, Any], **tpg: Any) -> dict[str, Any]:
    luns = [
        {"index": index, "storage_object": f"/backstores/{one['plugin']}/{one['name']}"}
        for index, one in enumerate(storages)
    ]
    return copy.deepcopy(
        {
            "storage_objects": list(storages),
            "targets": [{"fabric": "iscsi", "wwn": IQN, "tpgs": [{"tag": 1, "luns": luns, **tpg}]}],
        }
    )


def item(module: str, args: Any, templates: Templates | None = None) -> Item:
    context = Context(host=HOST, templates=templates or load_templates(), run="r")
    return MODULES[module].item(args, context, "plan.yml:3")


def refused(module: str, args: Any) -> str:
    with pytest.raises(InputError) as error:
        item(module, args)
    return str(error.value)


def test_the_key_is_the_first_volume_or_the_iqn_where_there_is_none() -> None:
    both = item("lio_fragment", {"fragment": fragment(FILE, BLOCK)})
    only = item("lio_fragment", {"fragment": fragment(FILE), "force": ["sessions"]})

    assert (both.key, both.args["dataset"], both.args["wwn"]) == ("tank/b", "tank/b", IQN)
    assert (only.key, only.args["dataset"], only.args["force"]) == (IQN, "", ["sessions"])
    assert both.args["strict"] is only.args["strict"] is True
    assert item("lio_absent", {"wwn": IQN}).key == IQN


def test_a_template_sees_the_head_its_portals_and_its_own_vars() -> None:
    source = """{"storage_objects": [{"plugin": "fileio", "name": {{ name | json }}, "dev": "/srv/f.img", "size": 512,
      "wwn": "0b5e2f0c-6d1e-4c7e-9a6b-2f8f0f5f7a11"}], "targets": [{"fabric": "iscsi", "wwn": {{ wwn | json }},
      "tpgs": [{"tag": 1, "portals": [{"ip_address": {{ portals[0].address | json }}, "port": 3260}],
      "parameters": {"TargetAlias": {{ tier | json }}}}]}]}"""
    args = {"template": "mine.j2", "vars": {"name": "x", "wwn": IQN}}

    [target] = item("lio_fragment", args, Templates({"mine.j2": source})).args["fragment"]["targets"]

    assert target["tpgs"][0]["portals"][0]["ip_address"] == "10.0.0.1"
    assert target["tpgs"][0]["parameters"]["TargetAlias"] == "gold"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "give either a fragment or a template"),
        ({"fragment": fragment(BLOCK), "template": "lun.json.j2"}, "not both"),
        ({"fragment": fragment(BLOCK), "vars": {"a": 1}}, "vars are for a template"),
        ({"template": "lun.json.j2", "vars": ["canary"]}, "vars must be an object"),
        ({"fragment": fragment(BLOCK), "force": ["exported"]}, "force[0]"),
        ({"fragment": {"storage_objects": [BLOCK]}}, "it has 0 targets and 1 storage objects"),
        ({"fragment": fragment()}, "1 targets and 0 storage objects"),
        ({"fragment": fragment({**BLOCK, "dev": "/dev/sda"})}, "/dev/sda is not a volume"),
        ({"fragment": fragment({**BLOCK, "dev": "/dev/zvol/other/x"})}, "has no pool 'other'"),
        (
            {"fragment": fragment(BLOCK, luns=[{"index": 0, "storage_object": "/backstores/block/theirs"}])},
            "not among the storage objects of this fragment",
        ),
        ({"fragmnet": fragment(BLOCK)}, "did you mean 'fragment'"),
    ],
)
def test_what_is_no_target_of_its_own_is_refused(args: dict[str, Any], said: str) -> None:
    told = refused("lio_fragment", args)

    assert said in told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ({**BLOCK, "attributes": {"emulate_tpuu": 1}}, "the kernel has no 'emulate_tpuu'"),
        ({**BLOCK, "attributes": {"emulate_tpuu": 1}}, "did you mean 'emulate_tpu'"),
        ({**BLOCK, "attributes": {"hw_block_size": 512}}, "is the hardware's"),
        ({**BLOCK, "attributes": {"block_size": 520}}, "must be 512, 1024, 2048, 4096, not 520"),
        ({**BLOCK, "attributes": {"emulate_dpo": 0}}, "must be 1 to 1"),
        ({**BLOCK, "attributes": {"pi_prot_type": 1}}, "protection information"),
        ({**BLOCK, "attributes": {"emulate_write_cache": 1}}, "says itself whether it has a write cache"),
        ({**BLOCK, "write_back": True}, "says itself whether it has a write cache"),
        ({**BLOCK, "size": 512}, "size is for fileio"),
        ({**BLOCK, "aio": True}, "aio is for fileio"),
        ({**FILE, "size": None}, "a file has the size that it is given"),
        ({**FILE, "size": 1000}, "size"),
        ({**FILE, "readonly": True}, "no read-only fileio"),
        ({**FILE, "dev": "/dev/zvol/tank/b"}, "write plugin block for a device"),
        ({**FILE, "dev": "/etc/f.img"}, "is no place for a disk"),
        ({**FILE, "dev": "/srv/../etc/passwd"}, "dev"),
        ({**FILE, "dev": "/f.img"}, "is no place for a disk"),
        ({**FILE, "write_back": True, "attributes": {"emulate_write_cache": 0}}, "write_back is true, but"),
        ({**FILE, "attributes": {"emulate_write_cache": 1}}, "write_back is false, but"),
        ({**BLOCK, "alua_tpgs": [GROUP, GROUP]}, "g is given twice"),
        ({**BLOCK, "alua_tpgs": [GROUP, {**GROUP, "name": "h"}]}, "the id 1 is given twice"),
        ({**BLOCK, "alua_tpgs": [{**GROUP, "name": "default_tg_pt_gp"}]}, "rtslib restores nothing of it"),
        ({**BLOCK, "alua_tpgs": [{**GROUP, "members": "x"}]}, "alua_tg_pt_gp_name"),
        ({**BLOCK, "alua_tpgs": [{**GROUP, "alua_support_lba_dependent": 0}]}, "would restore nothing at all"),
        ({**BLOCK, "alua_tpgs": [{**GROUP, "alua_access_state": 15}]}, "must be 0 to 3"),
        ({**BLOCK, "alua_tpgs": [{**GROUP, "alua_access_state": 2, "alua_support_standby": 0}]}, "does not support it"),
        ({**BLOCK, "exclusive": True}, "older versions of rtslib"),
    ],
)
def test_a_storage_object_is_held_to_what_the_kernel_takes(storage: dict[str, Any], said: str) -> None:
    assert said in refused("lio_fragment", {"fragment": fragment(storage)})


@pytest.mark.parametrize(
    ("tpg", "said"),
    [
        ({"attributes": {"default_cmdsn_depth": 513}}, "default_cmdsn_depth: must be 1 to 512, not 513"),
        ({"attributes": {"login_timeout": 4}}, "login_timeout: must be 5 to 30, not 4"),
        ({"attributes": {"generate_node_acls": 1, "cache_dynamic_acls": 0}}, "always sets cache_dynamic_acls"),
        ({"attributes": {"authentication": 1}, "parameters": {"AuthMethod": "None"}}, "nothing to authenticate with"),
        ({"parameters": {"AuthMethod": "SRP"}}, "must be of CHAP, None"),
        ({"parameters": {"ImmediateData": "yes"}}, "must be of Yes, No"),
        ({"parameters": {"MaxBurstLength": "1"}}, "must be 512 to 16777215"),
        ({"parameters": {"MaxBurst": "512"}}, "did you mean 'MaxBurstLength'"),
        ({"chap_userid": "u"}, "chap_password: is missing beside chap_userid"),
        ({"chap_userid": "u", "chap_password": "NULLcanary"}, "begins with NULL"),
        ({"chap_userid": "u", "chap_password": " canary"}, "chap_password"),
        ({"chap_userid": "u", "chap_password": "canary" * 50}, "chap_password"),
        (
            {
                "chap_userid": "u",
                "chap_password": "canary",
                "chap_mutual_userid": "m",
                "chap_mutual_password": "canary",
            },
            "could reflect it",
        ),
        ({"chap_mutual_userid": "m", "chap_mutual_password": "canary"}, "nothing to answer without chap_userid"),
        ({"portals": [{"ip_address": a, "port": 3260} for a in ("0.0.0.0", "10.0.0.1")]}, "on every address"),
        ({"portals": [{"ip_address": a, "port": 3260} for a in ("[::]", "10.0.0.1")]}, "on every address"),
        (
            {"luns": [{"index": 0, "storage_object": "/backstores/block/b", "alua_tg_pt_gp_name": "x"}]},
            "has no ALUA group 'x'",
        ),
        ({"node_acls": [{"node_wwn": IQN, "tcq_depth": 513}]}, "tcq_depth"),
        ({"node_acls": [{"node_wwn": IQN, "tag": "NULL"}]}, "begins with NULL"),
        ({"node_acls": [{"node_wwn": IQN, "attributes": {"nopin_timeout": 2}}]}, "nopin_timeout"),
        (
            {"node_acls": [{"node_wwn": IQN, "mapped_luns": [{"index": 256, "tpg_lun": 0}]}]},
            "mapped_luns[0].index",
        ),
        (
            {"node_acls": [{"node_wwn": IQN, "mapped_luns": [{"index": n, "tpg_lun": 0} for n in (0, 1)]}]},
            "is mapped twice",
        ),
    ],
)
def test_a_target_is_held_to_what_the_kernel_takes_and_no_secret_is_told(tpg: dict[str, Any], said: str) -> None:
    told = refused("lio_fragment", {"fragment": fragment(BLOCK, **tpg)})

    assert said in told
    assert "canary" not in told


def test_addresses_that_can_stand_beside_each_other_are_taken() -> None:
    portals = [{"ip_address": a, "port": 3260} for a in ("0.0.0.0", "[fd00::1]", "[::1]")]
    portals += [{"ip_address": a, "port": 3261} for a in ("10.0.0.1", "10.0.0.2")]

    assert item("lio_fragment", {"fragment": fragment(BLOCK, portals=portals)}).key == "tank/b"


def test_a_template_whose_line_is_no_json_does_not_show_a_secret() -> None:
    told = ""
    with pytest.raises(InputError) as error:
        item(
            "lio_fragment",
            {"template": "mine.j2", "vars": {"secret": 'canary"x'}},
            Templates({"mine.j2": '{"chap_password": "{{ secret }}"}'}),
        )
    told = str(error.value)

    assert "canary" not in told
    assert "not JSON" in told


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "enable: is missing"),
        ({"enable": "yes"}, "enable: must be true or false"),
        ({"enable": True}, "nobody could discover"),
        ({"enable": True, "userid": "u"}, "password is missing beside userid"),
        ({"enable": True, "password": "canary"}, "userid is missing beside password"),
        ({"enable": False, "mutual_userid": "m", "mutual_password": "canary"}, "no userid to answer to"),
        ({"enable": True, "userid": "u", "password": "NULLcanary"}, "begins with NULL"),
        ({"enable": True, "userid": "u", "password": ["canary"]}, "password: must be text"),
        (
            {
                "enable": True,
                "userid": "u",
                "password": "canary",
                "mutual_userid": "m",
                "mutual_password": "canary",
            },
            "could be reflected",
        ),
    ],
)
def test_discovery_without_whole_secrets_is_refused_and_none_is_told(args: dict[str, Any], said: str) -> None:
    told = refused("lio_discovery", args)

    assert said in told
    assert "canary" not in told


def test_sessions_are_of_one_target_or_of_all() -> None:
    assert item("sessions", {}).args == {"wwn": ""}
    assert item("sessions", {"wwn": IQN.upper().replace("IQN", "iqn")}).key == IQN
    assert "is not an IQN" in refused("sessions", {"wwn": "../etc"})
