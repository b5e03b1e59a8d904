"""`lunops doctor`: examine the heads of an inventory."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from lunops import doctor
from lunops import inventory as inventories
from lunops.cli.printer import Output
from lunops.cli.variables import read_text
from lunops.connections import connect


def run(path: Path, limit: str | None, *, forks: int, as_json: bool, verbose: bool) -> int:
    """Examine the heads; return the exit code."""
    inventory = inventories.parse(read_text(path), path)
    hosts = inventory.select(limit) if limit else tuple(inventory.hosts.values())
    reports = doctor.examine_all(hosts, connect=connect, now=time.time, forks=forks)
    if as_json:
        print(json.dumps(doctor.as_json(reports), indent=2))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        Output(sys.stdout, colour=colour).lines(doctor.lines(reports, verbose=verbose))
    return doctor.exit_code(reports)
