"""Turn golden images into many writable, access-controlled iSCSI disks on ZFS storage heads."""

from lunops.errors import LunopsError
from lunops.model import (
    HeadPlan,
    Host,
    Item,
    ItemResult,
    Plan,
    RunResult,
    Status,
    Task,
    TaskResult,
    Times,
)
from lunops.names import Dataset, Iqn, Portal, Snapshot

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "HeadPlan",
    "Host",
    "Iqn",
    "Item",
    "ItemResult",
    "LunopsError",
    "Plan",
    "Portal",
    "RunResult",
    "Snapshot",
    "Status",
    "Task",
    "TaskResult",
    "Times",
    "__version__",
]
