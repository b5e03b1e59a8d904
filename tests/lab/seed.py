"""Make what tells one head from another: its seed disk with host key and names, and the login key."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from tests.lab.machine import head_name

ROOT = 0
OPS = 1000


def make_key(path: Path, comment: str) -> None:
    """Make an ed25519 key at `path` and its public half at `path`.pub, unless they are there."""
    if not path.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)


def make_seed(folder: Path, *, number: int, login_key: Path) -> Path:
    """Make the seed disk of a head in `folder`: a tar archive that the head unpacks over its root at boot."""
    name = head_name(number)
    host_key = folder / "host_key"
    make_key(host_key, name)
    login = login_key.with_suffix(".pub").read_bytes()
    public = host_key.with_suffix(".pub").read_bytes()
    seed = folder / "seed.tar"
    seed.touch(mode=0o600)
    with tarfile.open(seed, "w") as tar:
        _add(tar, "etc/hostname", f"{name}\n".encode())
        _add(tar, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n".encode())
        _add(tar, "etc/ssh/ssh_host_ed25519_key", host_key.read_bytes(), mode=0o600)
        _add(tar, "etc/ssh/ssh_host_ed25519_key.pub", public)
        _add_folder(tar, "root/.ssh", owner=ROOT)
        _add(tar, "root/.ssh/authorized_keys", login, mode=0o600)
        _add_folder(tar, "home/ops/.ssh", owner=OPS)
        _add(tar, "home/ops/.ssh/authorized_keys", login, mode=0o600, owner=OPS)
    return seed


def known_hosts_line(public_key: Path, *, address: str, port: int) -> str:
    """Return the line of known_hosts(5) for a head's own host key, which was not taken from the network."""
    kind, key = public_key.read_text(encoding="ascii").split()[:2]
    return f"[{address}]:{port} {kind} {key}\n"


def _add(tar: tarfile.TarFile, path: str, content: bytes, *, mode: int = 0o644, owner: int = ROOT) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.uid, member.gid = len(content), mode, owner, owner
    tar.addfile(member, io.BytesIO(content))


def _add_folder(tar: tarfile.TarFile, path: str, *, owner: int) -> None:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, 0o700, owner, owner
    tar.addfile(member)
