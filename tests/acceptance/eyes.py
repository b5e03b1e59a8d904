"""Looking at a real head over ssh, and using its targets with a real initiator: nothing here goes through lunops."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab.access import Access


class LabEyes:
    """A head seen by the ssh command, over one connection that is kept open."""

    def __init__(self, head: Access) -> None:
        self.head = head
        self._ssh = [
            *("ssh", "-q", "-p", str(head.port), "-i", head.key),
            *("-o", f"UserKnownHostsFile={head.known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
            *("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath=/tmp/lunops-%C-{head.port}"),
            *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=6"),
            f"{head.user}@{head.address}",
        ]

    def forget(self) -> None:
        """End the connection that is kept open: the head at its other end is about to be another one."""
        subprocess.run([*self._ssh[:-1], "-O", "exit", self._ssh[-1]], capture_output=True, timeout=60, check=False)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> tuple[int, str]:
        """Run a command on the head; return its exit code and standard output."""
        done = subprocess.run(
            [*self._ssh, shlex.join(argv)], input=stdin, stdout=subprocess.PIPE, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout

    def shell(self, script: str) -> str:
        """Run a shell script that must succeed; return what it prints."""
        code, out = self.run(["sh", "-ec", script])
        assert code == 0, f"{script!r} on {self.head.name}: exit code {code}, said {out!r}"
        return out

    def read(self, path: str) -> str:
        code, out = self.run(["cat", path])
        if code != 0:
            raise FileNotFoundError(path)
        return out

    def listdir(self, path: str) -> list[str]:
        return self.run(["ls", path])[1].split()

    def exists(self, path: str) -> bool:
        return self.run(["test", "-e", path])[0] == 0

    def mkdir(self, path: str) -> None:
        self.shell(f"mkdir {shlex.quote(path)}")

    def rmdir(self, path: str) -> None:
        self.shell(f"rmdir {shlex.quote(path)}")

    def lose_targets(self) -> None:
        self.shell("targetctl clear; targetcli saveconfig >/dev/null")

    def unlink(self, path: str) -> None:
        self.shell(f"rm {shlex.quote(path)}")

    def write(self, path: str, text: str) -> None:
        self.shell(f"printf %s {shlex.quote(text)} > {shlex.quote(path)}")

    def symlink(self, target: str, path: str) -> None:
        self.shell(f"ln -s {shlex.quote(target)} {shlex.quote(path)}")

    def scribble(self, dataset: str) -> None:
        self.shell(f"dd if=/dev/urandom of=/dev/zvol/{shlex.quote(dataset)} bs=512 count=1 conv=fsync 2>/dev/null")

    def put(self, path: str, text: str) -> None:
        assert self.run(["sh", "-c", f"cat > {shlex.quote(path)}"], stdin=text)[0] == 0

    def write_data(self, dataset: str, count: int) -> None:
        path = shlex.quote(f"/dev/zvol/{dataset}")
        self.shell(
            f"for i in $(seq 200); do test -b {path} && break; sleep 0.1; done; "
            f"head -c {count} /dev/urandom | "
            f"dd of={path} bs=64k iflag=fullblock conv=notrunc,nocreat,fsync 2>/dev/null; "
            f"zpool sync {shlex.quote(dataset.split('/')[0])}"
        )

    def mode(self, path: str) -> int | None:
        return int(self.run(["stat", "-c", "%a", path])[1], 8)

    @contextlib.contextmanager
    def slowed(self, command: str) -> Iterator[None]:
        """Do nothing: a real head takes its time."""
        assert command
        yield

    @contextlib.contextmanager
    def hold_lock(self, path: str) -> Iterator[None]:
        """Hold a flock on the head, as an open targetcli shell does."""
        command = [*self._ssh, shlex.join(["flock", path, "sh", "-c", "echo locked; exec cat"])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "locked\n"
            yield
        finally:
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()

    @contextlib.contextmanager
    def log_in(self, wwn: str, initiator: str) -> Iterator[None]:
        """Hold a session of a real initiator (QEMU's own) on the target while the block runs."""
        process = subprocess.Popen(
            ["qemu-io", disk(self.head.portal, wwn, initiator)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("read 0 512\n")
            process.stdin.flush()
            said = process.stdout.readline()
            assert "read 512/512" in said, said
            yield
        finally:
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()
            self._wait_for_logout(wwn, initiator)

    def _wait_for_logout(self, wwn: str, initiator: str) -> None:
        """Wait until the kernel has ended the session too, which it does a moment after the initiator is gone."""
        info = f"/sys/kernel/config/target/iscsi/{wwn}/tpgt_1/acls/{initiator}/info"
        for _ in range(100):
            if "InitiatorName" not in self.run(["cat", info])[1]:
                return
            time.sleep(0.1)
        raise AssertionError(f"{initiator} is still logged in to {wwn} 10 s after it ended")


def disk(portal: str, wwn: str, initiator: str, lun: int = 0, **more: str) -> str:
    """Return the file name by which QEMU's tools open a LUN with their own initiator; `more` are options of it."""
    options = {
        "driver": "iscsi",
        "transport": "tcp",
        "portal": portal,
        "target": wwn,
        "lun": str(lun),
        "initiator-name": initiator,
        **more,
    }
    return "json:" + json.dumps({"driver": "raw", "file": options})


def qemu_io(portal: str, wwn: str, initiator: str, *commands: str) -> str:
    """Open a LUN with QEMU's initiator and do some reads and writes; return what it says, refusals included."""
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        ["qemu-io", *words, disk(portal, wwn, initiator)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def discovered(portal: str, initiator: str) -> set[str]:
    """Return the IQNs that libiscsi discovers at a portal; none if nobody listens, as on a head without targets."""
    done = subprocess.run(
        ["iscsi-ls", "-i", initiator, f"iscsi://{portal}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 or "reconnect" in done.stderr, done.stderr
    return {
        line.split(":", 1)[1].split(" Portal:")[0] for line in done.stdout.splitlines() if line.startswith("Target:")
    }


def disk_content(portal: str, wwn: str, initiator: str, target: Path) -> None:
    """Copy a whole LUN into a file, through a real initiator."""
    subprocess.run(
        ["qemu-img", "convert", "-O", "raw", disk(portal, wwn, initiator), str(target)],
        check=True,
        timeout=300,
    )
