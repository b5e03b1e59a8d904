"""A real sudo with users, passwords and rules of the test's own, seen by nobody else: in a mount namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

USER = "lunops-ops"
OTHER = "lunops-other"  # whom USER may become
UID, OTHER_UID = 64201, 64202
PASSWORD = "c4nary p'ss\"w\\rd €"
# What is read of the accounts stands beside the rules, so that no file of the machine's own is written to.
_FILES = {"passwd": 0o644, "group": 0o644, "shadow": 0o600, "sudoers": 0o440}


def why_not() -> str:
    """Return why real sudo cannot be tried here, or the empty text."""
    if os.getuid() != 0:
        return "only root makes users"
    if not all(map(shutil.which, ("sudo", "unshare", "setpriv", "openssl"))):
        return "sudo, unshare, setpriv or openssl is not installed"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return "mount namespaces are not allowed here" if tried.returncode else ""


class Sudoers:
    """A folder of account files, and what runs a command that sees them in place of the machine's."""

    def __init__(self, folder: Path) -> None:
        """Make two users; `allow` says what USER may."""
        self.folder = folder
        folder.mkdir()
        self.log = folder / "log"
        self.home = folder / "home"
        self.home.mkdir()
        os.chown(self.home, UID, UID)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in _FILES:
            if name != "sudoers":
                shutil.copy(f"/etc/{name}", folder / name)
        self._add(
            "passwd", f"{USER}:x:{UID}:{UID}::{self.home}:/bin/sh\n{OTHER}:x:{OTHER_UID}:{OTHER_UID}::/:/bin/sh\n"
        )
        self._add("group", f"{USER}:x:{UID}:\n{OTHER}:x:{OTHER_UID}:\n")
        self._add("shadow", f"{USER}:{hashed}:19000:0:99999:7:::\n{OTHER}:*:19000:0:99999:7:::\n")
        self.allow("ALL=(ALL) ALL")

    def allow(self, rule: str, *defaults: str) -> None:
        """Say what USER may, as in `ALL=(root) NOPASSWD: /usr/bin/python3`."""
        lines = ["Defaults env_reset,use_pty,!fqdn,passwd_timeout=1", f"Defaults logfile={self.log}"]
        lines += [f"Defaults {each}" for each in defaults]
        path = self.folder / "sudoers"
        path.write_text("\n".join([*lines, "root ALL=(ALL) NOPASSWD: ALL", f"{USER} {rule}\n"]))
        for name, mode in _FILES.items():
            (self.folder / name).chmod(mode)

    def within(self) -> tuple[str, ...]:
        """Return what is put before a command of root's, so that it and all it starts see these files."""
        mounts = [f"mount --bind {self.folder}/{name} /etc/{name}" for name in _FILES]
        # Who has given a password a moment ago is not asked again: that is not to be kept from test to test.
        script = " && ".join([*mounts, "mkdir -p /run/sudo", "mount -t tmpfs none /run/sudo", 'exec "$@"'])
        return ("unshare", "-m", "sh", "-c", script, "sh")

    def as_user(self) -> tuple[str, ...]:
        """Return what is put before a command, so that it runs as USER and sees these files."""
        ids = ("--reuid", str(UID), "--regid", str(UID), "--clear-groups")
        environment = (f"HOME={self.home}", "PATH=/usr/bin:/bin:/usr/sbin", "LANG=C.UTF-8")
        return (*self.within(), "setpriv", *ids, "env", "-i", *environment)

    def failures(self) -> int:
        """Return how many wrong passwords sudo has counted."""
        text = self.log.read_text() if self.log.exists() else ""
        return text.count("incorrect password attempt")

    def _add(self, name: str, text: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(text)
