"""A long command and a child of it that do not mind TERM: it takes the two seconds until KILL to end them."""

from __future__ import annotations

from pathlib import Path

_SCRIPT = 'trap "" TERM\nsh -c "echo \\$\\$ >>pids; sleep 1000; sleep 1000" &\necho $$ >>pids\nsleep 1000\nsleep 1000\n'


def write(folder: Path) -> None:
    """Write it: `sh long.sh` in this folder."""
    (folder / "long.sh").write_text(_SCRIPT)


def pids(folder: Path) -> list[int]:
    """Return the ids of the two shells, as far as they have begun."""
    path = folder / "pids"
    return [int(word) for word in path.read_text().split()] if path.exists() else []
