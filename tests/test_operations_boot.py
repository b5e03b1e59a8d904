"""The boot order on the simulated head."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lunops.agent import boot_wait
from lunops.model import Status
from lunops.sim.faults import Fault, Faults, LostLinks
from tests.operations.bench import Bench
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_boot import DROP_IN, PROGRAM, UNIT, BootSuite


class TestOnASimulatedHead(BootSuite):
    @pytest.mark.parametrize("on", ["systemctl daemon-reload", "replace"])
    def test_what_fails_half_way_is_taken_back(self, bench: Bench, on: str) -> None:
        assert isinstance(bench.eyes, SimEyes)
        fault = Fault(on=on, nth=2 if on == "replace" else 1, stderr="Connection timed out")
        bench.eyes.system.set_faults(Faults(faults=(fault,)))

        result = bench.do("boot_order", {})

        assert result.status is Status.FAILED
        assert not bench.eyes.exists(DROP_IN)
        assert not bench.eyes.exists(PROGRAM)
        assert result.items[0].rolled_back

    def test_volumes_that_are_late_or_whose_link_udev_lost_are_waited_for_at_boot(self, bench: Bench) -> None:
        assert isinstance(bench.eyes, SimEyes)
        luns = bench.luns(4)
        bench.create(luns)
        bench.eyes.system.set_faults(Faults(lost_links=LostLinks(names=(luns[2].dst,))))

        without = bench.eyes.system.reboot(late=[luns[1].dst])
        served = [lun for lun in luns if bench.is_served(lun)]
        bench.do("boot_order", {})
        with_it = bench.eyes.system.reboot(late=[luns[1].dst])

        assert len(served) == 2
        assert without
        assert with_it == ()
        assert [lun for lun in luns if not bench.is_served(lun)] == []

    def test_a_unit_that_is_ended_after_a_time_is_not_made_to_wait(self, bench: Bench) -> None:
        assert isinstance(bench.eyes, SimEyes)
        bench.eyes.system.make_dirs(DROP_IN.rsplit("/", 1)[0])
        bench.eyes.put(DROP_IN.replace("lunops", "mine"), "[Service]\nTimeoutStartSec=1min 30s\n")
        bench.eyes.run(["systemctl", "daemon-reload"])

        result = bench.do("boot_order", {})

        assert "is ended after 1min 30s (TimeoutStartSec)" in result.items[0].error
        assert not bench.eyes.exists(DROP_IN)

    def test_a_head_without_such_a_unit_is_told_so(self, bench: Bench) -> None:
        assert isinstance(bench.eyes, SimEyes)
        bench.eyes.system.set_faults(
            Faults(faults=(Fault(on="systemctl show", stderr="System has not been booted with systemd"),))
        )

        result = bench.do("boot_order", {})

        assert "systemd cannot be asked: System has not been booted with systemd" in result.items[0].error
        assert UNIT not in result.items[0].error


def test_the_volumes_to_wait_for_are_those_of_saveconfig_each_once() -> None:
    text = """{"storage_objects": [
        {"dev": "/dev/zvol/p/a", "name": "x"}, {"dev": "/dev/zvol/p/a"}, {"dev": "/dev/sdb"}, {"name": "ram"},
        {"dev": "/dev/zvol/p/../../etc"}, {"dev": "/dev/zvol/p/b c"}, "odd"]}"""

    assert boot_wait.volumes(text) == ["p/a", "p/b c"]


@pytest.mark.parametrize("seconds", ["0.5", "no number"])
def test_the_program_ends_in_time_and_never_fails(seconds: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(Path(boot_wait.__file__)), seconds],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout
