"""Fragments: what rtslib knows is taken, all else is refused with its place and the nearest key."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import TemplateError
from lunops.fragment import parse, print_text

FULL: dict[str, Any] = {
    "storage_objects": [
        {
            "plugin": "block",
            "name": "lo-0b7fa4e386e8",
            "dev": "/dev/zvol/tank/nodes/n1",
            "wwn": "6f3814c4-2115-5119-a3c8-b5ec40b7c2a1",
            "readonly": False,
            "write_back": False,
            "attributes": {"emulate_tpu": 1},
            "alua_tpgs": [],
        }
    ],
    "targets": [
        {
            "fabric": "iscsi",
            "wwn": "iqn.2024-01.org.example:n1",
            "tpgs": [
                {
                    "tag": 1,
                    "enable": True,
                    "attributes": {"authentication": 0},
                    "parameters": {"AuthMethod": "CHAP,None"},
                    "chap_userid": "u",
                    "chap_password": "secret",
                    "luns": [
                        {
                            "index": 0,
                            "storage_object": "/backstores/block/lo-0b7fa4e386e8",
                            "alias": "0b7fa4e386",
                            "alua_tg_pt_gp_name": "default_tg_pt_gp",
                        }
                    ],
                    "portals": [{"ip_address": "[fd00::1]", "port": 3260, "iser": False, "offload": False}],
                    "node_acls": [
                        {
                            "node_wwn": "iqn.2024-01.org.example:i1",
                            "tag": "rack1",
                            "chap_userid": "i",
                            "chap_password": "initiator's secret",
                            "chap_mutual_userid": "m",
                            "chap_mutual_password": "target's secret",
                            "attributes": {"dataout_timeout": 3},
                            "mapped_luns": [{"index": 0, "tpg_lun": 0, "write_protect": True, "alias": "a"}],
                        }
                    ],
                }
            ],
        }
    ],
}


def at(fragment: Any, *path: str | int) -> Any:
    for part in path:
        fragment = fragment[part]
    return fragment


STORAGE = ("storage_objects", 0)
TPG = ("targets", 0, "tpgs", 0)
ACL = (*TPG, "node_acls", 0)


def test_every_key_that_rtslib_knows_is_taken_and_kept() -> None:
    assert parse(FULL, "here") == FULL


def test_names_come_out_in_the_kernels_spelling() -> None:
    fragment = copy.deepcopy(FULL)
    fragment["targets"][0]["wwn"] = "IQN.2024-01.ORG.example:N1"
    fragment["storage_objects"][0]["wwn"] = fragment["storage_objects"][0]["wwn"].upper()

    assert parse(fragment, "here") == FULL


@pytest.mark.parametrize(
    ("path", "key", "value", "said"),
    [
        ((), "target", [], "target: unknown key 'target' (here); did you mean 'targets'?"),
        ((), "fabric_modules", [], "it is for the whole head"),
        (STORAGE, "exclusive", True, "older versions of rtslib refuse"),
        (STORAGE, "plugin", "pscsi", "storage_objects[0].plugin"),
        (STORAGE, "plugin", "fileio", "is no place for a disk in a file"),
        (STORAGE, "dev", "/etc/passwd", "storage_objects[0].dev"),
        (STORAGE, "dev", "/dev/../etc/passwd", "storage_objects[0].dev"),
        (STORAGE, "dev", "/dev/a,readonly=1", "storage_objects[0].dev"),
        (STORAGE, "name", "../x", "storage_objects[0].name"),
        (STORAGE, "name", "x\n", "storage_objects[0].name"),
        (STORAGE, "wwn", "iqn.2024-01.org.example:n1", "is not a UUID"),
        (STORAGE, "wwn", "{6f3814c4-2115-5119-a3c8-b5ec40b7c2a1}", "is not a UUID"),
        (STORAGE, "readonly", 1, "readonly: must be true or false, not 1"),
        (STORAGE, "alua_tpgs", [{}], "storage_objects[0].alua_tpgs"),
        ((*STORAGE, "attributes"), "../enable", 1, "attributes['../enable']"),
        ((*STORAGE, "attributes"), "emulate_tpu", "1", "must be a whole number, not '1'"),
        ((*STORAGE, "attributes"), "emulate_tpu", True, "must be a whole number"),
        (("targets", 0), "fabric", "loopback", "targets[0].fabric"),
        (("targets", 0), "wwn", "iqn.2024-01.org.example:a/b", "is not an IQN"),
        (TPG, "userid", "u", "write 'chap_userid'"),
        (TPG, "password", "u", "write 'chap_password'"),
        (TPG, "chap_passwort", "u", "did you mean 'chap_password'"),
        (TPG, "tag", 0, "targets[0].tpgs[0].tag"),
        ((*TPG, "parameters"), "MaxConnections", 1, "must be text, not 1"),
        ((*TPG, "parameters"), "a/b", "1", "parameters['a/b']"),
        ((*TPG, "luns", 0), "alias", "../../x", "luns[0].alias"),
        ((*TPG, "luns", 0), "storage_object", "/backstores/pscsi/x", "luns[0].storage_object"),
        ((*TPG, "luns", 0), "storage_object", "/backstores/fileio/lo-0b7fa4e386e8", "is a block, not a fileio"),
        ((*TPG, "portals", 0), "ip_address", "fd00::1", "is not a portal"),
        ((*TPG, "portals", 0), "ip_address", "10.0.0.1/..", "is not a portal"),
        ((*TPG, "portals", 0), "port", 0, "portals[0].port"),
        ((*TPG, "portals", 0), "iser", 1, "portals[0].iser"),
        (ACL, "mutual_password", "x", "write 'chap_mutual_password'"),
        (ACL, "node_wwn", "x", "node_acls[0].node_wwn: 'x' is not an IQN"),
        ((*ACL, "mapped_luns", 0), "tpg_lun", 1, "there is no LUN 1"),
        ((*ACL, "mapped_luns", 0), "index", -1, "mapped_luns[0].index"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(path: tuple[str | int, ...], key: str, value: Any, said: str) -> None:
    fragment = copy.deepcopy(FULL)
    at(fragment, *path)[key] = value

    with pytest.raises(TemplateError) as error:
        parse(fragment, "here")
    assert said in str(error.value)


@pytest.mark.parametrize("path", [STORAGE, ("targets", 0), TPG, (*TPG, "luns", 0), (*TPG, "portals", 0), ACL])
def test_what_is_given_twice_is_refused(path: tuple[str | int, ...]) -> None:
    fragment = copy.deepcopy(FULL)
    holder = at(fragment, *path[:-1])
    holder.append(copy.deepcopy(holder[0]))

    with pytest.raises(TemplateError, match="given twice"):
        parse(fragment, "here")


@pytest.mark.parametrize("key", ["plugin", "name", "dev", "wwn"])
def test_what_a_storage_object_cannot_do_without_is_asked_for(key: str) -> None:
    fragment = copy.deepcopy(FULL)
    del fragment["storage_objects"][0][key]

    with pytest.raises(TemplateError, match=rf"storage_objects\[0\]\.{key}: is missing"):
        parse(fragment, "here")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(TemplateError) as error:
        parse({"storage_objects": [{"plugin": "block"}], "targets": 5}, "here")

    for path in ("storage_objects[0].name", "storage_objects[0].dev", "storage_objects[0].wwn", "targets"):
        assert f"{path}: " in error.value.what


def test_a_secret_is_not_shown_in_an_error() -> None:
    fragment = copy.deepcopy(FULL)
    fragment["targets"][0]["tpgs"][0]["chap_password"] = "canary\n"

    with pytest.raises(TemplateError) as error:
        parse(fragment, "here")
    assert "chap_password" in str(error.value)
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"targets": [], "targets": []}', '{"targets": NaN}', '{"a": ' * 20000, "\ufeff{}"]
)
def test_text_that_is_no_fragment_is_refused(text: str) -> None:
    with pytest.raises(TemplateError) as error:
        parse(text, "here")
    assert error.value.where == "here"


_UUIDS = st.uuids().map(str)
_NAMES = st.from_regex(r"\A[a-z][a-z0-9_.:-]{0,20}\z".replace(r"\z", r"\Z")).map(str.strip)
_IQNS = st.from_regex(r"\Aiqn\.2024-0[1-9]\.[a-z]{1,5}\.[a-z]{1,5}:[a-z0-9.-]{1,20}\Z").map(str.strip)


@st.composite
def fragments(draw: Callable[[Any], Any]) -> dict[str, Any]:
    names = draw(st.lists(_NAMES, min_size=1, max_size=3, unique=True))
    storage = [
        {"plugin": "block", "name": name, "dev": f"/dev/zvol/tank/{number}", "wwn": draw(_UUIDS)}
        for number, name in enumerate(names)
    ]
    luns = [{"index": number, "storage_object": f"/backstores/block/{name}"} for number, name in enumerate(names)]
    acls = [
        {"node_wwn": wwn, "mapped_luns": [{"index": lun["index"], "tpg_lun": lun["index"]} for lun in luns]}
        for wwn in draw(st.lists(_IQNS, max_size=3, unique=True))
    ]
    tpg = {
        "tag": draw(st.integers(1, 65535)),
        "attributes": draw(st.dictionaries(st.sampled_from(["authentication", "t10_pi"]), st.integers(0, 1))),
        "luns": luns,
        "node_acls": acls,
    }
    return {"storage_objects": storage, "targets": [{"fabric": "iscsi", "wwn": draw(_IQNS), "tpgs": [tpg]}]}


@given(fragments())
def test_a_fragment_printed_and_parsed_is_the_same(fragment: dict[str, Any]) -> None:
    parsed = parse(fragment, "here")

    assert parsed == fragment
    assert parse(print_text(parsed), "here") == parsed
    assert print_text(parse(print_text(parsed), "here")) == print_text(parsed)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["storage_objects", "targets", "tpgs", "name", "wwn", "luns"]), inner)
    ),
)


@given(_JSON)
def test_any_value_is_a_fragment_or_an_error_of_ours(value: Any) -> None:
    try:
        parsed = parse(json.dumps(value), "here")
    except TemplateError:
        return
    assert parsed == value
