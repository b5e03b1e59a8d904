"""`lunops explain`: where the value of a variable comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from lunops.errors import InventoryError
from lunops.inventory import Inventory, Origin
from lunops.inventory.settings import CANONICAL, SETTINGS
from lunops.model import Json
from lunops.near import hint
from lunops.yaml_source import Vaulted


class RunTime:
    """A value that only a run gives."""


RUN_TIME: Final = RunTime()


def explain(inventory: Inventory, name: str, host: str, *, extra: Sequence[Origin] = ()) -> Iterator[str]:
    """Give lines that say what a variable of a head is, and every place that it is given, the weakest first.

    A setting is looked up by all its names. `extra` are places that are stronger than the inventory, such as those of
    `-e`. Raises `InventoryError` where the head or the variable is not known.
    """
    names = names_of(name)
    origins = [*inventory.origins_of(host, names), *(origin for origin in extra if origin.name in names)]
    if not origins:
        yield _not_given(inventory, name, host)
        return
    yield from origin_lines(name, host, origins)


def names_of(name: str) -> tuple[str, ...]:
    """Return all names that mean the same variable."""
    setting = CANONICAL.get(name)
    return (setting, *SETTINGS[setting].aliases) if setting else (name,)


def origin_lines(name: str, host: str, origins: Sequence[Origin], *, counts: Origin | None = None) -> Iterator[str]:
    """Give what a variable is and a line for each place, that which counts marked; the last one, if none is named.

    What is stronger than the one that counts counts only where it says, and is marked so.
    """
    counts = counts or origins[-1]
    yield f"{name} of {host} is {_shown(counts.value)}"
    # One file may be read twice, beside the inventory and beside the playbook.
    rows = {(_shown(each.value), _whose(each, name), each.where): None for each in origins}
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    winner = (_shown(counts.value), _whose(counts, name), counts.where)
    mark = " "
    for row in rows:
        mark = "*" if row == winner else "~" if mark != " " else " "
        yield f"{mark} {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}".rstrip()


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
    if isinstance(value, RunTime):
        return "(known at run time only)"
    return "(encrypted)" if isinstance(value, Vaulted) else json.dumps(value, ensure_ascii=False, default=str)
