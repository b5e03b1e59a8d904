"""Make the head's root file system with its packages: the long part of a build, kept on its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.lab.cache import made_whole, say
from tests.lab.errors import LabError
from tests.lab.mirror import apt_options, find_mirror
from tests.lab.recipe import FILES, PACKAGES, SUITE, TOOLS, base_key

TIMEOUT_S = 3600.0
NEED_BYTES = 6 * 1024**3


def build_rootfs(folder: Path) -> Path:
    """Return the archive of the root file system, made with mmdebstrap unless it is there already.

    Works as root, and as a user who may use user namespaces (package uidmap).
    """
    target = folder / f"base-{base_key()}"
    archive = target / "root.tar"
    if archive.exists():
        return archive
    check_tools()
    free = shutil.disk_usage(folder).free
    if free < NEED_BYTES:
        raise LabError(
            f"the build needs {NEED_BYTES >> 30} GiB of disk, {free >> 30} GiB are free",
            where=str(folder),
            fix="make room, or set XDG_CACHE_HOME to a folder elsewhere",
        )
    mirror = find_mirror(SUITE)
    say(
        f"root file system: mmdebstrap {SUITE} from {mirror.lines[0].split()[1]} (5 to 8 minutes, nearly all of it ZFS)"
    )
    started = time.monotonic()
    with made_whole(target) as draft:
        command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "--format=tar"]
        command += [f"--keyring={x}" for x in mirror.keyrings]
        command += [f"--aptopt={x}" for x in apt_options()]
        command += [f"--dpkgopt=path-exclude=/usr/share/{x}/*" for x in ("doc", "man", "info", "locale")]
        # The text and not its path: in a user namespace the hook may not get into the folder that it is in.
        command += [f"--customize-hook={(FILES / 'slim.sh').read_text(encoding='utf-8')}"]
        command += [SUITE, str(draft / "root.tar"), *mirror.lines]
        run_logged(command, log=folder / "build.log", timeout_s=TIMEOUT_S)
    say(f"root file system: done in {time.monotonic() - started:.0f} s")
    return archive


def check_tools() -> None:
    """Raise LabError that names the packages to install if a tool of the lab is missing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = {package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)}
    if os.geteuid() != 0 and not shutil.which("newuidmap", path=path):
        missing.add("uidmap")
    if not any(Path("/usr/lib").glob("**/qemu/block-iscsi.so")):
        missing.add("qemu-block-extra")
    if missing:
        raise LabError(
            f"the lab needs packages that are not installed: {' '.join(sorted(missing))}",
            fix=f"sudo apt-get install --no-install-recommends {' '.join(sorted(missing))}",
        )


def run_logged(command: list[str], *, log: Path, timeout_s: float, interrupt_s: float = 120.0) -> None:
    """Run a command with its output in `log`; if it fails or is late raise LabError with the log's end.

    All that it started is interrupted together if it is late or we are interrupted, as by a terminal, because
    mmdebstrap then takes away what it has mounted; it gets `interrupt_s` for that.
    """
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    with log.open("wb") as output:
        # It gets the lock of the build as well: should we be killed, the next build waits until it has ended.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            process_group=0,
            close_fds=False,
        )
    try:
        status = child.wait(timeout_s)
        problem = f"{command[0]} failed with status {status}" if status else ""
    except subprocess.TimeoutExpired:
        problem = f"{command[0]} did not end in {timeout_s:.0f} s"
    finally:
        _end_group(child, interrupt_s)
    if problem:
        raise LabError(f"{problem}:\n{tail(log)}", where=str(log), fix="read the log, mend it and build again")


def tail(path: Path, lines: int = 25) -> str:
    """Return the last lines of a log, or a word that there is none."""
    try:
        text = path.read_bytes()[-20000:].decode(errors="replace")
    except OSError:
        return f"(no {path.name})"
    return "\n".join(text.splitlines()[-lines:]) or f"({path.name} is empty)"


def _end_group(child: subprocess.Popen[bytes], interrupt_s: float) -> None:
    if child.returncode is not None:
        return
    os.killpg(child.pid, signal.SIGINT)
    deadline = time.monotonic() + interrupt_s
    # Not waited for by its number until all is over, so that the number cannot become another group's.
    while time.monotonic() < deadline and not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
