"""zfs_set: have properties of datasets set, or inherited, as wanted.

    {"dataset": "p/x", "properties": {NAME: VALUE}, "inherit": [NAME]}

Only what differs is set. Datasets for which the same is to be done share their commands; what ZFS refuses it
refuses in its own words.
"""

from __future__ import annotations

from lunops.agent import properties
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.properties import Job
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Tuple

    from lunops.agent import zfs
    from lunops.agent.work import Item, Work

_AT_ONCE = 50  # datasets in one command: progress is seen, and a cancel takes effect


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: one look at all datasets with all properties that any item names."""
    names = sorted({name for item in items for name in (*item.args["properties"], *item.args["inherit"])})
    found, unknown = properties.observe(work.system, [item.args["dataset"] for item in items], ["type", *names])
    alike: Dict[str, List[Tuple[Item, Job]]] = {}
    for item in items:
        outcome = Outcome()
        guarded(outcome, lambda: _sort_in(item, found, unknown, outcome, alike))  # noqa: B023 - called at once
        if outcome.error:
            work.report(item, outcome, 0.0)
    for some in alike.values():
        for start in range(0, len(some), _AT_ONCE):
            _do(work, some[start : start + _AT_ONCE])


def _sort_in(
    item: Item,
    found: Dict[str, zfs.Found],
    unknown: Dict[str, ItemError],
    outcome: Outcome,
    alike: Dict[str, List[Tuple[Item, Job]]],
) -> None:
    """Put an item to those for which the same is to be done."""
    dataset, wanted, inherit = item.args["dataset"], item.args["properties"], item.args["inherit"]
    if dataset not in found:
        raise ItemError("%s does not exist" % dataset, "create it first (zfs_volume, zfs_filesystem, zfs_clone)")
    for name in (*wanted, *inherit):
        if name in unknown:
            raise unknown[name]
    now = found[dataset]
    job = Job(now, properties.different(wanted, now), properties.to_inherit(inherit, now), outcome)
    # A file system and a volume take other properties: one that fails must not slow down the others.
    alike.setdefault("%s %r" % (now.value("type"), job.commands()), []).append((item, job))


def _do(work: Work, some: Sequence[Tuple[Item, Job]]) -> None:
    if work.is_over():
        for item, _job in some:
            work.skip(item)
        return
    begun = work.system.monotonic()
    properties.change_alike(work, [job for _item, job in some])
    seconds = (work.system.monotonic() - begun) / len(some)
    for item, job in some:
        work.report(item, job.outcome, seconds)
