"""`lunops inventory`: what an inventory comes to, as `ansible-inventory` shows it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from lunops.errors import InventoryError
from lunops.inventory import Inventory
from lunops.inventory.raw import ALL, PRIORITY
from lunops.model import Json
from lunops.near import hint
from lunops.yaml_source import Vaulted


def as_json(value: Json) -> str:
    """Return a value as `ansible-inventory` prints it; what is encrypted stays so."""
    return json.dumps(_shown(value), indent=4, sort_keys=True)


def listing(inventory: Inventory, limit: str | None = None) -> Json:
    """Return what `ansible-inventory --list` has: the groups, and in `_meta` the variables of each head."""
    hosts = [host.name for host in inventory.select(limit)] if limit else list(inventory.hosts)
    found: dict[str, Json] = {}
    _list_group(inventory, ALL, set(hosts), found, set())
    given = {host: inventory.given(host) for host in hosts}
    return {"_meta": {"hostvars": {host: each for host, each in given.items() if each}}, **found}


def _list_group(
    inventory: Inventory, name: str, hosts: Collection[str], found: dict[str, Json], seen: set[str]
) -> None:
    seen.add(name)
    group = inventory.tree[name]
    made = {"children": list(group.children), "hosts": [host for host in group.hosts if host in hosts]}
    if made := {key: value for key, value in made.items() if value}:
        found[name] = made
    for child in group.children:
        if child not in seen:
            _list_group(inventory, child, hosts, found, seen)


def graph(inventory: Inventory, group: str = ALL, *, with_variables: bool = False) -> Iterator[str]:
    """Give the lines of a group's tree, as `ansible-inventory --graph` draws it."""
    if group not in inventory.tree:
        fix = hint(group, inventory.tree, "groups")
        raise InventoryError(f"no group is named {group!r}", where=inventory.path, fix=fix)
    yield from _draw(inventory, group, 0, with_variables)


def _draw(inventory: Inventory, name: str, depth: int, with_variables: bool) -> Iterator[str]:
    group = inventory.tree[name]
    yield _line(f"@{name}:", depth)
    for child in group.children:
        yield from _draw(inventory, child, depth + 1, with_variables)
    for host in group.hosts:
        yield _line(host, depth + 1)
        if with_variables:
            yield from _variables(inventory.given(host), depth + 2)
    if with_variables:
        priority = {PRIORITY: group.priority} if group.priority != 1 else {}
        yield from _variables({**group.variables, **priority}, depth + 1)


def _variables(variables: dict[str, Json], depth: int) -> Iterator[str]:
    for name, value in sorted(variables.items()):
        yield _line("{" + f"{name} = {_shown(value)}" + "}", depth)


def _line(text: str, depth: int) -> str:
    return "  |" * depth + f"--{text}" if depth else text


def _shown(value: Json) -> Json:
    if isinstance(value, Vaulted):
        return {"__ansible_vault": str(value)}
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value
