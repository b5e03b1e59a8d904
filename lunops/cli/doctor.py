"""`lunops doctor`: examine the heads of an inventory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from lunops import doctor
from lunops.cli.heads import read_heads
from lunops.cli.output import Output, wants_colour
from lunops.connections import connect


def run(path: Path, limit: str | None, *, forks: int, as_json: bool, verbose: bool) -> int:
    """Examine the heads; return the exit code."""
    hosts = read_heads(path, limit, forks).hosts
    reports = doctor.examine_all(hosts, connect=connect, now=time.time, forks=forks)
    if as_json:
        print(json.dumps(doctor.as_json(reports), indent=2))
    else:
        Output(sys.stdout, colour=wants_colour(sys.stdout)).lines(doctor.lines(reports, verbose=verbose))
    return doctor.exit_code(reports)
