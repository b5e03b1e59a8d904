"""reconcile: mend what drift finds, LUN by LUN; healthy LUNs are not touched.

    {"lun": "", "force": []}               "": all that differs; else one finding's key, its IQN or its volume

In check mode it tells what it would do. What is in use is only added to; what a run is at work on is left alone.
Before anything is mended its names are taken, and it is looked at again: a run that was at it may have ended meanwhile.
"""

from __future__ import annotations

from lunops.agent import drifted, mend, runs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from lunops.agent.drifted import Finding
    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    if not work.check:
        runs.sweep(work.system)
    found = [each for each in mend.look(work) if any(_is_meant(each, item) for item in items)]
    if found and not work.check:
        found = _taken(work, found)
    chosen: Dict[str, List[Finding]] = {item.key: [each for each in found if _is_meant(each, item)] for item in items}
    outcomes: Dict[str, Outcome] = {}
    for force in sorted({tuple(item.args.get("force", ())) for item in items}):
        mine = [each for item in items if tuple(item.args.get("force", ())) == force for each in chosen[item.key]]
        outcomes.update(mend.mend(work, list({each.key: each for each in mine}.values()), force))
    for item in items:
        work.report(item, _together([(each, outcomes[each.key]) for each in chosen[item.key]]))


def _taken(work: Work, found: Sequence[Finding]) -> List[Finding]:
    """Return what still differs of these, once their names are taken; what another run has is blocked."""
    names = {each.key: {each.wwn, each.dataset} - {""} for each in found}
    busy = work.take_names(names)
    again = [each for each in mend.look(work) if each.key in names]
    for each in again:
        if each.key in busy and each.state != drifted.IN_WORK:
            each.block(busy[each.key])
    return again


def _is_meant(each: Finding, item: Item) -> bool:
    lun = item.args.get("lun", "")
    return not lun or lun in (each.key, each.wwn, each.dataset, each.storage_object)


def _together(ended: Sequence[tuple[Finding, Outcome]]) -> Outcome:
    """Return one outcome for what was done about some findings."""
    if len(ended) == 1:
        return ended[0][1]
    total = Outcome()
    for each, outcome in ended:
        for lines, mine in (
            (outcome.changes, total.changes),
            (outcome.rolled_back, total.rolled_back),
            (outcome.left_behind, total.left_behind),
        ):
            mine += ["%s: %s" % (each.key, line) for line in lines]
    failed = [(each, outcome) for each, outcome in ended if outcome.error]
    if failed:
        what = "; ".join("%s: %s" % (each.key, outcome.error) for each, outcome in failed[:5])
        more = " …" if len(failed) > 5 else ""
        total.fail(ItemError("%d of %d are not mended: %s%s" % (len(failed), len(ended), what, more), failed[0][1].fix))
    return total
