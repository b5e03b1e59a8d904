"""Where a session says for which runs it works: a file for each run and process."""

from __future__ import annotations

import re

FOLDER = "/run/lock"
_LENGTH = 64  # of a run's mark in a file's name


def prefix(run: str) -> str:
    """Return what the paths of a run's files begin with."""
    return "%s/lunops-run-%s." % (FOLDER, re.sub(r"[^A-Za-z0-9_-]", "_", run)[:_LENGTH])


def file_of(run: str, pid: int) -> str:
    """Return the path of a run's file of one process."""
    return "%s%d.lock" % (prefix(run), pid)
