"""What every head must hold to when several work on it at once: nothing is lost, and who is waited for is named."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lunops.connections import Timeouts, connect
from lunops.model import Plan, RunResult, Status
from lunops.runner import run_plan
from tests.operations.bench import ISCSI, Bench, items


def at_once(plans: list[Plan]) -> list[RunResult]:
    """Run the plans side by side, each over a session and an agent of its own, as two controllers would."""
    with ThreadPoolExecutor(max_workers=len(plans)) as pool:
        return list(pool.map(lambda plan: run_plan(plan, connect=connect), plans))


class LocksSuite:
    """Inherit it, and give it a fixture `bench`."""

    def test_two_controllers_that_make_different_luns_lose_none(self, bench: Bench) -> None:
        luns = bench.luns(8)

        results = at_once([bench.create_plan(luns[:4]), bench.create_plan(luns[4:])])
        served = [lun for lun in luns if bench.is_served(lun)]
        recorded = [lun for lun in luns if bench.record(lun)]
        saved = bench.saved()
        deleted = at_once([bench.delete_plan(luns[:4]), bench.delete_plan(luns[4:])])

        assert [result for result in results if result.is_bad] == []
        assert served == recorded == luns
        names = [one["name"] for one in saved["storage_objects"]]
        assert len(names) == len(set(names))
        assert [result for result in deleted if result.is_bad] == []
        assert [trace for lun in luns for trace in bench.traces(lun)] == []

    def test_two_controllers_that_make_the_very_same_luns_make_each_once(self, bench: Bench) -> None:
        luns = bench.luns(3)

        results = at_once([bench.create_plan(luns), bench.create_plan(luns)])
        served = [lun for lun in luns if bench.is_served(lun)]
        saved = [one["wwn"] for one in bench.saved()["targets"]]
        again = bench.create(luns)
        bench.delete(luns)

        ended = [items(result, "lio_target")[lun.dst].status for result in results for lun in luns]
        assert set(ended) <= {Status.CHANGED, Status.OK}, results
        changes = [line for result in results for lun in luns for line in items(result, "zfs_clone")[lun.dst].changes]
        clones = [line for line in changes if line.startswith("zfs clone ")]
        assert sorted(clones) == [f"zfs clone {bench.golden} {lun.dst}" for lun in luns]  # the other took it as it was
        assert served == luns
        assert [saved.count(lun.wwn) for lun in luns] == [1] * len(luns)
        assert not again.is_changed, again

    def test_one_that_deletes_what_another_makes_leaves_each_lun_whole_or_not_at_all(self, bench: Bench) -> None:
        luns = bench.luns(3)
        bench.create(luns)

        results = at_once([bench.delete_plan(luns), bench.create_plan(luns)])
        halves = [lun for lun in luns if not bench.is_served(lun) and "target" in bench.traces(lun)]
        made = bench.create(luns)
        served = [lun for lun in luns if bench.is_served(lun)]
        bench.delete(luns)

        assert halves == [], results
        assert not made.is_bad, made
        assert served == luns

    def test_the_luns_of_a_run_are_its_own_until_it_is_over(self, bench: Bench) -> None:
        mine, free = bench.luns(2)
        other = connect(bench.host, timeouts=Timeouts(lock_wait_s=0.5))

        bench.session().run(bench.create_plan([mine]).heads[0].tasks[0])  # it goes on: its session is not let go
        refused = other.run(bench.create_plan([mine, free]).heads[0].tasks[0])
        bench.session().let_go()
        taken = other.run(bench.create_plan([mine]).heads[0].tasks[0])
        other.close()
        bench.delete([mine, free])

        by_key = {item.key: item for item in refused.items}
        assert (by_key[mine.dst].status, by_key[mine.dst].busy) == (Status.FAILED, True)
        assert f"another run is at {mine.dst}: pid " in by_key[mine.dst].error
        assert (by_key[free.dst].status, by_key[free.dst].busy) == (Status.CHANGED, False)
        assert [item.busy for item in taken.items] == [False]
        assert [trace for lun in (mine, free) for trace in bench.traces(lun)] == []

    def test_a_reconcile_of_the_whole_head_leaves_alone_what_another_run_is_at(self, bench: Bench) -> None:
        taken, free = luns = bench.luns(2)
        bench.create(luns)
        flag = "{}/{}/tpgt_1/attrib/prod_mode_write_protect"
        for lun in luns:
            bench.eyes.write(flag.format(ISCSI, lun.wwn), "1")
        other = connect(bench.host)
        other.run(bench.create_plan([taken]).heads[0].tasks[0])  # it goes on, and has the LUN for its own

        left = bench.do("reconcile", {})
        flags = [bench.eyes.read(flag.format(ISCSI, lun.wwn)).strip() for lun in luns]
        other.close()
        mended = bench.do("reconcile", {})
        after = bench.eyes.read(flag.format(ISCSI, taken.wwn)).strip()
        bench.delete(luns)

        assert left.status is Status.FAILED
        assert f"another run is at {taken.dst}: pid " in left.items[0].error
        assert free.dst not in left.items[0].error
        assert (flags, after) == (["1", "0"], "0")
        assert mended.status is Status.CHANGED

    @pytest.mark.parametrize("lock", ["/run/lock/lunops-lio.lock", "/var/run/targetcli.lock"])
    def test_a_lock_that_is_not_free_in_time_is_an_error_that_names_pid_and_command(
        self, bench: Bench, lock: str
    ) -> None:
        (lun,) = bench.luns(1)

        with bench.eyes.hold_lock(lock):
            result = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn}, timeout_s=1.0)
        after = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn})

        assert result.status is Status.FAILED
        error = result.items[0].error
        assert re.search(r"LIO is locked: pid \d+ \(\S.*\) held \S+\.lock", error), error
        assert lock.rsplit("/", 1)[-1] in error
        assert "end that process" in result.items[0].fix
        assert after.status is Status.OK
        assert not bench.eyes.exists(f"{ISCSI}/{lun.wwn}")
