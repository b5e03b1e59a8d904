"""The agent's modules by name: each a function of a task at work and its items."""

from __future__ import annotations

from lunops.agent import (
    absent,
    adopt,
    boot_order,
    clone,
    create,
    destroy,
    device,
    discovery,
    drift,
    holds,
    listing,
    promote,
    receive,
    reconcile,
    rename,
    resize,
    rollback,
    send,
    sessions,
    set_properties,
    snapshot,
    target,
    undo,
)

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Callable, Dict, Sequence

    from lunops.agent.work import Item, Work


def _doctor(work: Work, items: Sequence[Item]) -> None:
    """Run the module that is rarely wanted, and whose many files would cost every start."""
    from lunops.agent import doctor

    doctor.run(work, items)


MODULES: Dict[str, Callable[[Work, Sequence[Item]], None]] = {
    "boot_order": boot_order.run,
    "doctor": _doctor,
    "adopt": adopt.run,
    "drift": drift.run,
    "lio_absent": absent.run,
    "lio_discovery": discovery.run,
    "lio_fragment": target.run,
    "lio_target": target.run,
    "sessions": sessions.run,
    "reconcile": reconcile.run,
    "undo": undo.run,
    "wait_for_device": device.run,
    "zfs_clone": clone.run,
    "zfs_destroy": destroy.run,
    "zfs_filesystem": create.filesystems,
    "zfs_hold": holds.run_hold,
    "zfs_list": listing.run,
    "zfs_promote": promote.run,
    "zfs_release": holds.run_release,
    "zfs_rename": rename.run,
    "zfs_resize": resize.run,
    "zfs_rollback": rollback.run,
    "zfs_set": set_properties.run,
    "zfs_snapshot": snapshot.run,
    "zfs_volume": create.volumes,
    "zfs_receive": receive.run,  # the other half of zfs_send, which alone asks for it
    "zfs_send": send.run,
}
