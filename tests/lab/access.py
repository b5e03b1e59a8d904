"""How a head is reached: its addresses and keys, and commands run on it with the real ssh."""

from __future__ import annotations

import dataclasses
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.lab.errors import LabError


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where a head answers, as seen from this machine.

    `address`, `port`, `user`, `key` and `known_hosts` (paths of files) are for ssh; `portal` is the iSCSI
    portal, ADDRESS:PORT; `pool` its ZFS pool; `golden` the snapshot of the golden image.
    """

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str
    portal: str
    pool: str
    golden: str

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields as they are printed in JSON."""
        return dataclasses.asdict(self)


def ssh_command(access: Access, line: str = "", *, user: str = "") -> list[str]:
    """Return the ssh command that runs a line in the head's shell, or an interactive shell if there is none."""
    options = {
        "IdentityFile": _quoted(access.key),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": _quoted(access.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "LogLevel": "ERROR",
    }
    words = [
        "ssh",
        "-F",
        "/dev/null",
        *(x for name, value in options.items() for x in ("-o", f"{name}={value}")),
    ]
    words += ["-p", str(access.port), "-l", user or access.user, access.address]
    return words + (["--", line] if line else [])


def run_on_head(
    access: Access, command: Sequence[str], *, content: bytes = b"", user: str = "", timeout_s: float = 120.0
) -> str:
    """Run a command (argv) on a head with `content` as its stdin, and return what it prints on stdout.

    Raises LabError with what it printed if it fails, or does not end in time.
    """
    line = shlex.join(command)
    try:
        run = subprocess.run(
            ssh_command(access, line, user=user),
            input=content,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{line} did not end in {timeout_s:.0f} s", where=access.name) from None
    if run.returncode:
        text = (run.stdout[-2000:] + run.stderr[-4000:]).decode(errors="replace").strip()
        raise LabError(f"{line} failed with status {run.returncode}: {text}", where=access.name)
    return run.stdout.decode(errors="replace")


def wait_for_ssh(access: Access, *, timeout_s: float, check: Callable[[], None]) -> None:
    """Wait until the head's sshd greets; `check` is called in between and may raise to give up early."""
    deadline = time.monotonic() + timeout_s
    while True:
        check()
        # QEMU takes the connection long before the guest does, so only a greeting means that sshd is there.
        try:
            with socket.create_connection((access.address, access.port), timeout=2) as probe:
                probe.settimeout(2)
                if probe.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise LabError(f"no answer from sshd in {timeout_s:.0f} s", where=access.name)
        time.sleep(0.1)


def _quoted(path: str) -> str:
    # ssh splits the value of an option into words as its configuration file does.
    return f'"{path}"' if " " in path else path
