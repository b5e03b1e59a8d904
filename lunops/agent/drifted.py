"""What drift finds of one LUN: what differs, where, why, and which remedies would mend it."""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from lunops.agent.outcome import ItemError

# What differs. `missing`: a whole layer is not there. `half-made`: some of its objects are. `changed`: values differ.
# `extra`: something is there that is not wanted. `unrecorded`: lunops' own, but no record says so.
MISSING, HALF_MADE, CHANGED, EXTRA = "missing", "half-made", "changed", "extra"
UNRECORDED, IN_WORK = "unrecorded", "in work"
# Where.
ZFS, DEVICE, KERNEL, SAVECONFIG, RECORD = "zfs", "device", "kernel", "saveconfig", "record"
# Remedies, in the order in which they are applied.
UNSHARE, TAKE_IN, EXPORT, DESTROY, TAKE_BACK, FORGET = (
    "unshare",  # take its target and storage object out of kernel and saveconfig.json
    "take in",  # record it as it is in the kernel, or in saveconfig.json
    "export",  # have its device, kernel objects and saved objects as the record says
    "destroy",  # finish the delete that was asked for
    "take back",  # destroy the clone of an interrupted creation, to which nothing was written
    "forget",  # take out the record
)


class Finding:
    """One LUN with a difference. Its key is its IQN; the storage object's name where there is no IQN."""

    def __init__(self, wwn: str, dataset: str, storage_object: str) -> None:
        self.wwn = wwn
        self.dataset = dataset
        self.storage_object = storage_object
        self.record: Dict[str, Any] | None = None
        self.run = ""  # which run made its clone
        self.states: List[str] = []
        self.where: List[str] = []
        self.reasons: List[str] = []
        self.remedies: List[str] = []
        self.blocked: ItemError | None = None  # why it is not mended

    @property
    def key(self) -> str:
        """Return what it is called by: one IQN can be marked on two volumes, so that the dataset is part of it."""
        return " ".join(word for word in (self.wwn or self.storage_object, self.dataset) if word)

    def add(self, state: str, where: str, *reasons: str) -> Finding:
        """Note a difference."""
        self.states.append(state)
        if where not in self.where:
            self.where.append(where)
        self.reasons += reasons
        return self

    def block(self, error: ItemError) -> Finding:
        """Note why this is left alone; the first reason is kept."""
        self.blocked = self.blocked or error
        return self

    @property
    def state(self) -> str:
        """Return the one word for it: the most telling of the states."""
        order = (IN_WORK, UNRECORDED, HALF_MADE, MISSING, EXTRA, CHANGED)
        return next(state for state in order if state in self.states)

    def shown(self) -> Dict[str, Any]:
        """Return it as the data of a drift task; `mend` is what reconcile would do."""
        return {
            "wwn": self.wwn,
            "dataset": self.dataset,
            "storage_object": self.storage_object,
            "state": self.state,
            "where": self.where,
            "reasons": self.reasons,
        }
