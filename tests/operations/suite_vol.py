"""Volumes, file systems and their properties, sizes and ends: what every head must do, simulated and real alike."""

from __future__ import annotations

from typing import Any

import pytest

from lunops.model import ItemResult, Status, TaskResult
from lunops.sim.holders import How
from tests.operations.bench import Bench
from tests.operations.holding import capacity, device_size, held

OK, CHANGED, FAILED = Status.OK, Status.CHANGED, Status.FAILED
MIB = 1 << 20


def only(result: TaskResult) -> ItemResult:
    """Return a task's one item."""
    (item,) = result.items
    return item


def error(result: TaskResult) -> str:
    """Return what a task's one item failed with, remedy included."""
    item = only(result)
    assert item.status is FAILED, item
    return f"{item.error} / {item.fix}"


def ready(bench: Bench, *names: str, size: str = "64M") -> list[str]:
    """Make sparse volumes of these names in the test's folder, with their devices."""
    volumes = [f"{bench.folder}/{name}" for name in names]
    args = [{"dataset": name, "size": size, "sparse": True, "create_parent": True} for name in volumes]
    assert not bench.do("zfs_volume", *args).status.is_bad
    assert not bench.do("wait_for_device", *({"dataset": name} for name in volumes)).status.is_bad
    return volumes


class VolumesSuite:
    """Inherit it, and give it a fixture `bench`."""

    # -- zfs_volume -------------------------------------------------------------------------------------------

    def test_volumes_are_made_as_wanted_and_again_changes_nothing(self, bench: Bench) -> None:
        thick: dict[str, Any] = {"dataset": f"{bench.folder}/thick", "size": "10M", "create_parent": True}
        odd: dict[str, Any] = {
            "dataset": f"{bench.folder}/odd",
            "size": 10_000_001,
            "sparse": True,
            "block_size": "16K",
        }
        tuned: dict[str, Any] = {
            "dataset": f"{bench.folder}/tuned",
            "size": "1.5M",
            "properties": {"compression": "lz4", "a:b": "x y"},
        }

        told = bench.do("zfs_volume", thick, {**odd, "create_parent": True}, tuned, check=True)
        nothing = bench.datasets()
        first = bench.do("zfs_volume", thick, {**odd, "create_parent": True}, tuned, run="r1")
        again = bench.do("zfs_volume", thick, odd, tuned, run="r2")

        assert nothing == {}
        assert f"zfs create -V 10485760 {thick['dataset']}" in told.items[0].changes
        assert {item.status for item in first.items} == {CHANGED}, first
        assert {item.status for item in again.items} == {OK}, again
        values = {name: bench.property(f"{bench.folder}/{name}", "volsize")[0] for name in ("thick", "odd", "tuned")}
        assert values == {"thick": str(10 * MIB), "odd": "10010624", "tuned": "1572864"}  # rounded up to whole blocks
        assert bench.property(odd["dataset"], "volblocksize")[0] == "16384"
        assert bench.property(odd["dataset"], "refreservation")[0] == "0"
        assert bench.property(thick["dataset"], "refreservation") == ("13107200", "local")
        assert bench.property(tuned["dataset"], "compression") == ("lz4", "local")
        assert bench.property(tuned["dataset"], "a:b") == ("x y", "local")
        assert bench.property(tuned["dataset"], "lunops:managed") == ("1", "local")
        assert bench.property(tuned["dataset"], "lunops:made") == ("r1", "local")

    def test_what_a_volume_has_otherwise_is_mended_or_refused_and_its_size_is_never_touched(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v")
        base = {"dataset": volume, "size": "64M", "sparse": True}

        bigger = bench.do("zfs_volume", {**base, "size": "65M"})
        smaller = bench.do("zfs_volume", {**base, "size": "63M"})
        blocks = bench.do("zfs_volume", {**base, "block_size": 4096})
        told = bench.do("zfs_volume", {**base, "sparse": False}, check=True)
        thick = bench.do("zfs_volume", {**base, "sparse": False, "properties": {"compression": "lz4"}})
        reserved = bench.property(volume, "refreservation")
        back = bench.undo(thick)

        assert "grow it with zfs_resize" in error(bigger)
        assert "zfs_resize can shrink it" in error(smaller)
        assert "has a block size of 8192, not 4096" in error(blocks)
        assert only(told).changes == (f"zfs set refreservation=auto {volume}",)
        assert only(thick).changes == (f"zfs set compression=lz4 refreservation=auto {volume}",)
        assert int(reserved[0]) > 64 * MIB
        assert only_undone(back).error == ""
        assert bench.property(volume, "refreservation")[0] == "0"
        assert bench.property(volume, "compression") == ("off", "default")
        assert bench.property(volume, "volsize")[0] == str(64 * MIB)

    def test_what_stands_in_a_volumes_place_is_never_touched(self, bench: Bench) -> None:
        folder, clone, foreign = (f"{bench.folder}/{name}" for name in ("folder", "clone", "foreign"))
        for argv in (
            ["zfs", "create", "-p", folder],
            ["zfs", "clone", bench.golden, clone],
            ["zfs", "create", "-s", "-V", "16M", foreign],
        ):
            assert bench.eyes.run(argv)[0] == 0
        before = bench.datasets()

        result = bench.do("zfs_volume", *({"dataset": name, "size": "64M"} for name in (folder, clone)))
        strange = bench.do("zfs_volume", {"dataset": foreign, "size": "16M", "properties": {"compression": "lz4"}})
        in_volume = bench.do("zfs_volume", {"dataset": f"{foreign}/x", "size": "16M", "create_parent": True})
        as_folder = bench.do("zfs_filesystem", {"dataset": foreign})

        assert f"{folder} exists and is a filesystem" in result.items[0].error
        assert f"a clone of {bench.golden}" in result.items[1].error
        assert "was not made by lunops, and has other properties" in error(strange)
        assert "is a volume and can hold nothing" in error(in_volume)
        assert f"{foreign} exists and is a volume" in error(as_folder)
        assert bench.datasets() == before
        bench.eyes.run(["zfs", "destroy", clone])

    def test_volumes_that_cannot_be_made_say_why_and_leave_nothing(self, bench: Bench) -> None:
        full, wrong, orphan, good = (f"{bench.folder}/{name}" for name in ("full", "wrong", "no/x", "good"))
        bench.eyes.run(["zfs", "create", "-p", bench.folder])

        result = bench.do(
            "zfs_volume",
            {"dataset": full, "size": "1P"},
            {"dataset": wrong, "size": "16M", "properties": {"nosuch": 1}},
            {"dataset": f"{wrong}2", "size": "16M", "properties": {"quota": "1G"}},
            {"dataset": orphan, "size": "16M"},
            {"dataset": good, "size": "16M", "sparse": True},
        )

        errors = [f"{item.error} / {item.fix}" for item in result.items]
        assert "out of space / free space in the pool" in errors[0]
        assert "knows no property 'nosuch'" in errors[1]
        assert "'quota' does not apply to datasets of this type" in errors[2]
        assert f"the parent {bench.folder}/no does not exist" in errors[3]
        assert result.items[4].status is CHANGED
        assert set(bench.datasets()) == {bench.folder, good}

    def test_what_a_run_made_is_undone_with_its_parents_and_nothing_else(self, bench: Bench) -> None:
        bench.eyes.run(["zfs", "create", "-p", bench.folder])
        volume: dict[str, Any] = {
            "dataset": f"{bench.folder}/a/b/v",
            "size": "16M",
            "sparse": True,
            "create_parent": True,
        }
        folder: dict[str, Any] = {
            "dataset": f"{bench.folder}/c/f",
            "create_parent": True,
            "properties": {"atime": "off"},
        }
        kept: dict[str, Any] = {"dataset": f"{bench.folder}/kept", "size": "16M", "sparse": True}

        made = [bench.do("zfs_volume", volume, kept, run="r1"), bench.do("zfs_filesystem", folder, run="r1")]
        filesystem_again = bench.do("zfs_filesystem", folder, run="r1")
        atime = bench.property(folder["dataset"], "atime")
        bench.eyes.run(["zfs", "set", "lunops:made=another", kept["dataset"]])
        back = {item.key: item for item in bench.undo(*made)}

        assert only(filesystem_again).changes == (f"{folder['dataset']} was made earlier in this run",)
        assert atime == ("off", "local")
        assert set(bench.datasets()) == {bench.folder, kept["dataset"]}
        assert "is no longer what this run made" in back[kept["dataset"]].error
        assert back[kept["dataset"]].left_behind == (f"zfs destroy {kept['dataset']}",)

    # -- zfs_set ----------------------------------------------------------------------------------------------

    def test_only_properties_that_differ_are_set_in_one_command_and_undo_restores_them(self, bench: Bench) -> None:
        one, two = ready(bench, "one", "two")
        bench.eyes.run(["zfs", "set", "compression=gzip", "a:b=old", one])
        wanted = {"compression": "lz4", "copies": 2, "refreservation": "10M", "a:b": "new", "c:d": "n"}
        args = [{"dataset": name, "properties": wanted, "inherit": ["dedup"]} for name in (one, two)]

        told = bench.do("zfs_set", *args, check=True)
        first = bench.do("zfs_set", *args)
        again = bench.do("zfs_set", *args)
        told_again = bench.do("zfs_set", *args, check=True)
        values = {name: bench.property(one, name) for name in wanted}
        back = bench.undo(first)

        line = f"zfs set a:b=new c:d=n compression=lz4 copies=2 refreservation=10M {one}"
        assert told.items[0].changes == first.items[0].changes == (line,)
        assert {item.status for item in (*again.items, *told_again.items)} == {OK}  # 10M reads back as its bytes
        assert set(values.values()) == {(v, "local") for v in ("lz4", "2", str(10 * MIB), "new", "n")}
        assert [item.error for item in back] == ["", ""]
        assert bench.property(one, "compression") == ("gzip", "local")
        assert bench.property(one, "a:b") == ("old", "local")
        assert bench.property(one, "refreservation")[0] == "0"
        assert bench.property(two, "compression") == ("off", "default")
        assert bench.property(two, "c:d") == ("-", "-")

    def test_properties_are_inherited_and_undo_sets_them_again_unless_somebody_else_did(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v")
        bench.eyes.run(["zfs", "set", "compression=lz4", bench.folder])
        bench.eyes.run(["zfs", "set", "compression=lz4", "copies=3", "a:b=x", volume])
        args = {"dataset": volume, "inherit": ["compression", "copies", "a:b"]}

        first = bench.do("zfs_set", args)
        again = bench.do("zfs_set", args)
        inherited = bench.property(volume, "compression")
        bench.eyes.run(["zfs", "set", "copies=2", volume])
        (back,) = bench.undo(first)

        assert only(first).status is CHANGED
        assert only(again).status is OK
        assert inherited == ("lz4", f"inherited from {bench.folder}")
        assert bench.property(volume, "compression") == ("lz4", "local")
        assert bench.property(volume, "a:b") == ("x", "local")
        assert bench.property(volume, "copies") == ("2", "local")
        assert f"copies of {volume} was set anew since" in back.error

    def test_what_cannot_be_set_is_refused_in_zfs_own_words_and_changes_nothing(self, bench: Bench) -> None:
        said = {
            "guid": ("1", "'guid' is readonly"),
            "volblocksize": ("4K", "'volblocksize' is readonly"),
            "copies": ("9", "'copies' must be one of '1 | 2 | 3'"),
            "nosuch": ("1", "knows no property 'nosuch'"),
            "quota": ("1G", "'quota' does not apply to datasets of this type"),
            "reservation": ("1P", "size is greater than available space"),  # here ZFS sets the others, and fails
        }
        good, *bad = ready(bench, "good", *(f"bad-{name}" for name in said))
        for name in bad:
            bench.eyes.run(["zfs", "set", "compression=gzip", name])

        result = bench.do(
            "zfs_set",
            *(
                {"dataset": dataset, "properties": {"compression": "lz4", name: said[name][0]}}
                for dataset, name in zip(bad, said, strict=True)
            ),
            {"dataset": good, "properties": {"compression": "lz4"}},
            {"dataset": f"{bench.folder}/none", "properties": {"compression": "lz4"}},
        )

        for item, (_value, words) in zip(result.items, said.values(), strict=False):
            assert words in item.error, item
            assert item.left_behind == ()
            assert bench.property(item.key, "compression") == ("gzip", "local")
        assert result.items[-2].status is CHANGED
        assert f"{bench.folder}/none does not exist" in result.items[-1].error

    def test_what_has_no_default_to_inherit_is_refused_and_a_file_systems_quota_is_undone(self, bench: Bench) -> None:
        folder = f"{bench.folder}/fs"
        bench.do("zfs_filesystem", {"dataset": folder, "create_parent": True})

        refused = bench.do("zfs_set", {"dataset": folder, "properties": {"atime": "off"}, "inherit": ["quota"]})
        done = bench.do("zfs_set", {"dataset": folder, "properties": {"quota": "100M"}})
        bench.do("zfs_set", {"dataset": folder, "properties": {"quota": "200M"}})
        refused_now = bench.do("zfs_set", {"dataset": folder, "properties": {"atime": "off"}, "inherit": ["quota"]})
        bench.eyes.run(["zfs", "set", "quota=100M", folder])
        (back,) = bench.undo(done)

        assert only(refused).status is CHANGED  # nothing of its own to inherit: only atime was set
        assert "'quota' property cannot be inherited" in error(refused_now)
        assert back.error == ""
        assert bench.property(folder, "quota")[0] == "0"

    # -- zfs_resize -------------------------------------------------------------------------------------------

    def test_a_volume_grows_and_its_reservation_with_it_and_undo_shrinks_it_back(self, bench: Bench) -> None:
        thick, thin = f"{bench.folder}/thick", f"{bench.folder}/thin"
        base = {"size": "16M", "create_parent": True}
        bench.do("zfs_volume", {"dataset": thick, **base}, {"dataset": thin, **base, "sparse": True})
        bench.do("wait_for_device", {"dataset": thick}, {"dataset": thin})
        args = [{"dataset": name, "size": "32M"} for name in (thick, thin)]

        told = bench.do("zfs_resize", *args, check=True)
        first = bench.do("zfs_resize", *args)
        again = bench.do("zfs_resize", *args, {"dataset": f"{bench.folder}/none", "size": 1})
        sizes = [device_size(bench, name) for name in (thick, thin)]
        reserved = [int(bench.property(name, "refreservation")[0]) for name in (thick, thin)]
        back = bench.undo(first)

        line = f"zfs set volsize={32 * MIB} {thick} (it had {16 * MIB})"
        assert told.items[0].changes == first.items[0].changes == (line,)
        assert [item.status for item in again.items] == [OK, OK, FAILED]
        assert sizes == [32 * MIB, 32 * MIB]
        assert reserved[0] > 32 * MIB
        assert reserved[1] == 0
        assert [item.error for item in back] == ["", ""]
        assert [device_size(bench, name) for name in (thick, thin)] == [16 * MIB, 16 * MIB]

    def test_an_initiator_sees_the_new_size_and_is_named_and_undo_leaves_what_may_be_written(
        self, bench: Bench
    ) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        before = capacity(bench, lun)

        with bench.eyes.log_in(lun.wwn, lun.initiators[0]):
            grown = bench.do("zfs_resize", {"dataset": lun.dst, "size": "128M"})
            shrink = bench.do("zfs_resize", {"dataset": lun.dst, "size": "64M", "force": ["shrink"]})
        after = capacity(bench, lun)
        (back,) = bench.undo(grown)

        assert (before, after) == (64 * MIB, 128 * MIB)
        assert any(f"{lun.initiators[0]} from" in line and "rescans" in line for line in only(grown).changes)
        assert f"is logged in to {lun.wwn}" in error(shrink)
        assert "or force: [sessions]" in error(shrink)
        assert "data may lie behind that by now: it is or was exported" in back.error
        assert back.left_behind == (f"zfs set volsize={64 * MIB} {lun.dst}  # loses what was written behind that",)
        assert bench.is_served(lun)

    def test_shrinking_is_refused_with_what_would_be_lost_and_forced_kind_by_kind(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v")
        args = {"dataset": volume, "size": "32M"}

        refused = bench.do("zfs_resize", args)
        told = bench.do("zfs_resize", {**args, "force": ["shrink"]}, check=True)
        with held(bench, volume, "mounted", "/mnt/lunops shrink"):
            mounted = bench.do("zfs_resize", {**args, "force": ["shrink"]})
        same = device_size(bench, volume)
        bench.eyes.run(["zfs", "inherit", "lunops:managed", volume])
        unmarked = bench.do("zfs_resize", {**args, "force": ["shrink"]})
        done = bench.do("zfs_resize", {**args, "force": ["shrink", "unmarked"]})
        again = bench.do("zfs_resize", {**args, "force": ["shrink", "unmarked"]})
        small = device_size(bench, volume)
        (back,) = bench.undo(done)

        assert f"its last {32 * MIB} bytes, from {32 * MIB} to {64 * MIB}, would be lost" in error(refused)
        assert "or force: [shrink]" in error(refused)
        assert only(told).status is CHANGED
        assert "it is mounted at /mnt/lunops shrink" in error(mounted)
        assert same == 64 * MIB
        assert "was not made by lunops" in error(unmarked)
        assert only(again).status is OK
        assert small == 32 * MIB
        assert device_size(bench, volume) == 64 * MIB
        assert f"what lay behind {32 * MIB} is gone" in back.error
        assert "restore it" in back.left_behind[0]

    def test_a_grow_is_not_undone_once_it_was_resized_anew_and_no_space_is_said(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v", size="16M")
        bench.do("zfs_set", {"dataset": volume, "properties": {"refreservation": "auto"}})

        done = bench.do("zfs_resize", {"dataset": volume, "size": "17M"})
        full = bench.do("zfs_resize", {"dataset": volume, "size": "1P"})
        folder = bench.do("zfs_resize", {"dataset": bench.folder, "size": "17M"})
        bench.do("zfs_resize", {"dataset": volume, "size": "18M"})
        (back,) = bench.undo(done)

        assert "size is greater than available space" in error(full)
        assert "is a filesystem, and only volumes have a size" in error(folder)
        assert "was resized anew since" in back.error
        assert device_size(bench, volume) == 18 * MIB

    # -- zfs_destroy ------------------------------------------------------------------------------------------

    def test_volumes_file_systems_and_snapshots_of_ours_are_destroyed_each_alone(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v")
        folder, inside = f"{bench.folder}/fs", f"{bench.folder}/fs/in"
        bench.do("zfs_filesystem", {"dataset": folder}, {"dataset": inside, "create_parent": True})
        bench.eyes.run(["zfs", "snapshot", "-o", "lunops:managed=1", f"{volume}@ours"])
        bench.eyes.run(["zfs", "snapshot", f"{volume}@theirs"])
        args = [{"snapshot": f"{volume}@ours"}, {"dataset": inside}]

        refused = bench.do("zfs_destroy", {"snapshot": f"{volume}@theirs"}, {"dataset": folder}, {"dataset": volume})
        told = bench.do("zfs_destroy", *args, check=True)
        first = bench.do("zfs_destroy", *args)
        again = bench.do("zfs_destroy", *args)
        rest = bench.do("zfs_destroy", {"snapshot": f"{volume}@theirs", "force": ["unmarked"]})
        last = bench.do("zfs_destroy", {"dataset": folder}, {"dataset": volume})

        errors = [f"{item.error} / {item.fix}" for item in refused.items]
        assert f"{volume}@theirs was not made by lunops" in errors[0]
        assert "force: [unmarked]" in errors[0]
        assert f"it has {inside}" in errors[1]
        assert "force" not in errors[1]
        assert f"it has {volume}@ours; it has {volume}@theirs" in errors[2]
        assert "force: [snapshots]" in errors[2]
        assert [item.changes for item in told.items] == [(f"zfs destroy {volume}@ours",), (f"zfs destroy {inside}",)]
        assert {item.status for item in first.items} == {CHANGED}
        assert {item.status for item in again.items} == {OK}
        assert only(rest).status is CHANGED
        assert {item.status for item in last.items} == {CHANGED}
        assert bench.datasets() == {bench.folder: "-"}

    def test_clones_are_named_and_stand_against_their_origin_whatever_is_forced(self, bench: Bench) -> None:
        volume, clone = ready(bench, "v")[0], f"{bench.folder}/clone"
        bench.eyes.run(["zfs", "snapshot", "-o", "lunops:managed=1", f"{volume}@s"])
        bench.eyes.run(["zfs", "clone", f"{volume}@s", clone])
        force = ["snapshots", "unmarked"]

        result = bench.do("zfs_destroy", {"dataset": volume, "force": force}, {"snapshot": f"{volume}@s"})
        before = set(bench.datasets())
        bench.eyes.run(["zfs", "destroy", clone])
        forced = bench.do("zfs_destroy", {"dataset": volume, "force": force})

        assert f"{clone} is a clone of {volume}@s" in result.items[0].error
        assert f"{clone} is a clone of {volume}@s" in result.items[1].error
        assert before == {bench.folder, volume, f"{volume}@s", clone}
        assert only(forced).changes == (f"zfs destroy {volume}@s", f"zfs destroy {volume}")
        assert set(bench.datasets()) == {bench.folder}

    @pytest.mark.parametrize(
        ("how", "name", "said"),
        [
            ("mounted", "/mnt/lunops held", "it is mounted at /mnt/lunops held"),
            ("swap", "", "it is used as swap (/dev/zd"),
            ("lvm", "vg-data", "it is held by the LVM volume vg-data (dm-0)"),
            ("multipath", "mpatha", "it is held by the multipath map mpatha (dm-0)"),
        ],
    )
    def test_a_held_volume_is_neither_destroyed_nor_shrunk_and_the_refusal_says_who_holds_it(
        self, bench: Bench, how: How, name: str, said: str
    ) -> None:
        (volume,) = ready(bench, "v")
        bench.eyes.run(["zfs", "snapshot", f"{volume}@s"])

        with held(bench, volume, how, name):
            destroy = bench.do("zfs_destroy", {"dataset": volume, "force": ["snapshots"]})
            shrink = bench.do("zfs_resize", {"dataset": volume, "size": "32M", "force": ["shrink"]})
        kept = set(bench.datasets())
        after = bench.do("zfs_destroy", {"dataset": volume, "force": ["snapshots"]})

        assert said in error(destroy)
        assert "or force" not in error(destroy)
        assert said in error(shrink)
        assert "or force: [holders]" in error(shrink)
        assert kept == {bench.folder, volume, f"{volume}@s"}  # not even its snapshot was destroyed
        assert only(after).status is CHANGED

    def test_an_exported_volume_with_a_session_is_not_destroyed_and_both_are_named(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])

        with bench.eyes.log_in(lun.wwn, lun.initiators[0]):
            result = bench.do("zfs_destroy", {"dataset": lun.dst})

        assert f"{lun.dst} is exported by the storage object" in error(result)
        assert f"logged in: {lun.initiators[0]} from" in error(result)
        assert bench.is_served(lun)


def only_undone(results: tuple[ItemResult, ...]) -> ItemResult:
    """Return the one item that was taken back."""
    (item,) = results
    return item
