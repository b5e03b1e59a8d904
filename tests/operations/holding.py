"""Having a volume's device held, and asking an initiator for its size, on either kind of head."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from lunops.sim.holders import How
from tests.acceptance.eyes import LabEyes
from tests.operations.bench import ISCSI, Bench, Lun
from tests.operations.sim_eyes import SimEyes

# What begins to hold a volume's device, and what ends it; DEVICE, NAME and SECTORS are filled in.
_SCRIPTS = {
    "mounted": ("mkfs.ext4 -qF DEVICE; mkdir -p 'NAME'; mount DEVICE 'NAME'", "umount 'NAME'; rmdir 'NAME'"),
    "swap": ("mkswap -q DEVICE; swapon DEVICE", "swapoff DEVICE"),
    "lvm": (
        "dmsetup create NAME --uuid LVM-9f2c --table '0 SECTORS linear DEVICE 0'",
        "dmsetup remove --retry NAME",
    ),
    "multipath": (
        "dmsetup create NAME --uuid mpath-360014050000 --table '0 SECTORS linear DEVICE 0'",
        "dmsetup remove --retry NAME",
    ),
    "open": ("NAME < DEVICE >/dev/null 2>&1 & echo $! > /run/lunops-test.pid", "kill $(cat /run/lunops-test.pid)"),
}


@contextlib.contextmanager
def held(bench: Bench, dataset: str, how: How, name: str) -> Iterator[None]:
    """Have a volume's device held while the block runs: mounted at `name`, mapped as `name`, open in command `name`."""
    if isinstance(bench.eyes, SimEyes):
        with bench.eyes.system.holding(dataset, how, name):
            yield
        return
    assert isinstance(bench.eyes, LabEyes)
    begin, end = (
        script.replace("DEVICE", "$D").replace("NAME", name).replace("SECTORS", "$S") for script in _SCRIPTS[how]
    )
    values = f"D=$(readlink -f /dev/zvol/{dataset}); S=$(cat /sys/block/${{D#/dev/}}/size); "
    bench.eyes.shell((values + begin).replace("'0 $S linear $D 0'", '"0 $S linear $D 0"'))
    try:
        yield
    finally:
        bench.eyes.shell(values + end)


def capacity(bench: Bench, lun: Lun) -> int:
    """Return the size that an initiator is told, asked of the head by READ CAPACITY(16)."""
    if isinstance(bench.eyes, LabEyes):
        url = f"iscsi://{bench.eyes.head.portal}/{lun.wwn}/0"
        done = subprocess.run(
            ["iscsi-readcapacity16", "-i", lun.initiators[0], "-s", url],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return int(done.stdout)
    assert bench.eyes.exists(f"{ISCSI}/{lun.wwn}")
    return device_size(bench, lun.dst)


def device_size(bench: Bench, dataset: str) -> int:
    """Return the size of a volume's device."""
    if isinstance(bench.eyes, LabEyes):
        return int(bench.eyes.shell(f"blockdev --getsize64 /dev/zvol/{dataset}"))
    assert isinstance(bench.eyes, SimEyes)
    device = bench.eyes.system.resolve(f"/dev/zvol/{dataset}").rsplit("/", 1)[-1]
    return int(bench.eyes.read(f"/sys/block/{device}/size")) * 512
