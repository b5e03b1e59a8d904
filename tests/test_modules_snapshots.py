"""The modules for snapshots, for renaming and for looking: from a user's arguments to the agent's item."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunops.errors import BadValueError, InputError
from lunops.names import Dataset, HoldTag, SnapshotTag
from tests.test_modules import item

SNAPSHOT = {"datasets": ["tank/n1", "tank/n2"], "name": "daily-1"}
HOLD = {"snapshot": "tank/golden@1", "tag": "keep"}
RENAME = {"src": "tank/n1", "dst": "tank/n2"}
LIST = {"dataset": "tank/n1", "properties": ["used", "lunops:lun", "written@1"]}
HOSTILE = [
    *("", "-x", "a b", "a/b", "a@b", "a\tb", "a\nb", "$(reboot)", "a;b", "a'b", 'a"b', "a\0b", "ä", "\u212a"),
    *(None, 1, b"a"),
]


def test_a_snapshot_of_several_datasets_is_one_item_that_carries_the_marks() -> None:
    made = item("zfs_snapshot", {**SNAPSHOT, "properties": {"org.example:why": "before upgrade"}}, run="run-1")

    assert made.key == "tank/n1@daily-1"
    assert made.args == {
        "snapshots": ["tank/n1@daily-1", "tank/n2@daily-1"],
        "properties": {"org.example:why": "before upgrade"},
        "marks": {"lunops:managed": "1", "lunops:made": "run-1"},
    }


def test_nothing_is_forced_unless_it_is_said() -> None:
    assert item("zfs_rollback", {"snapshot": "tank/n1@1"}).args["force"] == []
    assert item("zfs_rename", RENAME).args["force"] == []
    assert item("zfs_rollback", {"snapshot": "tank/n1@1", "force": ["snapshots"]}).args["force"] == ["snapshots"]


def test_a_list_is_of_the_dataset_alone_unless_it_says_how_deep() -> None:
    assert item("zfs_list", LIST).args == {
        "dataset": "tank/n1",
        "properties": ["used", "lunops:lun", "written@1"],
        "types": ["filesystem", "volume"],
        "depth": 0,
    }


@pytest.mark.parametrize(
    ("module", "args", "said"),
    [
        ("zfs_snapshot", {**SNAPSHOT, "datasets": []}, "datasets: must not be empty"),
        ("zfs_snapshot", {**SNAPSHOT, "datasets": "tank/n1"}, "datasets: must be a list"),
        ("zfs_snapshot", {**SNAPSHOT, "datasets": ["tank/n1", "tank/n1"]}, "tank/n1 is given twice"),
        ("zfs_snapshot", {**SNAPSHOT, "datasets": ["tank/n1@1"]}, "datasets[0]: 'tank/n1@1' is not a dataset name"),
        ("zfs_snapshot", {**SNAPSHOT, "datasets": ["tnk/n1"]}, "no pool 'tnk'"),
        ("zfs_snapshot", {**SNAPSHOT, "name": "a@b"}, "name: 'a@b' is not the name of a snapshot"),
        ("zfs_snapshot", {**SNAPSHOT, "name": ".."}, "is not the name of a snapshot"),
        ("zfs_snapshot", {**SNAPSHOT, "name": "x" * 250}, "is not a snapshot name"),
        ("zfs_snapshot", {**SNAPSHOT, "properties": {"compression": "on"}}, "cannot be set on a snapshot"),
        ("zfs_snapshot", {**SNAPSHOT, "properties": {"lunops:managed": "1"}}, "own mark"),
        ("zfs_snapshot", {**SNAPSHOT, "recursive": True}, "recursive"),
        ("zfs_hold", {**HOLD, "snapshot": "tank/golden"}, "is not a snapshot name"),
        ("zfs_hold", {**HOLD, "tag": "-R"}, "tag: '-R' is not the tag of a hold"),
        ("zfs_hold", {**HOLD, "tag": "x" * 201}, "200 at most"),
        ("zfs_release", {"snapshot": "tank/golden@1"}, "tag: is missing"),
        ("zfs_rollback", {"snapshot": "tank/n1@1", "force": ["snapshot"]}, "snapshot"),
        ("zfs_rollback", {"snapshot": "tank/n1@1", "force": True}, "must be a list"),
        ("zfs_promote", {"dataset": "tank/n1@1"}, "is not a dataset name"),
        ("zfs_promote", {"dataset": "tank/n1", "in_place_of": "tank/n1"}, "its own place"),
        ("zfs_promote", {"dataset": "tank/n1", "in_place_of": "other/n1"}, "not in the pool of tank/n1"),
        ("zfs_rename", {**RENAME, "dst": "other/n1"}, "not in the pool of tank/n1"),
        ("zfs_rename", {**RENAME, "dst": "tank/n1"}, "as it is"),
        ("zfs_rename", {**RENAME, "dst": "tank/n1/x"}, "inside of tank/n1"),
        ("zfs_rename", {**RENAME, "dst": "tank"}, "tank is a pool"),
        ("zfs_rename", {**RENAME, "src": "tank", "dst": "tank/x"}, "tank is a pool"),
        ("zfs_rename", {**RENAME, "dst": "tank/../x"}, "is not a dataset name"),
        ("zfs_list", {**LIST, "properties": ["used,-o"]}, "properties[0]"),
        ("zfs_list", {**LIST, "properties": ["-H"]}, "properties[0]"),
        ("zfs_list", {**LIST, "properties": ["all"]}, "is not a property"),
        ("zfs_list", {**LIST, "types": ["bookmark"]}, "types[0]"),
        ("zfs_list", {**LIST, "types": []}, "types: must not be empty"),
        ("zfs_list", {**LIST, "depth": -1}, "depth"),
        ("zfs_list", {**LIST, "depth": 1.5}, "depth"),
    ],
)
def test_wrong_arguments_are_refused_by_name(module: str, args: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        item(module, args)
    assert said in str(error.value)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_tag_of_a_hold_is_refused(text: object) -> None:
    with pytest.raises(BadValueError, match="is not the tag of a hold"):
        HoldTag.parse(text)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "-x"])
def test_a_hostile_name_of_a_snapshot_is_refused(text: object) -> None:
    with pytest.raises(BadValueError, match="is not the name of a snapshot"):
        SnapshotTag.parse(text)


@given(st.one_of(st.text(), st.integers(), st.none(), st.binary()))
def test_what_is_taken_as_a_tag_is_one_word_that_is_no_option_and_no_path(value: object) -> None:
    for kind in (HoldTag, SnapshotTag):
        try:
            tag = kind.parse(value)
        except BadValueError:
            continue
        assert tag.name == value
        assert tag.name.isascii()
        assert not set(tag.name) & set(" \t\n\0@/%#,'\"\\$;&|")
        assert kind is SnapshotTag or not tag.name.startswith("-")


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,40}", fullmatch=True))
def test_a_snapshots_tag_reads_back_in_its_name(text: str) -> None:
    assert str(SnapshotTag.parse(text).of(Dataset.parse("tank/n1"))) == f"tank/n1@{text}"
