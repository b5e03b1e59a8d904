"""Modules: from the arguments that a user gives to the item that the agent gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import InputError, TemplateError
from lunops.inventory import parse
from lunops.model import Item
from lunops.modules import MODULES, Context
from lunops.render import Templates
from lunops.resources import load_templates, template_folder

HOSTS = parse(
    "jbod-01 connection=sim pools=tank portals=10.0.0.1:3260,[fd00::1]:3261 tier=gold\n"
    "jbod-02 connection=sim pools=tink",
    Path("inv"),
).hosts
HOST = HOSTS["jbod-01"]
SHIPPED = load_templates()
IQN = "iqn.2024-01.org.example:n1"
CLONE = {"src": "tank/golden@1", "dst": "tank/n1", "wwn": IQN}
TARGET = {"dataset": "tank/n1", "wwn": IQN, "initiators": ["iqn.2024-01.org.example:i1"]}
FRAGMENT = {
    "storage_objects": [
        {"plugin": "block", "name": "disk", "dev": "/dev/zvol/tank/n1", "wwn": "6f3814c4-2115-5119-a3c8-b5ec40b7c2a1"}
    ],
    "targets": [{"fabric": "iscsi", "wwn": IQN, "tpgs": [{"tag": 1}]}],
}
ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "boot_order": {},
    "doctor": {},
    "zfs_clone": CLONE,
    "wait_for_device": {"dataset": "tank/n1"},
    "lio_target": TARGET,
    "lio_absent": {"dataset": "tank/n1", "wwn": IQN},
    "lio_discovery": {"enable": False},
    "lio_fragment": {"fragment": FRAGMENT},
    "sessions": {},
    "zfs_destroy": {"dataset": "tank/n1"},
    "zfs_filesystem": {"dataset": "tank/n1"},
    "zfs_resize": {"dataset": "tank/n1", "size": "10G"},
    "zfs_set": {"dataset": "tank/n1", "properties": {"compression": "lz4"}},
    "zfs_volume": {"dataset": "tank/n1", "size": "10G"},
    "zfs_hold": {"snapshot": "tank/n1@1", "tag": "keep"},
    "zfs_list": {"dataset": "tank/n1", "properties": ["used"]},
    "zfs_promote": {"dataset": "tank/n1"},
    "zfs_release": {"snapshot": "tank/n1@1", "tag": "keep"},
    "zfs_rename": {"src": "tank/n0", "dst": "tank/n1"},
    "zfs_rollback": {"snapshot": "tank/n1@1"},
    "zfs_snapshot": {"datasets": ["tank/n1"], "name": "1"},
    "zfs_send": {"src": "tank/golden@1", "to": "jbod-02", "dst": "tink/n1"},
    "adopt": {"dataset": "tank/n1"},
    "drift": {},
    "reconcile": {"lun": "tank/n1"},
    "debug": {},
    "assert": {"that": "1 == 1"},
    "fail": {},
    "set_fact": {"size": 1},
    "pause": {},
    "meta": {"action": "noop"},
    "command": {"cmd": "true"},
    "shell": {"cmd": "true"},
    "copy": {"content": "x", "dest": "/srv/file"},
    "template": {"src": "motd.j2", "dest": "/srv/file"},
    "file": {"path": "/srv/file"},
    "stat": {"path": "/srv/file"},
    "wait_for": {"path": "/srv/file"},
    "facts": {},
    "setup": {},
    "lun": {"src": "tank/golden@1", "dst": "tank/n1", "wwn": IQN, "initiators": ["iqn.2024-01.org.example:i1"]},
}
GENERAL = ("assert", "debug", "fail", "meta", "pause", "set_fact")  # not about a LUN
ABOUT_SNAPSHOTS = ("zfs_hold", "zfs_release", "zfs_rollback", "zfs_snapshot")
KEYS = {
    "boot_order": "head",
    "doctor": "head",
    "facts": "head",
    "setup": "head",
    "drift": HOST.name,
    "lio_discovery": "discovery",
    "sessions": "every target",
    "zfs_send": "tink/n1",
    **{name: name for name in GENERAL},
    "command": "true",
    "shell": "true",
    **dict.fromkeys(("copy", "template", "file", "stat", "wait_for"), "/srv/file"),
    **dict.fromkeys(ABOUT_SNAPSHOTS, "tank/n1@1"),
}  # the others: the dataset


def item(module: str, args: Any, *, templates: Templates = SHIPPED, run: str = "") -> Item:
    return MODULES[module].item(args, Context(host=HOST, templates=templates, run=run, hosts=HOSTS), "plan.yml:3")


def test_the_agent_knows_every_module_and_no_other() -> None:
    from lunops.agent.registry import MODULES as agents
    from lunops.agent.registry import load

    assert all(callable(load(name)) for name in agents)

    on_heads = {name for name, module in MODULES.items() if module.on_head}
    assert on_heads == set(agents) - {"state", "undo", "zfs_receive"}
    assert set(MODULES) == set(ONE_OF_EACH)


@pytest.mark.parametrize("module", MODULES)
def test_the_key_of_an_item_is_its_dataset_or_its_snapshot_through_all_modules(module: str) -> None:
    # What fails later takes back what was made for the same key, and a snapshot of a LUN is not to go with the LUN.
    templates = Templates({"motd.j2": "hello\n"}) if module == "template" else SHIPPED
    found = item(module, ONE_OF_EACH[module], templates=templates)

    assert found.key == KEYS.get(module, "tank/n1")


def test_a_clone_carries_the_marks_of_its_lun_and_of_the_run() -> None:
    marks = item("zfs_clone", CLONE, run="run-1").args["marks"]

    assert marks == {
        "lunops:managed": "1",
        "lunops:lun": IQN,
        "lunops:serial": item("lio_target", TARGET).args["fragment"]["storage_objects"][0]["wwn"],
        "lunops:made": "run-1",
    }
    assert set(item("zfs_clone", {"src": "tank/golden@1", "dst": "tank/n1"}).args["marks"]) == {"lunops:managed"}


def test_a_properties_number_is_written_as_zfs_reads_it() -> None:
    args = item("zfs_clone", {**CLONE, "properties": {"volsize": 1073741824, "org.example:owner": "a b"}}).args

    assert args["properties"] == {"volsize": "1073741824", "org.example:owner": "a b"}


def test_the_shipped_template_makes_one_lun_for_exactly_the_given_initiators_and_portals() -> None:
    initiators = ["iqn.2024-01.org.example:i1", "IQN.2024-01.org.example:I2"]
    fragment = item("lio_target", {**TARGET, "initiators": initiators}).args["fragment"]
    [storage], [target] = fragment["storage_objects"], fragment["targets"]
    [tpg] = target["tpgs"]

    assert (storage["dev"], target["wwn"]) == ("/dev/zvol/tank/n1", IQN)
    assert [acl["node_wwn"] for acl in tpg["node_acls"]] == [name.lower() for name in initiators]
    assert [(each["ip_address"], each["port"]) for each in tpg["portals"]] == [("10.0.0.1", 3260), ("[fd00::1]", 3261)]
    assert tpg["attributes"] == {
        "authentication": 0,
        "cache_dynamic_acls": 0,
        "demo_mode_write_protect": 1,
        "generate_node_acls": 0,
        "prod_mode_write_protect": 0,
    }
    assert tpg["enable"] is True


def test_the_shipped_template_gives_every_link_its_name_and_always_the_same() -> None:
    first, second = (item("lio_target", TARGET).args["fragment"] for _ in range(2))
    [tpg] = first["targets"][0]["tpgs"]

    assert first == second
    assert tpg["luns"][0]["alias"]
    assert all(mapped["alias"] for acl in tpg["node_acls"] for mapped in acl["mapped_luns"])


@pytest.mark.parametrize(
    ("module", "args", "said"),
    [
        ("zfs_clone", {**CLONE, "creat_parent": True}, "did you mean 'create_parent'"),
        ("zfs_clone", {**CLONE, "create_parent": "yes"}, "create_parent: must be true or false, not 'yes'"),
        ("zfs_clone", {**CLONE, "create_parent": 1}, "must be true or false"),
        ("zfs_clone", {**CLONE, "src": "other/golden@1"}, "not in the pool of other/golden@1"),
        ("zfs_clone", {**CLONE, "src": "tank/golden"}, "src: 'tank/golden' is not a snapshot name"),
        ("zfs_clone", {**CLONE, "src": "tank@1", "dst": "tank"}, "is a pool"),
        ("zfs_clone", {**CLONE, "dst": "tank/../x"}, "dst: 'tank/../x' is not a dataset name"),
        (
            "zfs_clone",
            {**CLONE, "dst": "tnk/x", "src": "tnk/g@1"},
            "has no pool 'tnk', so it cannot hold tnk/x; did you mean 'tank'",
        ),
        ("zfs_clone", {**CLONE, "properties": {"lunops:managed": "0"}}, "own mark"),
        ("zfs_clone", {**CLONE, "properties": {"a b": "0"}}, "properties['a b']"),
        ("zfs_clone", {**CLONE, "properties": {"compression": True}}, "compression"),
        ("zfs_clone", {**CLONE, "properties": {"x:y": "a\nb"}}, "x:y"),
        ("zfs_clone", {"src": "tank/golden@1"}, "dst: is missing"),
        ("wait_for_device", {"dataset": "tank/x", "timeout_s": 0}, "timeout_s"),
        ("wait_for_device", {"dataset": "tank/x", "timeout_s": float("nan")}, "timeout_s"),
        ("lio_target", {**TARGET, "initiators": []}, "initiators: must not be empty"),
        ("lio_target", {**TARGET, "initiators": "iqn.2024-01.org.example:i1"}, "initiators: must be a list"),
        ("lio_target", {**TARGET, "initiators": ["iqn.2024-01.org.example:i1"] * 2}, "given twice"),
        ("lio_target", {**TARGET, "initiators": ["i1"]}, "initiators[0]: 'i1' is not an IQN"),
        ("lio_target", {**TARGET, "template": "../../etc/passwd"}, "no template"),
        ("zfs_destroy", {"dataset": "tank/x@1"}, "not a dataset name"),
        ("zfs_destroy", None, "must be an object"),
    ],
)
def test_wrong_arguments_are_refused_by_name(module: str, args: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        item(module, args)
    assert said in str(error.value)


SOURCE = (template_folder() / "lun.json.j2").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"wwn": {{ wwn | json }}', '"wwn": "iqn.2024-01.org.example:other"', "targets[].wwn"),
        ('"name": {{ name | json }}', '"name": "other"', "storage_objects[].name"),
        ('"dev": {{ device | json }}', '"dev": "/dev/zvol/tank/other"', "storage_objects[].dev"),
        ('("/backstores/block/" ~ name)', '("/backstores/block/other")', "not the storage object of this fragment"),
        ('"wwn": {{ serial | json }}', '"wwn": {{ wwn | json }}', "not a UUID"),
        ('"wwn": {{ serial | json }}', '"wwn": {{ sereal | json }}', "did you mean 'serial'"),
        ('"plugin": "block",', '"plugin": "block"', "not JSON"),
    ],
)
def test_a_template_that_makes_anything_but_the_lun_is_refused(old: str, new: str, said: str) -> None:
    assert old in SOURCE

    with pytest.raises(TemplateError) as error:
        item(
            "lio_target", {**TARGET, "template": "mine.j2"}, templates=Templates({"mine.j2": SOURCE.replace(old, new)})
        )
    assert said in str(error.value)
    assert "mine.j2" in error.value.where


def test_a_template_sees_the_heads_variables() -> None:
    source = SOURCE.replace('"emulate_tpu": 1', '"emulate_tpu": {{ 0 if tier == "gold" else 1 }}')
    made = item("lio_target", {**TARGET, "template": "mine.j2"}, templates=Templates({"mine.j2": source}))

    assert made.args["fragment"]["storage_objects"][0]["attributes"]["emulate_tpu"] == 0


_HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        ['x"}], "y": [{"', "{{ 7*7 }}", "{% raw %}", "tank/$(reboot)", "tank/x\n", "tank/'; rm -rf /", "../.."]
    ),
)


@given(dataset=_HOSTILE, wwn=_HOSTILE, initiator=_HOSTILE)
def test_a_hostile_name_is_refused_and_never_rendered(dataset: str, wwn: str, initiator: str) -> None:
    with pytest.raises(InputError):
        item("lio_target", {"dataset": f'tank/{dataset}"', "wwn": wwn, "initiators": [initiator]})


@given(st.text(), st.text(), st.text())
def test_the_shipped_template_itself_stays_json_whatever_it_is_given(name: str, device: str, iqn: str) -> None:
    variables = {
        "name": name,
        "device": device,
        "serial": iqn,
        "wwn": iqn,
        "initiators": [iqn, name],
        "portals": [{"address": device, "port": 1}],
        "alias": name,
    }
    value = json.loads(SHIPPED.render("lun.json.j2", variables))

    assert value["storage_objects"][0]["name"] == name
    assert value["storage_objects"][0]["dev"] == device
    [tpg] = value["targets"][0]["tpgs"]
    assert tpg["luns"] == [{"index": 0, "storage_object": f"/backstores/block/{name}", "alias": name}]
    assert [acl["node_wwn"] for acl in tpg["node_acls"]] == [iqn, name]


def test_what_force_may_override_is_the_same_on_both_ends() -> None:
    from typing import get_args

    from lunops.agent import guards
    from lunops.modules.base import ForceKind

    assert get_args(ForceKind) == guards.KINDS
