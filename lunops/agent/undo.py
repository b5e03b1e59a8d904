"""Take back what a run made for an item, newest first, and only what still carries that run's mark.

made: ["clone", DATASET, RUN] | ["parent", DATASET, RUN] | ["target", IQN, DATASET, STORAGE OBJECT]
"""

from __future__ import annotations

from lunops.agent import absent, destroy, lio, zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.saveconfig import SaveConfig

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Sequence

    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Take back each item's `made`; what cannot be is left behind, with the command that would do it."""
    for item in items:
        begun = work.system.monotonic()
        outcome = Outcome()
        for step in reversed(item.args["made"]):
            try:
                _one(work, step, outcome)
            except (ItemError, OSError) as error:
                what = error if isinstance(error, ItemError) else ItemError(str(error))
                outcome.fail(what)
                outcome.left_behind.append(_by_hand(step))
        work.report(item, outcome, work.system.monotonic() - begun)


def _one(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    system = work.system
    if step[0] == "target":
        with lio.locked(work):
            saved = SaveConfig(system)
            args = {"wwn": step[1], "dataset": step[2], "storage_object": step[3]}
            absent.unshare(system, args, saved, outcome.changes, check=False)
            saved.write()
        return
    kind, dataset, mark = step
    found = zfs.observe(system, [dataset], ("type", "origin", zfs.MANAGED, zfs.MADE)).get(dataset)
    if found is None:
        return
    if found.local(zfs.MADE) != mark:
        raise ItemError("%s is no longer what this run made" % dataset, "look at it before destroying it")
    below = zfs.dependents(system, [dataset]).get(dataset, [])
    if kind == "parent":
        if below or found.value("type") != "filesystem":
            return  # another item lives in it by now
    else:
        destroy.check(found, below)
    destroy.destroy(system, dataset)
    outcome.changes.append("zfs destroy %s" % dataset)


def _by_hand(step: Sequence[Any]) -> str:
    if step[0] == "target":
        return "targetcli /iscsi delete %s && targetcli /backstores/block delete %s" % (step[1], step[3])
    return "zfs destroy %s" % step[1]
