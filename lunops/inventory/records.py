"""The inventory: which heads there are, how they are reached, which pools they hold, and who is meant by a pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lunops.errors import InventoryError
from lunops.inventory.host import Layer
from lunops.inventory.pattern import Chooser
from lunops.model import Host, Json
from lunops.near import hint


@dataclass(frozen=True, kw_only=True)
class Group:
    """What is right in a group."""

    hosts: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)  # those in the inventory itself
    priority: int = 1


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One of the places that a variable's value comes from."""

    name: str
    value: Json
    layer: str  # such as "group rack1" or "host_vars of the playbook"
    where: str  # FILE:LINE, or FILE:LINE:COLUMN in YAML


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The heads by name, in the order in which they are named, and the groups with the names of all heads in them."""

    path: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
    tree: Mapping[str, Group] = field(default_factory=dict)
    # What `localhost` is where no head has this name: this machine, in no group, with the variables of `all`.
    localhost: Host | None = None
    layers: Mapping[str, tuple[Layer, ...]] = field(default_factory=dict, compare=False, repr=False)  # weakest first

    def select(self, pattern: str, *, read: Callable[[Path], str] | None = None) -> tuple[Host, ...]:
        """Return the heads that a pattern names, in the order of the inventory.

        Names, groups, globs, `~REGEX`, `GROUP[0]`, `GROUP[0:2]` and `all`, joined by `,` or `:`; `!x` takes away, `&x`
        keeps only those also in x; `@FILE` stands for the names in a file, which `read` reads. `localhost` is this
        machine, also where the inventory does not name it. Raises `InventoryError` where a part names nothing, or
        nothing is left.
        """
        chooser = Chooser(
            hosts=self.hosts,
            groups=self.groups,
            implicit=self.localhost.name if self.localhost else "",
            path=self.path,
            read=read,
        )
        chosen = chooser.choose(pattern)
        implicit = (self.localhost,) if self.localhost and self.localhost.name in chosen else ()
        return (*(host for name, host in self.hosts.items() if name in chosen), *implicit)

    def host_for_pool(self, pool: str) -> Host:
        """Return the head that holds the pool; raises `InventoryError` that names the nearest one."""
        for host in self.hosts.values():
            if pool in host.pools:
                return host
        fix = hint(pool, (known for host in self.hosts.values() for known in host.pools), "pools")
        if odd := [name for name, host in self.hosts.items() if "pool" in host.variables and not host.pools]:
            fix = f"{odd[0]} sets the variable 'pool'; did you mean 'pools'?"
        raise InventoryError(f"no head has the pool {pool!r}", where=self.path, fix=fix)

    def host(self, name: str) -> Host:
        """Return the head of a name; raises `InventoryError` that names the nearest one."""
        found = self.hosts.get(name)
        if found is None and self.localhost is not None and name == self.localhost.name:
            found = self.localhost
        if found is None:
            raise InventoryError(f"no head is named {name!r}", where=self.path, fix=hint(name, self.hosts, "heads"))
        return found

    def given(self, host: str) -> dict[str, Json]:
        """Return the variables that the inventory gives a head, without those that lunops adds."""
        self.host(host)
        return {name: value for layer in self.layers[host] for name, value in layer.values.items()}

    def origins(self, host: str) -> Mapping[str, tuple[Origin, ...]]:
        """Return, for each variable of a head, where it is given: the weakest first, the last one counts."""
        found: dict[str, list[Origin]] = {}
        for origin in self._all_origins(host):
            found.setdefault(origin.name, []).append(origin)
        return {name: tuple(each) for name, each in found.items()}

    def origins_of(self, host: str, names: Iterable[str]) -> tuple[Origin, ...]:
        """Return where variables that mean the same are given: the weakest first, the last one counts."""
        wanted = set(names)
        return tuple(origin for origin in self._all_origins(host) if origin.name in wanted)

    def _all_origins(self, host: str) -> Iterable[Origin]:
        self.host(host)
        for layer in self.layers[host]:
            every = [(name, given) for name, each in layer.variables.items() for given in each]
            for name, given in sorted(every, key=lambda pair: pair[1].source):
                yield Origin(name=name, value=given.value, layer=layer.words, where=given.where)
