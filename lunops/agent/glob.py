"""Whether something stands at a path that may hold the wildcards of a shell: `creates` and `removes` of a command."""

from __future__ import annotations

import fnmatch

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from lunops.agent.system import System


def some(system: System, pattern: str) -> bool:
    """Return whether at least one path fits; a name that begins with a dot only where the pattern does."""
    if not any(letter in pattern for letter in "*?["):
        return system.exists(pattern)
    found = [""]
    for part in pattern.strip("/").split("/"):
        if not any(letter in part for letter in "*?["):
            found = [path + "/" + part for path in found if system.exists(path + "/" + part)]
            continue
        found = [
            path + "/" + name
            for path in found
            for name in _names(system, path or "/")
            if fnmatch.fnmatchcase(name, part) and (part[0] == "." or name[0] != ".")
        ]
    return bool(found)


def _names(system: System, folder: str) -> list[str]:
    try:
        return system.listdir(folder)
    except OSError:
        return []
