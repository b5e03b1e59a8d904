"""Boot a diskless node from a LUN: a small QEMU machine whose only disk is iSCSI, through QEMU's own initiator."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.accel import find_accel
from tests.lab.errors import LabError
from tests.lab.heads import image_in_use
from tests.lab.image import Image
from tests.lab.machine import option_value, small_command

MARK = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class NodeBoot:
    """What one boot of a node gave.

    `console`: all it printed, and what QEMU said. `marks`: the mark of every boot from this disk so far, in order,
    this one last; empty if it did not get that far. `exit_status`: 0 if the node powered itself off, else QEMU's
    own, as when the target refuses the initiator. `seconds`: how long it took.
    """

    console: str
    marks: tuple[str, ...]
    exit_status: int
    seconds: float

    @property
    def booted(self) -> bool:
        """Whether the node's first process came to its end."""
        return self.exit_status == 0 and "lunops-node: done" in self.console


def boot_node(
    portal: str,
    target_iqn: str,
    initiator_iqn: str,
    *,
    lun: int = 0,
    mark: str = "booted",
    chap_user: str = "",
    chap_password: str = "",
    timeout_s: float = 180.0,
    image: Image | None = None,
) -> NodeBoot:
    """Boot a node from the LUN of a target that holds a clone of the golden image, until it powers itself off.

    `portal` is ADDRESS:PORT. The node appends `mark` (letters, digits, `.`, `_`, `-`) to a file on its disk and
    prints the marks of all boots. A refusal is no error but a NodeBoot that has not `booted`; LabError means that it
    did not end in `timeout_s`, with the end of its console.
    """
    if not MARK.fullmatch(mark):
        raise LabError(f"{mark!r} cannot be a mark", fix="use 1 to 64 letters, digits, dots, dashes")
    image = image or image_in_use()
    values = {
        "driver": "raw",
        "file.driver": "iscsi",
        "file.transport": "tcp",
        "file.portal": portal,
        "file.target": target_iqn,
        "file.lun": str(lun),
        "file.initiator-name": initiator_iqn,
        "file.timeout": "30",
    }
    with tempfile.TemporaryDirectory(prefix="lunops-node-") as name:
        command: list[str] = []
        if chap_user:
            secret = Path(name) / "secret"
            secret.touch(mode=0o600)
            secret.write_text(chap_password, encoding="utf-8")
            command += ["-object", f"secret,id=chap,file={option_value(str(secret))}"]
            values |= {"file.user": chap_user, "file.password-secret": "chap"}
        drive = ",".join(f"{key}={option_value(value)}" for key, value in values.items())
        accel = find_accel(image)
        command = small_command(image, accel=accel, append=f"lunops.mark={mark}", drive=drive) + command
        # Should we be killed, nobody else would end it.
        command = ["setpriv", "--pdeathsig", "KILL", *command]
        started = time.monotonic()
        try:
            run = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            console = (error.stdout or b"").decode(errors="replace")
            text = f"the node did not power off in {timeout_s:.0f} s; the end of its console:\n{console[-2000:]}"
            raise LabError(text, where=f"{target_iqn} at {portal}") from None
    console = run.stdout.decode(errors="replace").replace("\r\n", "\n")
    return NodeBoot(
        console=console,
        marks=find_marks(console),
        exit_status=run.returncode,
        seconds=time.monotonic() - started,
    )


def find_marks(console: str) -> tuple[str, ...]:
    """Return the marks that a node printed, in order; kernel messages in between do no harm."""
    return tuple(re.findall(r"^lunops-node: mark (\S+)$", console, flags=re.MULTILINE))
