"""From a head's facts to findings, purely: each says what is wrong, where, how bad it is, and how to mend it.

docs/doctor.md has every finding; a test holds the two together.
"""

from __future__ import annotations

from lunops.agent import doctor_judge_lio, doctor_judge_machine
from lunops.agent.finding import NOTE, OK, SEVERITIES, Finding

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

__all__ = ["CHECKS", "SEVERITIES", "judge"]

CHECKS = (*doctor_judge_machine.CHECKS, *doctor_judge_lio.CHECKS)


def judge(facts: Dict[str, Any], pools: Sequence[str] = ()) -> List[Finding]:
    """Return what is to be said of a head; a check that found nothing says so in one finding that is `ok`."""
    facts = dict(facts, wanted_pools=list(pools))
    findings: List[Finding] = []
    for check in CHECKS:
        found = list(check.find(facts))
        if all(one.severity in (OK, NOTE) for one in found):
            found.insert(0, Finding(check.name, OK, check.well))
        findings += found
    return findings
