"""An image replicated between real heads: the same bytes there, and LUNs made of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lunops.inventory import Inventory
from tests.acceptance.conftest import lab
from tests.acceptance.eyes import LabEyes
from tests.acceptance.test_operations_sending import NAMES, pair
from tests.operations.bench import Bench
from tests.operations.pair import MIB, Pair

__all__ = ["pair"]

pytestmark = pytest.mark.lab

_BYTES = 24 * MIB


def test_the_playbook_brings_the_same_bytes_and_luns_are_made_of_them(
    pair: Pair, inventory: Inventory, eyes: dict[str, LabEyes], tmp_path: Path
) -> None:
    image = pair.image(_BYTES)
    (tmp_path / "inventory").write_text(lab("inventory"))
    variables = {"image": f"{image}@1", "to": [NAMES[1]], "name": f"suite/{pair.destination.test}/img"}
    words = ["run", "replicate-image.yml", "-i", str(tmp_path / "inventory"), "-e", json.dumps(variables), "--json"]
    destination = f"{pair.folder}/img"

    done = subprocess.run(
        [sys.executable, "-m", "lunops", *words], stdout=subprocess.PIPE, text=True, timeout=600, check=False
    )

    assert done.returncode == 0, done.stdout
    sums = []
    for bench, dataset in ((pair.source, image), (pair.destination, destination)):
        path = f"/dev/zvol/{dataset}"
        script = f"for i in $(seq 200); do test -b {path} && break; sleep 0.1; done; sha256sum {path}"
        sums.append(eyes[bench.host.name].shell(script).split()[0])
    assert sums[0] == sums[1]
    there = Bench(host=pair.destination.host, eyes=pair.destination.eyes, inventory=inventory, test="fromcopy")
    (lun,) = there.luns(1)
    made = there.create([lun], src=f"{destination}@1")
    content = eyes[NAMES[1]].shell(f"sha256sum /dev/zvol/{lun.dst}").split()[0]
    gone = there.delete([lun])
    there.close()
    assert not made.is_bad, made
    assert content == sums[0]
    assert not gone.is_bad, gone
