"""A head whose plug is pulled serves every LUN again, also those whose device is late or whose link udev has lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import lab
from tests.acceptance.eyes import LabEyes
from tests.operations.bench import ISCSI, Bench
from tests.operations.suite_boot import UNIT

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]

COUNT = 24
LOST = "n0[0-5]"  # the links that udev does not make by itself
RULE = "/etc/udev/rules.d/61-lunops-test.rules"
# As if the event had been lost: nothing is linked for `add`; a change event brings the link.
RULE_TEXT = (
    'ACTION=="add", KERNEL=="zd*", SUBSYSTEM=="block", PROGRAM=="/lib/udev/zvol_id $devnode", '
    f'RESULT=="*/{LOST}", SYMLINK=""\n'
)
_SERVED = f"""
cd {ISCSI} 2>/dev/null || exit 0
for target in iqn.*; do
    [ "$(cat $target/tpgt_1/enable 2>/dev/null)" = 1 ] || continue
    for lun in $target/tpgt_1/lun/lun_0/*/udev_path; do [ -b "$(cat $lun)" ] && echo $target; done
done
"""


def served(eyes: LabEyes) -> set[str]:
    """Return the IQNs of the enabled targets with a LUN whose device is there."""
    return set(eyes.run(["sh", "-c", _SERVED])[1].split())


def restored(eyes: LabEyes) -> None:
    """Wait until the head has booted so far that its targets were restored."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        code, out = eyes.run(["systemctl", "show", "-p", "ActiveState", UNIT])
        if code == 0 and out.strip() == "ActiveState=active":
            return
        time.sleep(1)
    raise AssertionError(f"{UNIT} did not become active within 300 s")


@pytest.fixture
def lossy(bench: Bench) -> Iterator[LabEyes]:
    """The head, on which udev loses links until the test is over."""
    assert isinstance(bench.eyes, LabEyes)
    yield bench.eyes
    bench.eyes.shell(f"rm -f {RULE}; udevadm control --reload; udevadm trigger --settle --subsystem-match=block")


def test_a_head_that_lost_its_power_serves_every_lun_again_although_udev_loses_links(
    bench: Bench, lossy: LabEyes
) -> None:
    eyes = lossy
    luns = bench.luns(COUNT)
    wanted = {lun.wwn for lun in luns}
    created = bench.create(luns)
    assert not created.is_bad, created
    bench.do("boot_order", {"state": "absent"})
    eyes.put(RULE, RULE_TEXT)

    # Without it, the volumes are there and their links are not: those LUNs are lost. Shown by a restart of the unit.
    folder = f"/dev/zvol/{bench.folder}"
    eyes.shell(f"udevadm control --reload; rm {folder}/{LOST}; systemctl restart {UNIT}")
    without = served(eyes) & wanted
    bench.do("boot_order", {"wait_s": 60})
    eyes.shell(f"systemctl restart {UNIT}")
    with_it = served(eyes) & wanted
    bench.close()

    lab("poweroff", bench.host.name)
    lab("start", bench.host.name)
    restored(eyes)
    after_boot = served(eyes) & wanted
    said = eyes.run(["journalctl", "-b", "-u", UNIT, "-o", "cat"])[1]
    bench.do("boot_order", {"state": "absent"})
    deleted = bench.delete(luns)

    assert len(without) == COUNT - 6
    assert with_it == wanted
    assert after_boot == wanted, said
    assert f"for {COUNT} volumes" in said
    assert not deleted.is_bad, deleted
