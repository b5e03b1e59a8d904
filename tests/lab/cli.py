"""The command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from tests.lab import heads
from tests.lab.access import Access, ssh_command
from tests.lab.cache import say
from tests.lab.errors import LabError
from tests.lab.image import build_image


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of the lab and return its exit status; errors go to stderr in one message."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; tests/lab/lab down ends what was started", file=sys.stderr)
        return 130


def inventory(accesses: Sequence[Access]) -> str:
    """Return an inventory of these heads for `lunops run -i`.

    `portals` is where a head's own target is to listen; from this machine that is the `portal` of `up --json`.
    """
    lines = ["[heads]"]
    for access in accesses:
        values = {
            "connection": "ssh",
            "host": access.address,
            "port": str(access.port),
            "user": access.user,
            "private_key": access.key,
            "known_hosts": access.known_hosts,
            "pools": access.pool,
            "portals": "0.0.0.0:3260",
        }
        lines.append(" ".join([access.name, *(f"{name}={_quoted(value)}" for name, value in values.items())]))
    return "\n".join(lines) + "\n"


def table(rows: Sequence[tuple[Access, bool]]) -> str:
    """Return heads as a table for people."""
    cells = [("HEAD", "RUNS", "SSH", "PORTAL", "POOL", "GOLDEN")]
    for access, runs in rows:
        ssh = f"{access.user}@{access.address}:{access.port}"
        cells.append((access.name, "yes" if runs else "no", ssh, access.portal, access.pool, access.golden))
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "".join("  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells)


def _run(options: argparse.Namespace) -> int:
    command = options.command
    if command == "build":
        image = build_image()
        say(f"built: {image.folder}")
        print(f"golden {image.golden_sha256} {image.golden}")
    elif command == "up":
        accesses = heads.up(options.heads)
        if options.json:
            print(json.dumps([x.as_dict() for x in accesses], indent=2))
        else:
            print(table([(x, True) for x in accesses]), end="")
    elif command == "down":
        ended = heads.down()
        print(f"ended {', '.join(ended)}" if ended else "nothing was up")
    elif command == "status":
        rows = heads.status()
        if options.json:
            print(json.dumps([{**access.as_dict(), "running": runs} for access, runs in rows], indent=2))
        else:
            print(table(rows) if rows else "nothing is up\n", end="")
    elif command == "inventory":
        print(inventory([access for access, runs in heads.status() if runs]), end="")
    elif command == "ssh":
        ssh = ssh_command(heads.find_access(options.head), " ".join(options.words))
        os.execvp(ssh[0], ssh)
    else:
        changed = {"reset": heads.reset, "poweroff": heads.poweroff, "start": heads.start}[command](options.head)
        print(f"{changed.name}: {'off' if command == 'poweroff' else 'runs'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Real storage heads (ZFS, kernel LIO) in QEMU.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build the head's image once (about 7 minutes)")
    up = commands.add_parser("up", help="make heads run, building what is missing")
    up.add_argument("--heads", type=int, default=1, metavar="N", help="how many (default 1)")
    up.add_argument("--json", action="store_true", help="print how they are reached as JSON")
    commands.add_parser("down", help="end all heads and remove their disks")
    status = commands.add_parser("status", help="list the heads")
    status.add_argument("--json", action="store_true", help="as JSON")
    commands.add_parser("inventory", help="print an inventory of the running heads for lunops run -i")
    ssh = commands.add_parser("ssh", help="log in to a head, or run a command on it")
    ssh.add_argument("head", metavar="HEAD")
    ssh.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER)
    for name, text in (
        ("reset", "put a head back to its ready state"),
        ("poweroff", "pull a head's plug; its disks are kept"),
        ("start", "boot a head that is off from its disks"),
    ):
        commands.add_parser(name, help=text).add_argument("head", metavar="HEAD")
    return parser


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value
