"""Find out whether KVM really starts a guest here, or whether TCG has to do."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from tests.lab.cache import lab_folder, say
from tests.lab.errors import LabError
from tests.lab.image import Image
from tests.lab.machine import small_command
from tests.lab.process import boot_id

OVERRIDE = "LUNOPS_LAB_ACCEL"
PROBE_S = 20.0


def find_accel(image: Image) -> str:
    """Return `kvm` if a guest started with it prints its line in time, else `tcg`.

    /dev/kvm alone says nothing: some machines offer it, and a guest then stops at its first instructions.
    The answer is kept until this machine boots again. LUNOPS_LAB_ACCEL overrides it.
    """
    override = os.environ.get(OVERRIDE)
    if override:
        if override not in ("kvm", "tcg"):
            raise LabError(f"{OVERRIDE} is {override!r}", fix="set it to kvm or tcg, or leave it out")
        return override
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    kept = lab_folder() / "accel.json"
    here = [boot_id(), image.key]
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["here"] == here:
            return str(known["accel"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    started = time.monotonic()
    accel = "kvm" if _starts(image, "kvm") else "tcg"
    answer = "starts" if accel == "kvm" else "does not start"
    say(f"a guest {answer} with kvm ({time.monotonic() - started:.1f} s)")
    draft = kept.with_name(f".accel.{os.getpid()}")
    draft.write_text(json.dumps({"here": here, "accel": accel}), encoding="utf-8")
    draft.replace(kept)
    return accel


def _starts(image: Image, accel: str) -> bool:
    try:
        run = subprocess.run(
            small_command(image, accel=accel, append="lunops.probe"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_S,
            check=False,
            cwd=Path("/"),
        )
    except subprocess.TimeoutExpired:
        return False
    return b"lunops-initrd: probe started" in run.stdout
