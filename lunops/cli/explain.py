"""`lunops explain`: where the value of a variable comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from lunops.errors import InventoryError
from lunops.inventory import Inventory, Origin
from lunops.inventory.settings import CANONICAL, SETTINGS
from lunops.model import Json
from lunops.near import hint
from lunops.yaml_source import Vaulted


def explain(inventory: Inventory, name: str, host: str, *, extra: Sequence[Origin] = ()) -> Iterator[str]:
    """Give lines that say what a variable of a head is, and every place that it is given, the weakest first.

    A setting is looked up by all its names. `extra` are places that are stronger than the inventory, such as those of
    a play. Raises `InventoryError` where the head or the variable is not known.
    """
    setting = CANONICAL.get(name)
    names = (setting, *SETTINGS[setting].aliases) if setting else (name,)
    origins = [*inventory.origins_of(host, names), *(origin for origin in extra if origin.name in names)]
    if not origins:
        yield _not_given(inventory, name, host)
        return
    yield f"{name} of {host} is {_shown(origins[-1].value)}"
    # One file may be read twice, beside the inventory and beside the playbook.
    rows = {(_shown(each.value), _whose(each, name), each.where): None for each in origins}
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    counts = (_shown(origins[-1].value), _whose(origins[-1], name), origins[-1].where)
    for row in rows:
        mark = "*" if row == counts else " "
        yield f"{mark} {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}"


def _not_given(inventory: Inventory, name: str, host: str) -> str:
    head = inventory.host(host)
    if name in head.variables:
        return f"{name} of {host} is {_shown(head.variables[name])}: lunops sets it"
    if name in CANONICAL:
        return f"{name} of {host} is not given, so it has its default"
    fix = hint(name, head.variables, "variables")
    raise InventoryError(f"{host} has no variable {name!r}", where=inventory.path, fix=fix)


def _whose(origin: Origin, name: str) -> str:
    return origin.layer if origin.name == name else f"{origin.layer}, as {origin.name}"


def _shown(value: Json) -> str:
    return "(encrypted)" if isinstance(value, Vaulted) else json.dumps(value, ensure_ascii=False, default=str)
