"""What a head is made of: its packages, its files, its size, and the hash that names the result."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "linux-image-cloud-amd64",
    "linux-headers-cloud-amd64",
    "zfs-dkms",
    "zfsutils-linux",
    "targetcli-fb",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "openssh-server",
    "sudo",
    "python3",
    "ifupdown",
    "iproute2",
    "procps",
    "busybox-static",
)
# The tools of this machine that the lab runs, each with Debian's package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
IMAGE_SIZE = "3G"
POOL_SIZE = "8G"
GOLDEN_BYTES = 64 * 1024 * 1024
FILES = Path(__file__).parent / "recipe"
# Code that makes the image; a change in it makes another image.
MAKERS = ("image.py", "initrd.py")


def base_key(files: Path = FILES) -> str:
    """Name the root file system with its packages installed: all that the long part of a build depends on."""
    digest = hashlib.sha256(json.dumps([SUITE, PACKAGES]).encode())
    digest.update((files / "slim.sh").read_bytes())
    return digest.hexdigest()[:16]


def image_key(files: Path = FILES) -> str:
    """Name the head's image: the packages, the files put over them, and the code that makes it."""
    digest = hashlib.sha256(json.dumps([base_key(files), IMAGE_SIZE, GOLDEN_BYTES]).encode())
    for path in sorted(x for x in files.rglob("*") if x.is_file() or x.is_symlink()):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        digest.update(json.dumps([str(path.relative_to(files)), len(content)]).encode() + content)
    for name in MAKERS:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]
