"""The command lines of the lab's QEMU machines: heads, and small machines that only boot a kernel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.image import Image

QEMU = "qemu-system-x86_64"
MEMORY_MIB = 1536
# Drivers of what no head of the lab uses; without kvm each costs a good part of a second of every boot.
UNUSED = (
    *("aesni_intel", "ghash_clmulni_intel", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3", "crct10dif_pclmul"),
    *("crc32_pclmul", "ata_generic", "ata_piix", "kvm", "evdev", "serio_raw", "drm", "fuse", "efi_pstore"),
)
KERNEL_LINE = " ".join(
    (
        "root=/dev/vda console=ttyS0 net.ifnames=0 mitigations=off random.trust_cpu=on loglevel=5",
        f"8250.nr_uarts=1 module_blacklist={','.join(UNUSED)}",
        "systemd.mask=dev-hugepages.mount systemd.mask=dev-mqueue.mount systemd.mask=sys-kernel-debug.mount",
        "systemd.mask=sys-kernel-tracing.mount systemd.mask=systemd-binfmt.service systemd.mask=modprobe@drm.service",
    )
)
GUEST_ADDRESS = "10.0.2.15"
GUEST_ISCSI_PORT = 3260


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of 127.0.0.1 that lead to a head."""

    ssh: int
    iscsi: int


def head_name(number: int) -> str:
    """Return the name of the head with this number, counted from 1."""
    return f"jbod-{number:02d}"


def head_command(image: Image, *, accel: str, number: int, seed: Path, ports: Ports, resume: Path | None) -> list[str]:
    """Return the command that runs a head in the folder that holds its disks `root.qcow2` and `pool.qcow2`.

    With `resume` it goes on from that saved state, otherwise it boots. It listens nowhere but on 127.0.0.1,
    and the head itself reaches nothing outside.
    """
    name = head_name(number)
    # Heads with one machine-id or ZFS hostid would take each other's pools and leases for their own.
    digest = hashlib.sha256(f"lunops lab {name}".encode()).hexdigest()
    identity = f"systemd.hostname={name} systemd.machine_id={digest[:32]} spl.spl_hostid=0x{digest[32:40]}"
    forward = (
        f"hostfwd=tcp:127.0.0.1:{ports.ssh}-{GUEST_ADDRESS}:22,"
        f"hostfwd=tcp:127.0.0.1:{ports.iscsi}-{GUEST_ADDRESS}:{GUEST_ISCSI_PORT}"
    )
    command = [QEMU, "-name", f"lunops-lab-{name}", *_common(accel), "-smp", "2", "-m", str(MEMORY_MIB)]
    command += [
        "-kernel",
        str(image.kernel),
        "-initrd",
        str(image.initrd),
        "-append",
        f"{KERNEL_LINE} {identity}",
    ]
    for disk in ("root", "pool"):
        command += [
            "-drive",
            f"id={disk},file={disk}.qcow2,format=qcow2,if=none,cache=writeback,discard=unmap",
        ]
        command += ["-device", f"virtio-blk-pci,drive={disk},serial={disk}"]
    command += ["-drive", f"id=seed,file={option_value(str(seed))},format=raw,if=none,readonly=on"]
    command += ["-device", "virtio-blk-pci,drive=seed,serial=seed"]
    command += ["-netdev", f"user,id=net,restrict=on,ipv6=off,{forward}"]
    command += ["-device", f"virtio-net-pci,netdev=net,romfile=,mac=52:54:00:6c:75:{number:02x}"]
    command += ["-chardev", "file,id=serial,path=serial.log,append=on", "-serial", "chardev:serial"]
    command += ["-qmp", "unix:qmp.sock,server=on,wait=off", "-pidfile", "qemu.pid"]
    if resume:
        command += ["-incoming", f"exec:cat {_quoted(resume)}"]
    return command


def small_command(image: Image, *, accel: str, append: str, drive: str = "") -> list[str]:
    """Return the command that boots the kernel in a small machine with its console on stdout.

    `drive` is the value of QEMU's -drive for its only disk; it has no network.
    """
    command = [QEMU, *_common(accel), "-m", "256", "-no-reboot", "-serial", "stdio"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    command += ["-append", f"console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on {append}".rstrip()]
    if drive:
        command += ["-drive", f"id=root,if=none,{drive}", "-device", "virtio-blk-pci,drive=root"]
    return command


def option_value(value: str) -> str:
    """Return a value for one of QEMU's lists of options, where a comma within a value is doubled."""
    return value.replace(",", ",,")


def _common(accel: str) -> Sequence[str]:
    accelerator = "tcg,thread=multi" if accel == "tcg" else accel
    return (
        *("-machine", "pc", "-accel", accelerator, "-cpu", "max"),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"),
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"
