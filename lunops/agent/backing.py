"""What is behind a storage object: what its `control` file was told, as its `info` file shows it."""

from __future__ import annotations

import re

from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

EXPORTED = "exported"  # whether a LUN leads to it
# what the kernel takes only while no LUN leads to the object (Linux 6.1; recorded in tests/recorded/lio.jsonl)
FIXED_WHILE_EXPORTED = (
    "block_size",
    "emulate_model_alias",
    "emulate_tas",
    "emulate_ua_intlck_ctrl",
    "force_pr_aptpl",
    "optimal_sectors",
    "queue_depth",
    "unmap_zeroes_data",
)
_SHOWN = {
    "udev_path": r"UDEV PATH: (\S+)",
    "readonly": r"readonly: (\d)",
    "fd_dev_name": r"File: (\S+)  Size:",
    "fd_dev_size": r"  Size: (\d+)",
    "fd_async_io": r"Async: (\d)",
}


def shown(info: str) -> Dict[str, str]:
    """Return the options that a storage object's `info` shows, by their names in `control`, and whether it is exported.

    The kernel writes, for a file: `File: /srv/a.img  Size: 16777216  Mode: O_DSYNC Async: 0`.
    """
    found = {EXPORTED: "1" if "Status: ACTIVATED" in info else "0"}
    for name, pattern in _SHOWN.items():
        match = re.search(pattern, info)
        if match:
            found[name] = match.group(1)
    mode = re.search(r"Mode: (\S+)", info)
    if mode:
        found["fd_buffered_io"] = "1" if mode.group(1) == "Buffered-WCE" else "0"
    return found


def options(wanted: Dict[str, Any]) -> List[Tuple[str, str]]:
    """Return what `control` is told of a storage object, in order."""
    if wanted["plugin"] == "block":
        return [("udev_path", wanted["dev"]), ("readonly", "1" if wanted.get("readonly") else "0")]
    return [
        ("fd_dev_name", wanted["dev"]),
        ("fd_dev_size", str(wanted["size"])),
        ("fd_buffered_io", "1" if wanted.get("write_back") else "0"),
        ("fd_async_io", "1" if wanted.get("aio") else "0"),
    ]


def refuse_change(storage: str, option: str, now: str, wanted: str) -> None:
    """Raise ItemError unless this option of an object that is enabled may become what is wanted.

    The kernel takes a new `fd_dev_size` at any time, and initiators see it at their next rescan; a volume's size is
    its device's own. Everything else is read when the object is enabled, and only shown afterwards.
    """
    if option != "fd_dev_size":
        raise ItemError(
            "%s of the storage object %s is %s, not %s" % (option, storage, now or "not set", wanted),
            "it is fixed while the object is there: unshare it first (lio_absent)",
        )
    if int(wanted) < int(now or 0):
        raise ItemError(
            "the storage object %s has %s bytes, and would lose what lies behind byte %s" % (storage, now, wanted),
            "a file that is exported only grows; unshare it first (lio_absent)",
        )
