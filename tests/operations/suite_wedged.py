"""What every head must do with the mark of a kernel that hangs: refuse LIO work while its process is there."""

from __future__ import annotations

import json
from pathlib import Path

from lunops.model import Status
from tests.operations.bench import Bench, items
from tests.operations.sim_eyes import SimEyes

MARK = "/run/lunops/wedged.json"


def start_of_pid_1(bench: Bench) -> str:
    """Return when the first process of the head began; a simulated head's are those of this machine."""
    text = Path("/proc/1/stat").read_text() if isinstance(bench.eyes, SimEyes) else bench.eyes.read("/proc/1/stat")
    return text.rpartition(")")[2].split()[19]


def put_mark(bench: Bench, *, pid: int, start: str) -> None:
    if not bench.eyes.exists("/run/lunops"):
        bench.eyes.mkdir("/run/lunops")
    mark = {"pid": pid, "start": start, "step": "rmdir iscsi/iqn.x", "since": 1767225600.0}
    bench.eyes.put(MARK, json.dumps(mark))


class WedgedSuite:
    """Inherit it, and give it a fixture `bench`."""

    def test_a_mark_of_a_process_that_exists_refuses_lio_work_and_begins_nothing(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        put_mark(bench, pid=1, start=start_of_pid_1(bench))

        result = bench.create([lun])
        looked = bench.do("wait_for_device", {"dataset": bench.golden.split("@")[0]})
        bench.eyes.unlink(MARK)

        assert all(task.status in (Status.FAILED, Status.SKIPPED) for task in result.tasks)
        (failed,) = [task for task in result.tasks if task.status is Status.FAILED]
        assert failed.wedged
        assert "wedged since 2026-01-01 00:00:00 UTC: pid 1 hangs in the kernel, at rmdir iscsi/iqn.x" in failed.error
        assert "reboot the head" in failed.fix
        assert bench.traces(lun) == []
        assert looked.status is Status.OK  # what touches no LIO goes on

    def test_a_session_that_was_there_before_the_mark_is_refused_as_well(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.session()
        put_mark(bench, pid=1, start=start_of_pid_1(bench))

        result = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn})
        bench.eyes.unlink(MARK)

        assert result.wedged
        assert result.status is Status.FAILED
        assert "wedged since" in result.items[0].error

    def test_a_mark_of_a_process_that_is_gone_is_removed_and_work_goes_on(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        put_mark(bench, pid=1, start="1" + start_of_pid_1(bench))  # the number is another process's now

        result = bench.create([lun])

        assert not result.is_bad, result
        assert items(result, "lio_target")[lun.dst].status is Status.CHANGED
        assert not bench.eyes.exists(MARK)
        bench.delete([lun])

    def test_a_mark_that_cannot_be_read_is_no_leave_to_work(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        put_mark(bench, pid=1, start="0")
        bench.eyes.put(MARK, "{")

        result = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn})
        bench.eyes.unlink(MARK)

        assert "is not what lunops writes" in result.error
        assert result.wedged
