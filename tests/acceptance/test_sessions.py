"""An initiator that is logged in and at work feels nothing of what is done to the head's other LUNs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lunops.model import RunResult, TaskResult
from tests.acceptance.busy import BusyInitiator
from tests.acceptance.eyes import LabEyes
from tests.operations.bench import ISCSI, Bench, Lun

pytestmark = pytest.mark.lab

MANY = 50


def session_of(bench: Bench, lun: Lun) -> str:
    """Return the kernel's number of the LUN's session; a session that was dropped and begun anew has another one."""
    found = re.search(
        r"LIO Session ID: (\d+)", bench.eyes.read(f"{ISCSI}/{lun.wwn}/tpgt_1/acls/{lun.initiators[0]}/info")
    )
    assert found, "nobody is logged in"
    return found[1]


def break_some(bench: Bench, luns: list[Lun]) -> TaskResult:
    """Take a layer of some LUNs away behind lunops' back, for reconcile to mend; return what drift says."""
    for lun in luns:
        bench.eyes.run(["sh", "-c", f"echo 0 > {ISCSI}/{lun.wwn}/tpgt_1/enable; rm -f /dev/zvol/{lun.dst}"])
    result = bench.do("drift", {})
    assert {each["dataset"] for each in result.items[0].data} == {lun.dst for lun in luns}
    return result


def is_bad(result: RunResult | TaskResult) -> bool:
    return result.is_bad if isinstance(result, RunResult) else result.status.is_bad


def test_no_operation_on_other_luns_touches_a_session_at_work(bench: Bench) -> None:
    used, *others = bench.luns(MANY + 1)
    assert not bench.create([used]).is_bad
    assert isinstance(bench.eyes, LabEyes)

    with BusyInitiator(bench.eyes.head.portal, used.wwn, used.initiators[0]) as busy:
        busy.wait_for(3)
        session = session_of(bench, used)
        steps: list[Callable[[], RunResult | TaskResult]] = [
            lambda: bench.create(others),
            lambda: bench.create([used]),
            lambda: break_some(bench, others[:5]),
            lambda: bench.do("reconcile", {}),
            lambda: bench.do("drift", {}),
            lambda: bench.delete(others),
        ]
        for step in steps:
            before = busy.rounds
            result = step()
            busy.wait_for(1)
            assert not is_bad(result), result
            assert busy.rounds > before, "no I/O was done meanwhile: this shows nothing"
            if isinstance(result, TaskResult) and result.module == "reconcile":
                assert [lun for lun in others if not bench.is_served(lun)] == []
        bench.eyes.shell("targetcli saveconfig >/dev/null")
        busy.wait_for(3)
        still = session_of(bench, used)

    assert busy.wrong == ""
    assert still == session
    assert [lun for lun in others if bench.traces(lun)] == []
    assert bench.is_served(used)
    assert not bench.delete([used]).is_bad
