"""sessions: who is logged in where. Only looks.

    {"wwn": IQN}   one target, which has to be there; without it, every target of the head

The data is a list of {target, tpg, initiator, address, state, dynamic}.
"""

from __future__ import annotations

from lunops.agent import lio
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Sequence

    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    work.each(items, lambda item, outcome: _look(work, item, outcome))


def _look(work: Work, item: Item, outcome: Outcome) -> None:
    system, wwn = work.system, item.args.get("wwn", "")
    if wwn and not system.is_dir("%s/%s" % (lio.ISCSI, wwn)):
        raise ItemError("there is no target %s" % wwn, "see: ls %s" % lio.ISCSI)
    names = [wwn] if wwn else [name for name in lio.folders(system, lio.ISCSI) if name != "discovery_auth"]
    outcome.data = [one for name in names for one in lio.all_sessions(system, "%s/%s" % (lio.ISCSI, name))]
