"""The agent's modules by name: each a function of a task at work and its items.

A module's file is read when it is first asked for: a session of three modules does not pay for thirty.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Sequence

    from lunops.agent.work import Item, Work

MODULES: Dict[str, str] = {
    "adopt": "adopt.run",
    "boot_order": "boot_order.run",
    "command": "command.run",
    "copy": "copy.run",
    "doctor": "doctor.run",
    "drift": "drift.run",
    "facts": "facts.run",
    "file": "file.run",
    "lio_absent": "absent.run",
    "lio_discovery": "discovery.run",
    "lio_fragment": "target.run",
    "lio_target": "target.run",
    "lun": "lun.run",
    "reconcile": "reconcile.run",
    "sessions": "sessions.run",
    "setup": "facts.run",
    "shell": "command.run",
    "stat": "stat.run",
    "state": "state.run",  # asked for by saved plans alone
    "template": "copy.run",
    "undo": "undo.run",
    "wait_for": "wait.run",
    "wait_for_device": "device.run",
    "zfs_clone": "clone.run",
    "zfs_destroy": "destroy.run",
    "zfs_filesystem": "create.filesystems",
    "zfs_hold": "holds.run_hold",
    "zfs_list": "listing.run",
    "zfs_promote": "promote.run",
    "zfs_receive": "receive.run",  # the other half of zfs_send, which alone asks for it
    "zfs_release": "holds.run_release",
    "zfs_rename": "rename.run",
    "zfs_resize": "resize.run",
    "zfs_rollback": "rollback.run",
    "zfs_send": "send.run",
    "zfs_set": "set_properties.run",
    "zfs_snapshot": "snapshot.run",
    "zfs_volume": "create.volumes",
}


def load(name: str) -> Callable[[Work, Sequence[Item]], None]:
    """Return the function of a module; raises KeyError if there is none of this name."""
    file, function = MODULES[name].split(".")
    found: Callable[[Work, Sequence[Item]], None] = getattr(importlib.import_module("lunops.agent." + file), function)
    return found
