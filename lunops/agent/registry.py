"""The agent's modules by name: each a function of a task at work and its items."""

from __future__ import annotations

from lunops.agent import absent, adopt, clone, destroy, device, drift, reconcile, target, undo

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Sequence

    from lunops.agent.work import Item, Work

MODULES: Dict[str, Callable[[Work, Sequence[Item]], None]] = {
    "adopt": adopt.run,
    "drift": drift.run,
    "lio_absent": absent.run,
    "lio_target": target.run,
    "reconcile": reconcile.run,
    "undo": undo.run,
    "wait_for_device": device.run,
    "zfs_clone": clone.run,
    "zfs_destroy": destroy.run,
}
