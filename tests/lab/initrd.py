"""Make the initrd that heads and nodes boot with: a busybox, and the modules of a virtio disk with ext4."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.lab.errors import LabError

# ext4 finds its checksum by name at run time, so no dependency names the module.
WANTED = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a cpio archive; `mode` holds type and permissions, `device` major and minor."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class BootParts:
    """What booting needs, taken out of the head's root file system."""

    kernel: bytes
    busybox: bytes
    modules: dict[str, bytes]


def load_order(modules_dep: str, wanted: Iterable[str]) -> list[str]:
    """Return the files to load for the modules `wanted`, each after what it needs.

    A name that modules.dep does not hold is taken to be built into the kernel.
    """
    needs: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for line in modules_dep.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        files[PurePosixPath(path).name.split(".")[0].replace("-", "_")] = path
    order: dict[str, None] = {}

    def visit(path: str) -> None:
        for other in needs.get(path, []):
            visit(other)
        order[path] = None

    for name in wanted:
        if name in files:
            visit(files[name])
    return list(order)


def read_boot_parts(archive: Path) -> BootParts:
    """Take kernel, busybox and the needed modules out of the archive of a root file system, in one pass."""
    kernel = busybox = None
    dep = ""
    modules: dict[str, bytes] = {}
    with tarfile.open(archive, mode="r:") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            path = PurePosixPath(name.removeprefix("usr/"))
            if not member.isfile():
                continue
            file = tar.extractfile(member)
            if file is None:
                continue
            if path.parent == PurePosixPath("boot") and path.name.startswith("vmlinuz-"):
                kernel = file.read()
            elif path == PurePosixPath("bin/busybox"):
                busybox = file.read()
            elif path.parts[:2] == ("lib", "modules") and path.name == "modules.dep":
                dep = file.read().decode()
            elif path.parts[:2] == ("lib", "modules") and ".ko" in path.suffixes and _may_be_needed(path):
                modules[str(PurePosixPath(*path.parts[3:]))] = file.read()
    if kernel is None or busybox is None or not dep:
        raise LabError("the root file system lacks a kernel, busybox or modules.dep", where=str(archive))
    order = load_order(dep, WANTED)
    missing = [x for x in order if x not in modules]
    if missing:
        raise LabError(f"the root file system lacks the modules {' '.join(missing)}", where=str(archive))
    return BootParts(kernel=kernel, busybox=busybox, modules={x: modules[x] for x in order})


def make_initrd(parts: BootParts, init: bytes) -> bytes:
    """Return a compressed initrd with `init` as its first process."""
    entries = [Entry(path=x, mode=0o40755) for x in ("bin", "dev", "modules", "proc", "root", "sys")]
    entries.append(Entry(path="dev/console", mode=0o20600, device=(5, 1)))
    entries.append(Entry(path="bin/busybox", mode=0o100755, content=parts.busybox))
    entries.append(Entry(path="init", mode=0o100755, content=init))
    names = [PurePosixPath(x).name for x in parts.modules]
    entries.append(Entry(path="modules/order", mode=0o100644, content="".join(f"{x}\n" for x in names).encode()))
    for name, content in zip(names, parts.modules.values(), strict=True):
        entries.append(Entry(path=f"modules/{name}", mode=0o100644, content=content))
    return gzip.compress(make_cpio(entries), compresslevel=6, mtime=0)


def make_cpio(entries: Iterable[Entry]) -> bytes:
    """Return a cpio archive in the kernel's initramfs format ("newc")."""
    out = io.BytesIO()
    for number, entry in enumerate([*entries, Entry(path="TRAILER!!!", mode=0)], start=1):
        name = entry.path.encode() + b"\0"
        fields = (number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
        out.write(b"070701" + b"".join(b"%08X" % x for x in fields) + name)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(entry.content)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def _may_be_needed(path: PurePosixPath) -> bool:
    # Keeps the pass over the archive small: a cloud kernel has 1500 modules, most are drivers.
    parts = path.parts[3:]
    return parts[:2] in (("kernel", "crypto"), ("kernel", "lib")) or any(
        x in parts for x in ("virtio", "block", "ext4", "jbd2", "mbcache.ko", "crypto")
    )
