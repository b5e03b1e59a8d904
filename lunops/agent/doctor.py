"""doctor: look at all of a head that LUNs need, and say what is wrong and how to mend it. Nothing is changed.

    {"pools": ["p"], "fail_on": "error" | "warning" | "never"}

What is found stands in the item's data: {"facts": {…}, "findings": [{id, severity, what, where, fix}, …]}.
Facts are gathered by few commands and many small reads; what they mean is judged by pure functions (doctor_judge).
"""

from __future__ import annotations

from lunops.agent import doctor_judge, doctor_lio, doctor_machine, doctor_pools
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    work.each(items, lambda item, outcome: _one(work, item, outcome))


def _one(work: Work, item: Item, outcome: Outcome) -> None:
    facts = gather(work.system)
    findings = doctor_judge.judge(facts, item.args["pools"])
    outcome.data = {"facts": facts, "findings": [finding.as_dict() for finding in findings]}
    levels = doctor_judge.SEVERITIES
    limit = item.args["fail_on"]
    bad = [one for one in findings if limit != "never" and levels.index(one.severity) >= levels.index(limit)]
    if bad:
        what = "; ".join("%s: %s" % (one.id, one.what) for one in bad[:5]) + (" …" if len(bad) > 5 else "")
        raise ItemError(what, bad[0].fix if len(bad) == 1 else "lunops doctor says how to mend each")


def gather(system: System) -> Dict[str, Any]:
    """Return the facts of a head, as the scenarios in tests/scenarios/doctor have them."""
    facts: Dict[str, Any] = {"time": system.time()}
    for part in (doctor_machine.gather, doctor_pools.gather):
        facts.update(part(system))
    # On a wedged head even looking at LIO may hang.
    facts.update(doctor_lio.nothing() if facts["wedged"] else doctor_lio.gather(system))
    return facts
