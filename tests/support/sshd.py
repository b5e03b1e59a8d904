"""A real sshd of the test's own: on loopback, with keys, configuration and log in one folder, ended by its pid."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", "")) or ""


class Sshd:
    """One sshd; `options` are more lines for its sshd_config."""

    def __init__(
        self,
        folder: Path,
        authorized: Path,
        *options: str,
        kinds: tuple[str, ...] = ("ed25519",),
        within: tuple[str, ...] = (),
    ) -> None:
        """`within` is what the program is started by: argv in front of its own."""
        self.folder = folder
        self._within = within
        self.port = free_port()
        folder.mkdir(parents=True)
        for kind in kinds:
            make_key(self.key(kind), kind)
        keys = "\n".join(f"HostKey {self.key(kind)}" for kind in kinds)
        self.config = folder / "sshd_config"
        self.config.write_text(
            "\n".join(options)
            + f"""
ListenAddress 127.0.0.1
Port {self.port}
{keys}
AuthorizedKeysFile {authorized}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
"""
        )
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def key(self, kind: str = "ed25519") -> Path:
        """Return the path of a host key."""
        return self.folder / f"host_{kind}"

    def public_key(self, kind: str = "ed25519") -> str:
        """Return kind and base64 of a host key."""
        return " ".join(public_key(self.key(kind)).split()[:2])

    def known_as(self, name: str = "", kind: str = "ed25519") -> str:
        """Return a known_hosts line."""
        return f"{name or f'[127.0.0.1]:{self.port}'} {self.public_key(kind)}\n"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd does not start as root without
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within, PROGRAM, "-D", "-e", "-f", str(self.config)], stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 20
        while "Server listening" not in self.log:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"sshd does not run: {self.log}")
            time.sleep(0.02)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the ids of its children and theirs, as far as they are sshd's own."""
        return [pid for pid in descendants(self.pid) if _name(pid).startswith("sshd")]

    def signal_workers(self, number: int) -> None:
        """Send a signal to what serves its connections."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End it, its workers, and what runs under them."""
        if self._process is None:
            return
        under = descendants(self.pid)
        for pid in (self.pid, *under):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes under one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and parent(int(entry.name)) == pid:
            found += [int(entry.name), *descendants(int(entry.name))]
    return found


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key pair with ssh-keygen."""
    keygen("-q", "-t", kind, "-N", passphrase, "-C", getpass.getuser(), "-f", str(path))
    return path


def keygen(*words: str) -> str:
    """Run ssh-keygen."""
    return subprocess.run(
        ["ssh-keygen", *words], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    ).stdout


def public_key(path: Path) -> str:
    """Return the line of a public key file."""
    return path.with_name(path.name + ".pub").read_text()


def fingerprint(path: Path) -> str:
    """Return what ssh-keygen calls a key."""
    return keygen("-l", "-f", str(path)).split()[1]


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def ssh_agent(folder: Path, *keys: Path) -> Iterator[Path]:
    """Run an ssh-agent that holds the keys (without a passphrase, or `secret`); give its socket."""
    path = folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    ask = folder / "askpass"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o700)
    environment = {**os.environ, "SSH_AUTH_SOCK": str(path), "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    try:
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for key in keys:
            subprocess.run(["ssh-add", str(key)], check=True, capture_output=True, env=environment, timeout=60)
        yield path
    finally:
        process.kill()
        process.wait(10)


def parent(pid: int) -> int:
    """Return the id of a process's parent, 0 if there is no such process any more."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ProcessLookupError):
        return 0


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (OSError, ProcessLookupError):
        return ""
