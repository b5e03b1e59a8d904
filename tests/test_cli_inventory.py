"""`lunops inventory`, and where a value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lunops.cli import run
from lunops.cli.explain import explain
from lunops.errors import InventoryError
from lunops.inventory import Inventory, Origin
from lunops.inventory_files import load

HEADS = """\
jbod-00
[rack1]
jbod-[01:02] slot=3
[racks:children]
rack1
[racks:vars]
user=ops
ansible_group_priority=5
[all:vars]
ansible_user=nobody
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "heads").write_text(HEADS)
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/jbod-01.yml").write_text("user: root\nsecret: !vault x\n")
    (tmp_path / "book/group_vars").mkdir(parents=True)
    (tmp_path / "book/group_vars/all.yml").write_text("slot: 9\nzone: z\n")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["inventory", *words]) == 0
    return capsys.readouterr().out


def test_list_prints_what_a_script_of_ansibles_would(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(told(capsys, "list", "-i", f"{folder}/heads", "-i", "more,"))

    assert listed["all"] == {"children": ["ungrouped", "racks"]}
    assert listed["ungrouped"] == {"hosts": ["jbod-00", "more"]}
    assert listed["_meta"]["hostvars"]["jbod-01"] == {
        "ansible_user": "nobody",
        "user": "root",
        "slot": 3,
        "secret": {"__ansible_vault": "x"},
    }


def test_list_can_be_limited(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(told(capsys, "list", "-i", f"{folder}/heads", "--limit", "rack1[1]"))

    assert list(listed["_meta"]["hostvars"]) == listed["rack1"]["hosts"] == ["jbod-02"]
    assert "ungrouped" not in listed


def test_graph_draws_a_group_and_its_variables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "graph", "-i", f"{folder}/heads", "racks", "--vars").splitlines() == [
        "@racks:",
        "  |--@rack1:",
        "  |  |--jbod-01",
        "  |  |  |--{ansible_user = nobody}",
        "  |  |  |--{secret = {'__ansible_vault': 'x'}}",
        "  |  |  |--{slot = 3}",
        "  |  |  |--{user = root}",
        "  |  |--jbod-02",
        "  |  |  |--{ansible_user = nobody}",
        "  |  |  |--{slot = 3}",
        "  |  |  |--{user = ops}",
        "  |--{ansible_group_priority = 5}",
        "  |--{user = ops}",
    ]


def test_host_prints_the_variables_of_a_head_with_those_beside_a_playbook(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = json.loads(told(capsys, "host", "-i", f"{folder}/heads", "--playbook-dir", f"{folder}/book", "jbod-02"))

    assert shown == {"ansible_user": "nobody", "user": "ops", "slot": 3, "zone": "z"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["host", "jbod-9"], "no head is named 'jbod-9'"),
        (["graph", "rak1"], "did you mean 'rack1'?"),
        (["list", "-l", "rak1"], "did you mean 'rack1'?"),
        (["list", "-i", "missing"], "there is no such inventory"),
    ],
)
def test_what_is_not_there_is_an_error_with_the_nearest_name(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["inventory", *words, "-i", f"{folder}/heads"]) == 8
    assert said in capsys.readouterr().err


@pytest.fixture
def heads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.chdir(folder)
    return load(["heads"], playbook_folder=Path("book"))


def test_a_setting_is_explained_by_all_its_names_and_the_last_line_counts(heads: Inventory) -> None:
    assert list(explain(heads, "user", "jbod-01")) == [
        'user of jbod-01 is "root"',
        '  "nobody"  group all, as ansible_user                  heads:10',
        '  "ops"     group racks                                 heads:7',
        '* "root"    host_vars of jbod-01, beside the inventory  host_vars/jbod-01.yml:1:1',
    ]


def test_a_plays_variable_is_stronger_than_the_inventorys(heads: Inventory) -> None:
    play = Origin(name="slot", value=1, layer="vars of the play", where="plan.yml:3:5")

    assert list(explain(heads, "slot", "jbod-02", extra=[play])) == [
        "slot of jbod-02 is 1",
        "  9  group_vars of all, beside the playbook  book/group_vars/all.yml:1:1",
        "  3  the inventory's line of jbod-02         heads:3",
        "* 1  vars of the play                        plan.yml:3:5",
    ]


def test_what_is_encrypted_is_not_shown_by_explain(heads: Inventory) -> None:
    assert "(encrypted)" in "\n".join(explain(heads, "secret", "jbod-01"))


def test_what_is_given_nowhere_is_said_to_be_so(heads: Inventory) -> None:
    assert list(explain(heads, "port", "jbod-01")) == ["port of jbod-01 is not given, so it has its default"]
    assert list(explain(heads, "group_names", "jbod-00")) == ['group_names of jbod-00 is ["ungrouped"]: lunops sets it']
    with pytest.raises(InventoryError, match=r"jbod-01 has no variable 'slto' .*did you mean 'slot'"):
        list(explain(heads, "slto", "jbod-01"))


def test_every_origin_of_a_head_is_told_the_weakest_first(heads: Inventory) -> None:
    assert [(each.value, each.where) for each in heads.origins("jbod-01")["slot"]] == [
        (9, "book/group_vars/all.yml:1:1"),
        (3, "heads:3"),
    ]
    assert heads.origins("localhost")["zone"][0].value == "z"
