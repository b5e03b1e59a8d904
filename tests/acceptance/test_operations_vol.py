"""The suite of volumes on the real kernel, and what only a real kernel has: processes, holds, received properties."""

from __future__ import annotations

import pytest

from tests.acceptance.eyes import LabEyes
from tests.operations.bench import Bench
from tests.operations.holding import held
from tests.operations.suite_vol import VolumesSuite, error, only, ready

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


def shell(bench: Bench, script: str) -> str:
    assert isinstance(bench.eyes, LabEyes)
    return bench.eyes.shell(script)


class TestOnARealHead(VolumesSuite):
    def test_a_process_that_has_a_volume_open_is_named_when_it_stays_busy(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v")

        with held(bench, volume, "open", "sleep 77"):
            result = bench.do("zfs_destroy", {"dataset": volume})

        assert f"{volume} is busy (tried" in error(result)
        assert "(sleep 77)" in error(result)
        assert "it is open in pid " in error(result)

    def test_who_works_in_a_file_system_is_named_and_a_hold_on_a_snapshot_is_told_by_its_tag(
        self, bench: Bench
    ) -> None:
        folder = f"{bench.folder}/fs"
        bench.do("zfs_filesystem", {"dataset": f"{bench.folder}/mounted", "create_parent": True})
        bench.do("zfs_filesystem", {"dataset": folder, "properties": {"mountpoint": "/mnt/lunops-fs"}})
        shell(bench, f"zfs snapshot -o lunops:managed=1 {folder}@s; zfs hold keep-me {folder}@s")

        snapshot = bench.do("zfs_destroy", {"snapshot": f"{folder}@s"})
        held_below = bench.do("zfs_destroy", {"dataset": folder, "force": ["snapshots"]})
        shell(bench, f"zfs release keep-me {folder}@s; cd /mnt/lunops-fs; sleep 78 >/dev/null 2>&1 & echo $! > /run/p")
        released = bench.do("zfs_destroy", {"snapshot": f"{folder}@s"})
        busy = bench.do("zfs_destroy", {"dataset": folder})
        shell(bench, "kill $(cat /run/p)")
        last = bench.do("zfs_destroy", {"dataset": folder})

        assert f"{folder}@s is held by keep-me" in error(snapshot)
        assert f"{folder}@s is held by keep-me" in error(held_below)
        assert only(released).changes == (f"zfs destroy {folder}@s",)
        assert "cannot unmount '/mnt/lunops-fs'" in error(busy)
        assert "(sleep 78)" in error(busy)
        assert only(last).changes == (f"zfs destroy {folder}",)

    def test_a_received_value_is_inherited_over_and_undo_makes_it_received_again(self, bench: Bench) -> None:
        (source,) = ready(bench, "source", size="8M")
        target = f"{bench.folder}/target"
        shell(
            bench,
            f"zfs set compression=lz4 a:b=x {source}; zfs snapshot {source}@s; "
            f"zfs send -p {source}@s | zfs receive {target}",
        )

        inherited = bench.do("zfs_set", {"dataset": target, "inherit": ["compression"], "properties": {"a:b": "y"}})
        now = bench.property(target, "compression"), bench.property(target, "a:b")
        again = bench.do("zfs_set", {"dataset": target, "inherit": ["compression"]})
        (back,) = bench.undo(inherited)

        assert only(inherited).changes == (f"zfs set a:b=y {target}", f"zfs inherit compression {target}")
        assert now == (("off", "default"), ("y", "local"))
        assert only(again).changes == ()
        assert back.error == ""
        assert bench.property(target, "compression") == ("lz4", "received")
        assert bench.property(target, "a:b") == ("x", "received")

    def test_a_mounted_partition_and_a_loop_device_are_seen(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v")
        device = shell(bench, f"readlink -f /dev/zvol/{volume}").strip()
        table = r"\000\000\002\000\203\000\000\000\000\010\000\000\240\206\001\000"  # one partition, of 100000 sectors
        shell(
            bench,
            f"printf '{table}' | dd of={device} bs=1 seek=446 conv=notrunc; "
            f"printf '\\125\\252' | dd of={device} bs=1 seek=510 conv=notrunc; sync; blockdev --rereadpt {device}; "
            f"udevadm settle; mkfs.ext4 -qF {device}p1; mkdir -p /mnt/part; mount {device}p1 /mnt/part",
        )
        mounted = bench.do("zfs_destroy", {"dataset": volume})
        shell(bench, f"umount /mnt/part; losetup /dev/loop5 {device}")
        looped = bench.do("zfs_destroy", {"dataset": volume})
        shell(bench, "losetup -d /dev/loop5")
        last = bench.do("zfs_destroy", {"dataset": volume})

        assert "it is mounted at /mnt/part" in error(mounted)
        assert "it is held by the loop device loop5" in error(looped)
        assert only(last).changes == (f"zfs destroy {volume}",)

    def test_a_grow_that_was_written_to_is_not_undone(self, bench: Bench) -> None:
        (volume,) = ready(bench, "v", size="16M")

        grown = bench.do("zfs_resize", {"dataset": volume, "size": "32M"})
        shell(bench, f"head -c 65536 /dev/urandom | dd of=/dev/zvol/{volume} bs=64k seek=300 conv=notrunc,fsync")
        (back,) = bench.undo(grown)

        assert "data may lie behind that by now: it was written to" in back.error
        assert bench.property(volume, "volsize")[0] == str(32 << 20)
