"""Turn a playbook into the plan of what can be told of it before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from lunops.inventory import Inventory
from lunops.model import Json, Plan
from lunops.planner.prepare import prepare
from lunops.playbook.model import Playbook
from lunops.render import Templates


def plan_playbook(
    playbook: Playbook,
    inventory: Inventory,
    limit: str | None = None,
    extra_vars: Mapping[str, Json] | None = None,
    *,
    templates: Templates,
    run: str = "",
) -> Plan:
    """Return the plan of a playbook for those of its heads that `limit` (a pattern) leaves.

    Raises `InputError` with every error; nothing to do at all is one.
    """
    names = None if limit is None else [host.name for host in inventory.select(limit)]
    return prepare(playbook, inventory, templates=templates, limit=names, extra=extra_vars, run=run).plan
