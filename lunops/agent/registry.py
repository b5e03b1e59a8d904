"""The agent's modules by name: each a function of a task at work and its items."""

from __future__ import annotations

from lunops.agent import absent, clone, destroy, device, discovery, sessions, target, undo

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Sequence

    from lunops.agent.work import Item, Work

MODULES: Dict[str, Callable[[Work, Sequence[Item]], None]] = {
    "lio_absent": absent.run,
    "lio_discovery": discovery.run,
    "lio_fragment": target.run,
    "lio_target": target.run,
    "sessions": sessions.run,
    "undo": undo.run,
    "wait_for_device": device.run,
    "zfs_clone": clone.run,
    "zfs_destroy": destroy.run,
}
