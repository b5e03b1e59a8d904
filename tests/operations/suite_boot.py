"""What every head must do so that it serves its LUNs again after a boot."""

from __future__ import annotations

from lunops.model import Status
from tests.operations.bench import Bench

UNIT = "rtslib-fb-targetctl.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/lunops.conf"
PROGRAM = "/usr/local/lib/lunops/wait-for-volumes"


def after(bench: Bench) -> list[str]:
    """Return what the unit that restores the targets is ordered after, by systemd itself."""
    _code, out = bench.eyes.run(["systemctl", "show", "-p", "After", UNIT])
    return out.strip().removeprefix("After=").split()


def forget(bench: Bench) -> None:
    """Take away what an earlier test left."""
    bench.do("boot_order", {"state": "absent"})


class BootSuite:
    """Inherit it, and give it a fixture `bench`."""

    def test_the_boot_order_is_told_in_check_mode_made_once_and_undone(self, bench: Bench) -> None:
        forget(bench)

        told = bench.do("boot_order", {}, check=True)
        untouched = bench.eyes.exists(DROP_IN), bench.eyes.exists(PROGRAM)
        made = bench.do("boot_order", {"wait_s": 90})
        after_made = after(bench)
        text = bench.eyes.read(DROP_IN)
        again = bench.do("boot_order", {"wait_s": 90})
        (undone,) = bench.undo(made)

        assert told.status is Status.CHANGED
        assert f"+++ {DROP_IN}" in told.items[0].changes
        assert "+After=zfs-import.target" in told.items[0].changes
        assert untouched == (False, False)
        assert made.status is Status.CHANGED, made
        assert "zfs-import.target" in after_made
        assert f"{PROGRAM} 90\n" in text
        assert again.status is Status.OK
        assert undone.status is Status.CHANGED
        assert not bench.eyes.exists(DROP_IN)
        assert not bench.eyes.exists(PROGRAM)
        assert "zfs-import.target" not in after(bench)

    def test_a_changed_wait_is_shown_as_a_difference_and_undo_brings_back_the_old_one(self, bench: Bench) -> None:
        forget(bench)
        bench.do("boot_order", {"wait_s": 90})
        before = bench.eyes.read(DROP_IN)

        changed = bench.do("boot_order", {"wait_s": 60})
        text = bench.eyes.read(DROP_IN)
        bench.undo(changed)

        assert any(line.startswith("-ExecStartPre") and line.endswith(" 90") for line in changed.items[0].changes)
        assert text.endswith(" 60\n")
        assert bench.eyes.read(DROP_IN) == before

    def test_what_a_person_has_changed_since_is_not_undone(self, bench: Bench) -> None:
        forget(bench)
        made = bench.do("boot_order", {})
        bench.eyes.put(DROP_IN, "# mine\n")

        (undone,) = bench.undo(made)
        text = bench.eyes.read(DROP_IN)
        back = bench.do("boot_order", {})

        assert undone.status is Status.FAILED
        assert "no longer as this run left it" in undone.error
        assert undone.left_behind == (f"rm {DROP_IN} && systemctl daemon-reload",)
        assert text == "# mine\n"
        assert "-# mine" in back.items[0].changes

    def test_absent_takes_it_away_and_again_changes_nothing(self, bench: Bench) -> None:
        bench.do("boot_order", {})

        gone = bench.do("boot_order", {"state": "absent"})
        again = bench.do("boot_order", {"state": "absent"})

        assert gone.status is Status.CHANGED
        assert again.status is Status.OK
        assert not bench.eyes.exists(DROP_IN)
        assert not bench.eyes.exists(PROGRAM)

    def test_a_unit_that_is_disabled_is_enabled_and_undo_disables_it_again(self, bench: Bench) -> None:
        bench.eyes.run(["systemctl", "disable", UNIT])

        made = bench.do("boot_order", {})
        state = bench.eyes.run(["systemctl", "show", "-p", "UnitFileState", UNIT])[1]
        bench.undo(made)
        state_after = bench.eyes.run(["systemctl", "show", "-p", "UnitFileState", UNIT])[1]
        bench.eyes.run(["systemctl", "enable", UNIT])

        assert f"systemctl enable {UNIT}" in made.items[0].changes
        assert state == "UnitFileState=enabled\n"
        assert state_after == "UnitFileState=disabled\n"
