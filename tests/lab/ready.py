"""Make a head's ready state: booted, with pool and golden image, saved with its memory for later starts."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.access import Access, run_on_head, wait_for_ssh
from tests.lab.cache import made_whole, say
from tests.lab.errors import LabError
from tests.lab.image import Image
from tests.lab.machine import QEMU, Ports, head_command, head_name
from tests.lab.process import Process, end_process, is_alive, start_process
from tests.lab.qmp import Qmp
from tests.lab.recipe import POOL_SIZE
from tests.lab.rootfs import tail
from tests.lab.seed import known_hosts_line, make_seed

BOOT_S = 600.0
STATE_S = 300.0
SETUP = """
set -eu
pool=$1 bytes=$2 sha256=$3
device=/dev/zvol/$pool/images/golden
zpool create "$pool" /dev/disk/by-id/virtio-pool
zfs create "$pool/images"
zfs create -s -V "$bytes" "$pool/images/golden"
tries=0
until [ -b "$device" ]; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || { echo "$device does not appear" >&2; exit 1; }
    sleep 0.5
done
gunzip | dd of="$device" bs=1M iflag=fullblock conv=sparse,fsync status=none
echo "$sha256  $device" | sha256sum --check --quiet
zfs snapshot "$pool/images/golden@1"
zpool sync "$pool"
sync
"""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A head's ready state: the disks (`root`, `pool`; never written again), the memory, and its own keys."""

    folder: Path

    @property
    def memory(self) -> Path:
        """The saved state of the running machine."""
        return self.folder / "memory"

    @property
    def seed(self) -> Path:
        """The seed disk."""
        return self.folder / "seed.tar"

    @property
    def host_key(self) -> Path:
        """The public half of the head's ssh host key."""
        return self.folder / "host_key.pub"

    def disk(self, name: str) -> Path:
        """Return the disk `root` or `pool`: qcow2."""
        return self.folder / f"{name}.qcow2"


def state_key(accel: str) -> str:
    """Name what a ready state depends on beside the image: the machine, this QEMU, and what is done in the guest."""
    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    cpu: list[str] = []
    if accel == "kvm":
        # The guest has seen this processor, and may not find itself on another one.
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = sorted({x for x in lines if x.startswith(("model name", "microcode", "flags"))})
    machine = head_command(
        Image(folder=Path(), key=""), accel=accel, number=1, seed=Path(), ports=Ports(ssh=1, iscsi=2), resume=None
    )
    seed = Path(__file__).with_name("seed.py").read_text(encoding="utf-8")
    text = json.dumps([accel, version.splitlines()[0], cpu, machine, seed, SETUP, POOL_SIZE])
    return f"{accel}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def make_access(*, number: int, ports: Ports, key: Path, known_hosts: Path) -> Access:
    """Return how the head with this number is reached through these ports of 127.0.0.1."""
    name = head_name(number)
    pool = f"{name}-p01"
    return Access(
        name=name,
        address="127.0.0.1",
        port=ports.ssh,
        user="root",
        key=str(key),
        known_hosts=str(known_hosts),
        portal=f"127.0.0.1:{ports.iscsi}",
        pool=pool,
        golden=f"{pool}/images/golden@1",
    )


def make_ready(
    image: Image,
    folder: Path,
    *,
    accel: str,
    number: int,
    login_key: Path,
    ports: Ports,
    note: Callable[[Process], None],
) -> Ready:
    """Return the ready state of a head in `folder`, making it unless it is there.

    `ports` are free ones to use; `note` is told the process that boots the head as soon as there is one.
    """
    name = head_name(number)
    ready = Ready(folder=folder / name)
    if ready.folder.is_dir():
        return ready
    say(f"{name}: first boot (about a minute without kvm)")
    started = time.monotonic()
    with made_whole(ready.folder) as draft:
        seed = make_seed(draft, number=number, login_key=login_key)
        make_overlay(image.disk, draft / "root.qcow2")
        qemu_img("create", "-f", "qcow2", str(draft / "pool.qcow2"), POOL_SIZE)
        known_hosts = draft / "known_hosts"
        known_hosts.write_text(known_hosts_line(draft / "host_key.pub", address="127.0.0.1", port=ports.ssh))
        access = make_access(number=number, ports=ports, key=login_key, known_hosts=known_hosts)
        process = start_head(image, draft, accel=accel, number=number, seed=seed, ports=ports, note=note)
        try:
            wait_for_boot(access, process, draft)
            say(f"{name}: booted after {time.monotonic() - started:.0f} s; making pool and golden image")
            setup = [
                "sh",
                "-c",
                SETUP,
                "setup",
                access.pool,
                str(image.golden.stat().st_size),
                image.golden_sha256,
            ]
            run_on_head(access, setup, content=gzip.compress(image.golden.read_bytes(), compresslevel=1))
            _save(draft, process)
        finally:
            end_process(process)
        for left in ("known_hosts", "host_key", "qmp.sock", "qemu.pid"):
            (draft / left).unlink(missing_ok=True)
    size = sum(x.stat().st_blocks * 512 for x in ready.folder.iterdir()) >> 20
    say(f"{name}: ready state kept after {time.monotonic() - started:.0f} s, {size} MiB")
    return ready


def start_head(
    image: Image,
    folder: Path,
    *,
    accel: str,
    number: int,
    seed: Path,
    ports: Ports,
    note: Callable[[Process], None],
    resume: Path | None = None,
) -> Process:
    """Start QEMU on the disks in `folder` and wait until it is set up; with `resume`, until that state runs.

    `note` is told the process as soon as there is one. Raises LabError with QEMU's words if it ends, or does
    not get there in time.
    """
    command = head_command(image, accel=accel, number=number, seed=seed, ports=ports, resume=resume)
    log = folder / "qemu.log"
    log.write_bytes(b"")
    process = start_process(command, folder=folder, log=log)
    note(process)
    try:
        _run_machine(process, folder, resume=resume is not None)
    except BaseException:
        end_process(process)
        raise
    return process


def wait_for_boot(access: Access, process: Process, folder: Path) -> None:
    """Wait until a head that was started cold has ended its boot, with all its services."""

    def check() -> None:
        if not is_alive(process):
            raise LabError(f"QEMU ended:\n{tail(folder / 'qemu.log')}", where=access.name)

    try:
        wait_for_ssh(access, timeout_s=BOOT_S, check=check)
        # A service that failed makes the state "degraded" and the status 1: that is for a test to judge.
        run_on_head(access, ["sh", "-c", "systemctl is-system-running --wait || true"], timeout_s=BOOT_S)
    except LabError as error:
        log = folder / "serial.log"
        text = f"{error.what}\nthe end of its console:\n{tail(log)}"
        raise LabError(text, where=access.name, fix=f"read {log}") from error


def make_overlay(base: Path, overlay: Path) -> None:
    """Make a disk that starts with the content of `base` and keeps its own writes.

    The overlay names its base relative to itself, so that the whole cache may be moved.
    """
    where = os.path.relpath(base, overlay.parent)
    qemu_img("create", "-f", "qcow2", "-b", where, "-F", "qcow2", str(overlay))


def qemu_img(*arguments: str) -> None:
    """Run qemu-img; raises LabError with its words if it fails."""
    run = subprocess.run(["qemu-img", *arguments], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        raise LabError(f"qemu-img failed: {run.stderr.strip()}")


def _run_machine(process: Process, folder: Path, *, resume: bool) -> None:
    deadline = time.monotonic() + STATE_S
    while True:
        try:
            with Qmp(folder / "qmp.sock") as qmp:
                if resume:
                    qmp.wait_for("query-status", until=("paused", "postmigrate", "running"), timeout_s=STATE_S)
                    qmp.run("cont")
                qmp.wait_for("query-status", until=("running",), timeout_s=STATE_S)
                return
        except (OSError, LabError) as error:
            problem = str(error)
        if not is_alive(process):
            raise LabError(f"QEMU ended:\n{tail(folder / 'qemu.log')}", where=str(folder))
        if time.monotonic() > deadline:
            raise LabError(f"QEMU is not set up after {STATE_S:.0f} s: {problem}", where=str(folder))
        time.sleep(0.05)


def _save(folder: Path, process: Process) -> None:
    with Qmp(folder / "qmp.sock") as qmp:
        qmp.run("stop")
        qmp.run("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        # QEMU's own working folder is this one.
        qmp.run("migrate", uri="exec:cat > memory")
        status = qmp.wait_for("query-migrate", until=("completed", "failed", "cancelled"), timeout_s=STATE_S)
        if status != "completed":
            raise LabError(f"the state of the machine was not saved: {status}", where=str(folder))
        qmp.run("quit")
    deadline = time.monotonic() + STATE_S
    while is_alive(process):
        if time.monotonic() > deadline:
            raise LabError(f"QEMU does not end after it was asked to, {STATE_S:.0f} s ago", where=str(folder))
        time.sleep(0.05)
