"""A real initiator with CHAP: QEMU's own for disks, libiscsi's for discovery."""

from __future__ import annotations

import subprocess

from tests.acceptance.eyes import disk


def io(
    portal: str, wwn: str, initiator: str, *commands: str, user: str = "", password: str = "", lun: int = 0
) -> tuple[bool, str]:
    """Open a LUN and do some qemu-io commands; return whether all went well, and what was said."""
    chap = {"user": user, "password-secret": "chap"} if user else {}
    secret = ["--object", f"secret,id=chap,data={password}"] if user else []
    read_only = ["-r"] if not any(command.startswith("write") for command in commands) else []
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        ["qemu-io", *secret, *read_only, *words, disk(portal, wwn, initiator, lun, **chap)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0 and "failed" not in done.stdout, done.stdout


def discover(portal: str, initiator: str, *, user: str = "", password: str = "") -> tuple[bool, str]:
    """Ask a portal for its targets; return whether it told, and what was said."""
    who = f"{user}%{password}@" if user else ""
    done = subprocess.run(
        ["iscsi-ls", "-i", initiator, f"iscsi://{who}{portal}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0, done.stdout
