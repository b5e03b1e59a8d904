"""The inventory: which heads there are, how they are reached, which pools they hold, and who is meant by a pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lunops import inventory_ini
from lunops.errors import InventoryError
from lunops.inventory_host import Source, build
from lunops.inventory_ini import ALL, UNGROUPED, RawInventory
from lunops.model import Host
from lunops.near import hint


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The heads by name, in the order of the file, and the groups with the names of all heads in them."""

    path: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]

    def select(self, pattern: str) -> tuple[Host, ...]:
        """Return the heads that a pattern names, in the order of the file.

        Names, groups, globs and `all`, joined by `,` or `:`; `!x` takes away, `&x` keeps only those also in x.
        Raises `InventoryError` where a part names nothing, or nothing is left.
        """
        parts = [part.strip() for part in re.split(r"[,:]", pattern) if part.strip()]
        plain = [part for part in parts if part[0] not in "!&"]
        chosen = set(self.hosts) if parts and not plain else set().union(*map(self._named, plain))
        for part in parts:
            if part.startswith("&"):
                chosen &= self._named(part[1:])
        for part in parts:
            if part.startswith("!"):
                chosen -= self._named(part[1:])
        if not chosen:
            raise InventoryError(
                f"{pattern!r} names no head", where=self.path, fix=hint(pattern, self._words(), "heads and groups")
            )
        return tuple(host for name, host in self.hosts.items() if name in chosen)

    def host_for_pool(self, pool: str) -> Host:
        """Return the head that holds the pool; raises `InventoryError` that names the nearest one."""
        for host in self.hosts.values():
            if pool in host.pools:
                return host
        fix = hint(pool, (known for host in self.hosts.values() for known in host.pools), "pools")
        if odd := [name for name, host in self.hosts.items() if "pool" in host.variables and not host.pools]:
            fix = f"{odd[0]} sets the variable 'pool'; did you mean 'pools'?"
        raise InventoryError(f"no head has the pool {pool!r}", where=self.path, fix=fix)

    def _named(self, part: str) -> set[str]:
        if part in self.hosts:
            return {part}
        if part in self.groups:
            return set(self.groups[part])
        found = set(fnmatch.filter(self.hosts, part))
        for group in fnmatch.filter(self.groups, part) if set(part) & set("*?[") else ():
            found |= set(self.groups[group])
        if not found:
            raise InventoryError(
                f"no head or group is named {part!r}",
                where=self.path,
                fix=hint(part, self._words(), "heads and groups"),
            )
        return found

    def _words(self) -> list[str]:
        return [*self.hosts, *self.groups]


def parse(text: str, path: Path) -> Inventory:
    """Return the inventory in a file's text; `path` is for messages, and where relative paths start.

    Raises `InventoryError` naming file and line.
    """
    raw = inventory_ini.read(text.removeprefix("\ufeff"), str(path))
    groups = _groups(raw, path)
    hosts = {name: build(_source(name, raw, groups), path) for name in raw.hosts}
    if not hosts:
        raise InventoryError(
            "the inventory names no head", where=str(path), fix="write NAME key=value …, a head a line"
        )
    _refuse_shared_pools(hosts, raw, path)
    members = {group: tuple(name for name in hosts if name in inside) for group, inside in groups.items()}
    return Inventory(path=str(path), hosts=hosts, groups=members)


def _groups(raw: RawInventory, path: Path) -> dict[str, set[str]]:
    """Return, for each group, the hosts in it and below it."""
    known = {ALL, UNGROUPED, *raw.members, *raw.children}
    for group, line in raw.variable_lines.items():
        if group not in known:
            raise InventoryError(
                f"there is no group {group!r} to give variables to",
                where=f"{path}:{line}",
                fix=hint(group, known, "groups"),
            )
    for children in raw.children.values():
        for child, line in children.items():
            if child not in known:
                raise InventoryError(
                    f"there is no group {child!r}", where=f"{path}:{line}", fix=hint(child, known, "groups")
                )
    groups = {group: _below(group, raw, path, ()) for group in sorted(known - {ALL, UNGROUPED})}
    groups[UNGROUPED] = set(raw.hosts).difference(*groups.values())
    groups[ALL] = set(raw.hosts)
    return groups


def _below(group: str, raw: RawInventory, path: Path, above: tuple[str, ...]) -> set[str]:
    found = set(raw.members.get(group, ()))
    for child, line in raw.children.get(group, {}).items():
        if child in (group, *above):
            circle = " > ".join((*above, group, child))
            raise InventoryError(f"a group is in itself: {circle}", where=f"{path}:{line}", fix="take it out once")
        found |= _below(child, raw, path, (*above, group))
    return found


def _depth(group: str, raw: RawInventory) -> int:
    """Return how far below `all` a group stands: one more than the deepest group that it is in."""
    return 1 + max((_depth(parent, raw) for parent, children in raw.children.items() if group in children), default=0)


def _source(name: str, raw: RawInventory, groups: Mapping[str, set[str]]) -> Source:
    """Return where the host's variables come from, the weakest first: `all`, its groups, then its own line.

    As in Ansible, a group comes before those that stand deeper, and the equally deep come in alphabetical order.
    """
    mine = [group for group, members in groups.items() if name in members and group not in (ALL, UNGROUPED)]
    order = sorted(mine, key=lambda group: (_depth(group, raw), group))
    everywhere = (ALL, UNGROUPED) if name in groups[UNGROUPED] else (ALL,)
    layers = [(f"group {group}", raw.variables.get(group, {})) for group in (*everywhere, *order)]
    return Source(name=name, groups=tuple(sorted(mine)), layers=(*layers, (name, raw.hosts[name])))


def _refuse_shared_pools(hosts: Mapping[str, Host], raw: RawInventory, path: Path) -> None:
    """Refuse a pool that two heads claim: which of them a clone goes to must never be a guess."""
    owners: dict[str, str] = {}
    for name, host in hosts.items():
        for pool in host.pools:
            if (other := owners.setdefault(pool, name)) != name:
                raise InventoryError(
                    f"the pool {pool!r} is on two heads, {other} (line {raw.host_lines[other]}) and {name}",
                    where=f"{path}:{raw.host_lines[name]}",
                    fix="a pool is imported on one head at a time: take it from the other",
                )
