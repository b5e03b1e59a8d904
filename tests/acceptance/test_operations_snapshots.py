"""The suite of snapshots and names on the real kernel."""

from __future__ import annotations

import pytest

from tests.operations.bench import Bench
from tests.operations.suite_snapshots import SnapshotsSuite, only, shell, volumes

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(SnapshotsSuite):
    def test_a_newer_bookmark_is_named_and_goes_only_if_that_is_forced(self, bench: Bench) -> None:
        # Not in the suite: the simulated head has no bookmarks.
        (a,) = volumes(bench, "a")
        shell(bench, "snapshot", f"{a}@1")
        shell(bench, "snapshot", f"{a}@2")
        shell(bench, "bookmark", f"{a}@2", f"{a}#b")
        shell(bench, "destroy", f"{a}@2")

        refused = only(bench.do("zfs_rollback", {"snapshot": f"{a}@1"}))
        forced = only(bench.do("zfs_rollback", {"snapshot": f"{a}@1", "force": ["snapshots"]}))

        assert f"it has the newer {a}#b" in refused.error
        assert not forced.error
        assert f"lost: {a}#b" in forced.changes

    def test_what_was_written_a_moment_ago_is_rolled_back_as_well(self, bench: Bench) -> None:
        # Not in the suite: what is written to the simulated head is on its disk at once. Here, as with an initiator's
        # writes, it counts as `written` some seconds later, unless the device is closed or the pool is synced.
        (a,) = volumes(bench, "a")
        shell(bench, "snapshot", f"{a}@1")
        bench.do("wait_for_device", {"dataset": a})
        script = (
            f"exec 5<>/dev/zvol/{a}; head -c 65536 /dev/urandom | dd of=/dev/fd/5 bs=64k iflag=fullblock "
            "oflag=direct conv=notrunc 2>/dev/null; sleep 60 >/dev/null 2>&1 </dev/null & echo $!"
        )
        pid = bench.eyes.run(["sh", "-ec", script])[1].strip()

        done = only(bench.do("zfs_rollback", {"snapshot": f"{a}@1", "force": ["holders"]}))
        bench.eyes.run(["kill", pid])

        assert done.changes[:1] == (f"zfs rollback {a}@1",), done
