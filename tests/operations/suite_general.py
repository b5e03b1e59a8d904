"""What the modules that are not about storage do on every head, the simulated one and the real one alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from lunops.model import ItemResult, Status
from tests.operations.bench import Bench

OK, CHANGED, FAILED, UNKNOWN = Status.OK, Status.CHANGED, Status.FAILED, Status.UNKNOWN


def one(bench: Bench, module: str, args: dict[str, Any], **options: Any) -> ItemResult:
    """Do one item."""
    (item,) = bench.do(module, args, **options).items
    return item


class GeneralSuite:
    """Inherit it, and give it a fixture `bench`."""

    @pytest.fixture
    def folder(self, bench: Bench) -> Iterator[str]:
        """A folder on the head that is the test's own."""
        path = f"/tmp/lunops-{bench.test}"
        one(bench, "file", {"path": path, "state": "directory", "mode": "0750"})
        yield path
        one(bench, "file", {"path": path, "state": "absent", "recurse": True})

    def test_a_file_is_put_there_once_and_taken_back(self, bench: Bench, folder: str) -> None:
        args = {"content": "a\nb\n", "dest": f"{folder}/x", "mode": "0640", "owner": "root", "group": 0}
        would = bench.do("copy", args, check=True)
        done = bench.do("copy", args)

        assert would.items[0].changes == done.items[0].changes == (f"write {folder}/x (4 bytes)",)
        assert bench.eyes.read(f"{folder}/x") == "a\nb\n"
        assert one(bench, "copy", args).status is OK
        found = one(bench, "stat", {"path": f"{folder}/x"}).data["stat"]
        assert (found["mode"], found["pw_name"], found["gid"], found["size"]) == ("0640", "root", 0, 4)
        assert found["checksum"] == done.items[0].data["checksum"]
        changed = bench.do("copy", {**args, "content": "c"})
        assert changed.items[0].data["diff"][-3:] == ["-a", "-b", "+c\\ No newline at end of file"]
        (undone,) = bench.undo(done, changed)
        assert undone.status is CHANGED
        assert not bench.eyes.exists(f"{folder}/x")

    def test_bytes_that_are_no_text_arrive_as_they_are(self, bench: Bench, folder: str) -> None:
        text = "\u00e9\u4e2d\U0001f4a9"
        one(bench, "copy", {"content": text, "dest": f"{folder}/x"})
        assert one(bench, "command", {"argv": ["cat", f"{folder}/x"]}).data["stdout"] == text

    def test_folders_and_links_come_and_go(self, bench: Bench, folder: str) -> None:
        made = bench.do("file", {"path": f"{folder}/a/b", "state": "directory"})
        one(bench, "copy", {"content": "1", "dest": f"{folder}/a/f"})
        assert one(bench, "file", {"path": f"{folder}/l", "src": f"{folder}/a/f", "state": "link"}).status is CHANGED
        assert one(bench, "file", {"path": f"{folder}/l", "src": f"{folder}/a/f"}).status is OK
        assert one(bench, "stat", {"path": f"{folder}/l"}).data["stat"]["lnk_source"] == f"{folder}/a/f"
        assert "is not empty" in one(bench, "file", {"path": f"{folder}/a", "state": "absent"}).error
        (undone,) = bench.undo(made)  # not what another has put something into
        assert undone.left_behind == (f"rm -d {folder}/a",)
        assert not bench.eyes.exists(f"{folder}/a/b")
        assert one(bench, "file", {"path": f"{folder}/a", "state": "absent", "recurse": True}).status is CHANGED
        assert one(bench, "stat", {"path": f"{folder}/a"}).data == {"stat": {"exists": False}}

    def test_where_a_dataset_belongs_is_never_removed(self, bench: Bench, folder: str) -> None:
        mountpoint = f"{folder}/mnt/data"
        bench.do("zfs_filesystem", {"dataset": bench.folder, "create_parent": True})
        bench.do("zfs_set", {"dataset": bench.folder, "properties": {"canmount": "noauto", "mountpoint": mountpoint}})
        bench.do("file", {"path": mountpoint, "state": "directory"})
        item = one(bench, "file", {"path": f"{folder}/mnt", "state": "absent", "recurse": True})
        # A real head has mounted the dataset there; a simulated one mounts nothing, and knows where it belongs.
        whys = (f"where {bench.folder} is mounted", f"the mount point of {bench.folder}")
        assert item.error in [f"{mountpoint} is {why}, and is not removed" for why in whys], item
        assert bench.eyes.exists(mountpoint)
        bench.do("zfs_set", {"dataset": bench.folder, "properties": {"mountpoint": "none"}})

    def test_commands_tell_what_came_of_them(self, bench: Bench) -> None:
        item = one(bench, "command", {"argv": ["zfs", "list", "-H", "-o", "name", bench.pool]})
        assert (item.status, item.data["stdout_lines"], item.data["rc"]) == (CHANGED, [bench.pool], 0)
        item = one(bench, "shell", {"cmd": "echo a; false || echo b && exit 4; echo never"})
        assert (item.status, item.data["stdout"], item.data["rc"]) == (FAILED, "a\nb", 4)
        assert one(bench, "command", {"cmd": "cat", "stdin": "x y"}).data["stdout"] == "x y"

    def test_check_mode_runs_no_command_but_the_one_that_only_looks(self, bench: Bench, folder: str) -> None:
        args = {"cmd": f"touch {folder}/x"}
        assert one(bench, "command", args, check=True).status is UNKNOWN
        assert one(bench, "command", {**args, "creates": f"{folder}/x"}, check=True).status is CHANGED
        probed = {**args, "check": f"test -e {folder}/x"}
        assert one(bench, "command", probed, check=True).status is CHANGED
        assert not bench.eyes.exists(f"{folder}/x")
        assert one(bench, "command", probed).status is CHANGED
        assert bench.eyes.exists(f"{folder}/x")
        assert one(bench, "command", probed).status is OK
        assert one(bench, "command", {**args, "creates": f"{folder}/*"}).status is OK

    def test_a_command_that_takes_too_long_is_stopped(self, bench: Bench) -> None:
        begun = time.monotonic()
        item = one(bench, "command", {"cmd": "sleep 60"}, timeout_s=1.0)
        assert item.status is FAILED
        assert "the task's time was over" in item.error
        assert item.data["left"] == []
        assert time.monotonic() - begun < 30

    def test_facts_tell_the_head_and_its_pools(self, bench: Bench) -> None:
        facts = one(bench, "facts", {}).data["ansible_facts"]
        assert facts["ansible_os_family"] == "Debian"
        assert facts["ansible_kernel"] == one(bench, "command", {"cmd": "uname -r"}).data["stdout"]
        assert facts["ansible_memtotal_mb"] > 0
        pool = facts["lunops_pools"][bench.pool]
        assert pool["health"] == "ONLINE"
        assert 0 < pool["free_bytes"] <= pool["size_bytes"]
        assert facts["lunops_zfs_version"].startswith("2.")
        assert "zfs" in facts["lunops_target"]["modules"]
        assert facts["lunops_target"]["service"].endswith(".service")

    def test_a_port_that_targets_are_served_at_is_not_waited_for(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.create([lun])
        assert one(bench, "wait_for", {"port": 3260, "timeout": 20}).status is OK
        path = {"path": f"/dev/zvol/{lun.dst}", "timeout": 1}
        assert one(bench, "wait_for", path).status is OK
        assert "Timeout" in one(bench, "wait_for", {**path, "state": "absent"}).error
        assert one(bench, "wait_for", {**path, "state": "absent"}, check=True).status is UNKNOWN
