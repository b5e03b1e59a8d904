"""What the relay costs between two real heads, beside zfs send and receive over ssh by hand: `make bench`."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.acceptance.eyes import LabEyes
from tests.acceptance.test_operations_sending import NAMES, pair
from tests.operations.pair import MIB, Pair

__all__ = ["pair"]

pytestmark = pytest.mark.lab

_MEASURED_BYTES = 64 * MIB


def test_the_relay_moves_bytes_about_as_fast_as_ssh_by_hand(pair: Pair, eyes: dict[str, LabEyes]) -> None:
    image = pair.image(_MEASURED_BYTES)
    first, second = eyes[NAMES[0]], eyes[NAMES[1]]
    rates = {"by hand": [0.0], "lunops": [0.0]}
    for turn in range(2):
        by_hand, ours = f"{pair.folder}/hand{turn}", f"{pair.folder}/ours{turn}"
        second.run(["zfs", "create", "-p", pair.folder])
        begun = time.monotonic()
        out = subprocess.Popen([*first._ssh, f"zfs send -Lec {image}@1"], stdout=subprocess.PIPE)
        subprocess.run([*second._ssh, f"zfs receive -s -u {by_hand}"], stdin=out.stdout, check=True, timeout=600)
        out.communicate(timeout=60)
        rates["by hand"].append(_MEASURED_BYTES / MIB / (time.monotonic() - begun))
        result = pair.send(pair.args(f"{image}@1", ours))
        rates["lunops"].append(_MEASURED_BYTES / MIB / result.items[0].data["seconds"])
    told = {name: max(values) for name, values in rates.items()}
    print(f"\nMiB/s: {told}, ratio {told['lunops'] / told['by hand']:.2f}")
    assert min(told.values()) > 0
