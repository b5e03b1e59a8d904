"""The arguments of the modules for volumes, file systems, properties, sizes and ends."""

from __future__ import annotations

from typing import Any

import pytest

from lunops.errors import InputError
from tests.test_modules import item

VOLUME = {"dataset": "tank/n1", "size": "10G"}


def test_a_volume_is_bytes_and_marks_for_the_agent() -> None:
    made = item("zfs_volume", {**VOLUME, "block_size": "16K", "properties": {"compress": "lz4", "copies": 2}}, run="r")

    assert made.args == {
        "dataset": "tank/n1",
        "size": 10 << 30,
        "sparse": False,
        "block_size": 16384,
        "properties": {"compression": "lz4", "copies": "2"},  # zfs's short name is written out
        "create_parent": False,
        "marks": {"lunops:managed": "1", "lunops:made": "r"},
    }


def test_a_snapshot_to_destroy_is_an_item_of_its_own_name() -> None:
    made = item("zfs_destroy", {"snapshot": "tank/n1@s", "force": ["unmarked"]})

    assert made.key == "tank/n1@s"
    assert made.args == {"snapshot": "tank/n1@s", "force": ["unmarked"]}


@pytest.mark.parametrize(
    ("module", "args", "said"),
    [
        ("zfs_volume", {"dataset": "tank/n1"}, "size: is missing"),
        ("zfs_volume", {**VOLUME, "size": "10GiB"}, "size: '10GiB' is not a size"),
        ("zfs_volume", {**VOLUME, "size": True}, "size: True is not a size"),
        ("zfs_volume", {**VOLUME, "size": "8E"}, "is not a size"),
        ("zfs_volume", {**VOLUME, "block_size": 3000}, "a block size of 3000 is none that ZFS takes"),
        ("zfs_volume", {**VOLUME, "block_size": "2M"}, "a power of 2 from 512 to 1M"),
        ("zfs_volume", {**VOLUME, "dataset": "tank"}, "is a pool, not a place for a volume"),
        ("zfs_volume", {**VOLUME, "sparse": "yes"}, "must be true or false"),
        ("zfs_volume", {**VOLUME, "properties": {"volsize": 1}}, "resize a volume with zfs_resize"),
        ("zfs_volume", {**VOLUME, "properties": {"refreserv": "none"}}, "say sparse"),
        ("zfs_volume", {**VOLUME, "properties": {"lunops:made": "x"}}, "is lunops' own mark"),
        ("zfs_filesystem", {"dataset": "other/n1"}, "has no pool 'other'"),
        ("zfs_filesystem", {"dataset": "tank"}, "not a place for a file system"),
        ("zfs_set", {"dataset": "tank/n1"}, "there is nothing to set"),
        ("zfs_set", {"dataset": "tank/n1", "properties": {"volsize": "1G"}}, "resize a volume with zfs_resize"),
        ("zfs_set", {"dataset": "tank/n1", "inherit": ["lunops:managed"]}, "is lunops' own mark"),
        ("zfs_set", {"dataset": "tank/n1", "inherit": ["a b"]}, "inherit[0]"),
        (
            "zfs_set",
            {"dataset": "tank/n1", "inherit": ["copies"], "properties": {"copies": 2}},
            "copies is to be set and to be inherited",
        ),
        ("zfs_resize", {"dataset": "tank/n1", "size": 0}, "0 is not a size"),
        ("zfs_resize", {"dataset": "tank/n1", "size": "1G", "force": ["clones"]}, "does not stand against a resize"),
        ("zfs_resize", {"dataset": "tank/n1", "size": "1G", "force": "shrink"}, "must be a list"),
        ("zfs_destroy", {}, "give one of 'dataset' and 'snapshot'"),
        ("zfs_destroy", {"dataset": "tank/n1", "snapshot": "tank/n1@s"}, "give one of 'dataset' and 'snapshot'"),
        ("zfs_destroy", {"dataset": "tank"}, "is a pool, and pools are not destroyed"),
        ("zfs_destroy", {"snapshot": "other/n1@s"}, "has no pool 'other'"),
        ("zfs_destroy", {"dataset": "tank/n1", "force": ["exported"]}, "unshare it first (lio_absent)"),
        ("zfs_destroy", {"dataset": "tank/n1", "force": ["sessions"]}, "zfs_destroy cannot force 'sessions'"),
        ("zfs_destroy", {"dataset": "tank/n1", "force": ["all"]}, "force[0]"),
    ],
)
def test_wrong_arguments_are_refused_with_the_remedy(module: str, args: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        item(module, args)

    assert said in str(error.value)
