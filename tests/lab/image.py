"""Build what heads and nodes boot from: the head's image, kernel and initrd, and the golden image."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cache import lab_folder, locked, made_whole, say
from tests.lab.initrd import make_initrd, read_boot_parts
from tests.lab.recipe import FILES, GOLDEN_BYTES, IMAGE_SIZE, base_key, image_key
from tests.lab.rootfs import build_rootfs, check_tools, run_logged

BUILD_WAIT_S = 3600.0
STEP_TIMEOUT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Image:
    """The files of a build; `golden` is the raw content of every head's golden image."""

    folder: Path
    key: str

    @property
    def disk(self) -> Path:
        """The root disk of every head, never written: qcow2."""
        return self.folder / "head.qcow2"

    @property
    def kernel(self) -> Path:
        """The kernel of heads and nodes."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initrd of heads and nodes."""
        return self.folder / "initrd.gz"

    @property
    def golden(self) -> Path:
        """The golden image: raw, an ext4 of GOLDEN_BYTES."""
        return self.folder / "golden.img"

    @property
    def golden_sha256(self) -> str:
        """The SHA-256 of the golden image, in hexadecimal."""
        return (self.folder / "golden.sha256").read_text(encoding="ascii").strip()


def build_image() -> Image:
    """Return this recipe's build, making what of it is missing; two at once wait for each other."""
    folder = lab_folder()
    key = image_key()
    image = Image(folder=folder / key, key=key)
    if image.folder.is_dir():
        return image
    with locked(folder / "build.lock", timeout_s=BUILD_WAIT_S, what="it builds the head's image"):
        if image.folder.is_dir():
            return image
        archive = build_rootfs(folder)
        check_tools()
        started = time.monotonic()
        say("image: kernel, initrd, golden image, root disk (about half a minute)")
        with made_whole(image.folder) as draft:
            parts = read_boot_parts(archive)
            (draft / "vmlinuz").write_bytes(parts.kernel)
            (draft / "initrd.gz").write_bytes(make_initrd(parts, (FILES / "initrd-init").read_bytes()))
            _make_golden(draft, parts.busybox, log=folder / "build.log")
            _make_disk(draft, archive, log=folder / "build.log")
            say(f"image: done in {time.monotonic() - started:.0f} s, {_mib(draft)} MiB in {image.folder}")
    used = {image.folder.name, f"base-{base_key()}", "run"}
    for other in sorted(x.name for x in folder.iterdir() if x.is_dir() and x.name not in used):
        say(f"of an older build, and to be removed when no heads of it are up: rm -r {folder / other}")
    return image


def _make_golden(draft: Path, busybox: bytes, *, log: Path) -> None:
    with tempfile.TemporaryDirectory(dir=draft) as name:
        root = Path(name)
        root.chmod(0o755)
        for folder in ("bin", "sbin", "dev", "proc"):
            (root / folder).mkdir()
        (root / "bin/busybox").write_bytes(busybox)
        (root / "bin/sh").symlink_to("busybox")
        shutil.copyfile(FILES / "golden/init", root / "sbin/init")
        for program in ("bin/busybox", "sbin/init"):
            (root / program).chmod(0o755)
        command = ["mke2fs", "-q", "-t", "ext4", "-L", "golden", "-E", "root_owner=0:0", "-d", str(root)]
        command += [str(draft / "golden.img"), f"{GOLDEN_BYTES // 1024}k"]
        run_logged(command, log=log, timeout_s=STEP_TIMEOUT_S)
    digest = hashlib.sha256((draft / "golden.img").read_bytes()).hexdigest()
    (draft / "golden.sha256").write_text(f"{digest}\n", encoding="ascii")


def _make_disk(draft: Path, archive: Path, *, log: Path) -> None:
    work = draft / "work"
    work.mkdir()
    # Only inside a user namespace may a user without root make files of other users.
    outside = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
    finish = [str(FILES / "finish.sh"), str(archive), str(FILES / "guest"), str(work), IMAGE_SIZE]
    run_logged([*outside, *finish], log=log, timeout_s=STEP_TIMEOUT_S)
    command = ["qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd"]
    run_logged([*command, str(work / "head.raw"), str(draft / "head.qcow2")], log=log, timeout_s=STEP_TIMEOUT_S)
    (work / "head.raw").unlink()
    work.rmdir()


def _mib(folder: Path) -> int:
    return sum(x.stat().st_blocks * 512 for x in folder.rglob("*") if x.is_file()) >> 20
