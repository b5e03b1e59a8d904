"""zfs_set: have properties of datasets set, or inherited, as wanted.

    {"dataset": "p/x", "properties": {NAME: VALUE}, "inherit": [NAME]}

Only what differs is set, all of an item in one command; what ZFS refuses it refuses in its own words.
"""

from __future__ import annotations

from lunops.agent import properties, zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Sequence

    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: one look at all datasets with all properties that any item names."""
    names = sorted({name for item in items for name in (*item.args["properties"], *item.args["inherit"])})
    found, unknown = properties.observe(work.system, [item.args["dataset"] for item in items], ["type", *names])

    def one(item: Item, outcome: Outcome) -> None:
        dataset, wanted, inherit = item.args["dataset"], item.args["properties"], item.args["inherit"]
        if dataset not in found:
            raise ItemError("%s does not exist" % dataset, "create it first (zfs_volume, zfs_filesystem, zfs_clone)")
        for name in (*wanted, *inherit):
            if name in unknown:
                raise unknown[name]
        now: zfs.Found = found[dataset]
        properties.change(work, now, properties.different(wanted, now), properties.to_inherit(inherit, now), outcome)

    work.each(items, one)
