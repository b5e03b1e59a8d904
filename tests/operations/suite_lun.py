"""A LUN as a whole, clone and export in one item, on every head."""

from __future__ import annotations

from typing import Any

from lunops.model import Status
from tests.operations.bench import Bench, Lun

OK, CHANGED, FAILED = Status.OK, Status.CHANGED, Status.FAILED


def args(bench: Bench, lun: Lun, **more: Any) -> dict[str, Any]:
    """Return what one of these LUNs is made of."""
    return {
        **{"src": bench.golden, "dst": lun.dst, "wwn": lun.wwn, "initiators": list(lun.initiators)},
        **{"create_parent": True, **more},
    }


class LunSuite:
    """Inherit it, and give it a fixture `bench`."""

    def test_a_batch_is_cloned_and_exported_by_one_task_and_the_second_time_nothing_is_done(self, bench: Bench) -> None:
        luns = bench.luns(3)
        batch = [args(bench, lun, properties={"compression": "off"}) for lun in luns]

        would = bench.do("lun", *batch, check=True, run="r")
        assert [bench.traces(lun) for lun in luns] == [[], [], []]
        done = bench.do("lun", *batch, run="r")

        assert {item.status for item in (*would.items, *done.items)} == {CHANGED}
        assert [lun for lun in luns if not bench.is_served(lun)] == []
        assert any(line.startswith("zfs clone ") and bench.golden in line for line in would.items[0].changes), (
            would.items[0]
        )
        assert any(luns[0].wwn in line for line in would.items[0].changes)
        assert bench.do("lun", *batch).status is OK
        assert bench.do("lun", *batch, check=True).status is OK

    def test_an_undo_takes_all_of_it_back(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        done = bench.do("lun", args(bench, lun), run="r")

        (undone,) = bench.undo(done)

        assert undone.status is CHANGED
        assert bench.traces(lun) == []
        assert bench.datasets() == {}

    def test_what_fails_half_way_leaves_nothing_and_the_others_go_on(self, bench: Bench) -> None:
        good, bad, other = bench.luns(3)
        bench.do("lun", args(bench, other))
        # The same IQN for another clone: the clone can be made, the target cannot.
        twin = {**args(bench, bad), "wwn": other.wwn}

        result = bench.do("lun", args(bench, good), twin, run="r")

        by_key = {item.key: item for item in result.items}
        assert by_key[bad.dst].status is FAILED, by_key
        assert by_key[good.dst].status is CHANGED
        assert f"zfs destroy {bad.dst}" in by_key[bad.dst].rolled_back, by_key[bad.dst]
        assert bad.dst not in bench.datasets()
        assert bench.is_served(good)
        assert bench.is_served(other)

    def test_absent_takes_the_target_away_and_the_clone_only_if_that_is_said(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.do("lun", args(bench, lun))
        gone = {"state": "absent", "dst": lun.dst, "wwn": lun.wwn}

        assert bench.do("lun", gone, check=True).status is CHANGED
        assert bench.is_served(lun)
        unshared = bench.do("lun", gone)
        assert unshared.status is CHANGED
        assert bench.traces(lun) == ["zfs", "device"]
        assert bench.do("lun", gone).status is OK
        bench.undo(unshared)
        assert bench.is_served(lun)
        deleted = bench.do("lun", {**gone, "delete_clone": True})
        assert f"zfs destroy {lun.dst}" in deleted.items[0].changes
        assert bench.traces(lun) == []
        assert bench.record(lun) is None
        assert bench.do("lun", {**gone, "delete_clone": True}).status is OK
