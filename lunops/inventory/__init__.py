"""Read an inventory: from the texts of its sources to heads, each with its settings and variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lunops.errors import InventoryError, LunopsError
from lunops.inventory import ini, yaml
from lunops.inventory.groups import Groups
from lunops.inventory.host import Layer, build, layer
from lunops.inventory.raw import ALL, UNGROUPED, Given, Raw, Variables
from lunops.inventory.records import Group, Inventory, Origin
from lunops.inventory.write import write
from lunops.inventory_range import expand
from lunops.model import Host
from lunops.together import raise_all

__all__ = ["Group", "Inventory", "Origin", "Text", "VariablesText", "combine", "parse", "write"]

_PLACE = re.compile(r"(.*?):(\d+)(?::(\d+))?(?:, |\Z)")
_LOCALHOST = "localhost"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A source of an inventory: a file's text, or a list of hosts (`h1,h2,`) where there is no path."""

    text: str
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class VariablesText:
    """The text of a file of variables in `host_vars` or `group_vars`."""

    kind: Literal["host", "group"]
    name: str  # the host's or group's
    text: str
    path: Path
    folder: Path  # the one that has `host_vars` or `group_vars` in it: where relative paths start
    beside: Literal["inventory", "playbook"] = "inventory"


# From the names of hosts and of groups to the files of variables for them.
FindVariables = Callable[[Collection[str], Collection[str]], Sequence[VariablesText]]


def parse(text: str, path: Path) -> Inventory:
    """Return the inventory in a file's text, which is INI or YAML.

    `path` is for messages, and where relative paths start. Raises `InventoryError` with every error that there is,
    each with file and line.
    """
    return combine([Text(text=text, path=path)])


def _no_files(_hosts: Collection[str], _groups: Collection[str]) -> Sequence[VariablesText]:
    return ()


def combine(sources: Sequence[Text], variables: FindVariables = _no_files) -> Inventory:
    """Return the inventory that several sources make together; what comes later wins.

    `variables` gives the files of variables there are for these hosts and groups: the weaker folder first, and the
    files of one host or group in the order in which they count. Raises `InventoryError` with every error there is.
    """
    raw = Raw()
    for source in sources:
        raw.sources += 1
        _read(source, raw)
    raw.finish()
    names = ", ".join(dict.fromkeys(str(source.path or source.text) for source in sources))
    if not raw.hosts and not raw.errors:
        fix = "write NAME key=value …, a head a line"
        raise InventoryError("the inventory names no head", where=names, fix=fix)
    groups = Groups(raw)
    files = _Files(variables({*raw.hosts, _LOCALHOST}, raw.groups), raw)
    layers = _Layers(raw, groups, files)
    hosts: dict[str, Host] = {}
    of_hosts: dict[str, tuple[Layer, ...]] = {}
    for name in raw.hosts:
        mine = groups.of_host(name)
        of_hosts[name] = layers.of_host(name, mine)
        hosts[name] = build(name, sorted(mine), of_hosts[name], raw.folders[name], raw.errors)
    raw.errors.extend(_shared_pools(hosts, raw.places))
    localhost = None
    if _LOCALHOST not in hosts:
        of_hosts[_LOCALHOST] = layers.of_localhost()
        localhost = build(_LOCALHOST, (), of_hosts[_LOCALHOST], Path(), raw.errors)
    raise_all(_in_order(raw.errors))
    return Inventory(
        path=names,
        hosts=hosts,
        groups=groups.members(),
        tree={
            name: Group(
                hosts=tuple(groups.direct(name)),
                children=tuple(groups.children(name)),
                variables={variable: given[-1].value for variable, given in group.variables.items()},
                priority=group.priority,
            )
            for name, group in raw.groups.items()
        },
        localhost=localhost,
        layers=of_hosts,
    )


def _in_order(errors: Sequence[LunopsError]) -> list[LunopsError]:
    """Return errors as one meets what they are about, reading file after file."""
    places = [_PLACE.match(error.where) for error in errors]
    files = list(dict.fromkeys(place[1] if place else "" for place in places))
    keys = [(files.index(place[1]), int(place[2]), int(place[3] or 0)) if place else (0, 0, 0) for place in places]
    return [errors[number] for number in sorted(range(len(errors)), key=keys.__getitem__)]


def _read(source: Text, raw: Raw) -> None:
    if source.path is None:
        try:
            names = [name for word in source.text.split(",") for name in expand(word.strip(), "-i") if name]
            raw.add_hosts(UNGROUPED, names, "-i", Path())
        except InventoryError as error:
            raw.errors.append(error)
        return
    text = source.text.removeprefix("\ufeff")
    reader = yaml if yaml.is_yaml(source.path, text) else ini
    reader.read(text, source.path, raw)


class _Files:
    """What the files of variables say: by kind, place and folder, for each host or group."""

    def __init__(self, variables: Sequence[VariablesText], raw: Raw) -> None:
        self.folders: dict[str, list[Path]] = {"inventory": [], "playbook": []}
        self._found: dict[tuple[str, str, Path, str], Variables] = {}
        for each in variables:
            raw.sources += 1
            read = yaml.read_variables(each.text, each.path, raw, each.folder)
            mine = self._found.setdefault((each.kind, each.beside, each.folder, each.name), {})
            for name, given in read.items():
                mine[name] = (*mine.get(name, ()), *given)
            if each.folder not in self.folders[each.beside]:
                self.folders[each.beside].append(each.folder)

    def get(self, kind: str, beside: str, folder: Path, name: str) -> Variables:
        return self._found.get((kind, beside, folder, name), {})


class _Layers:
    """The layers of each host, in Ansible's order; those of a group are made once."""

    def __init__(self, raw: Raw, groups: Groups, files: _Files) -> None:
        self._raw = raw
        self._groups = groups
        self._files = files
        self._made: dict[tuple[str, ...], Layer] = {}

    def of_host(self, name: str, groups: Sequence[str]) -> tuple[Layer, ...]:
        """Return the layers of a host that is in these groups, the weakest first."""
        return (
            *self._of_groups(groups),
            *self._one(f"the inventory's line of {name}", self._raw.hosts[name]),
            *self._files_of("host", "inventory", [name]),
            *self._files_of("host", "playbook", [name]),
        )

    def of_localhost(self) -> tuple[Layer, ...]:
        """Return the layers of the machine that lunops runs on, where it is not in the inventory."""
        known = {"ansible_connection": "local", "ansible_python_interpreter": "python3"}
        own: Variables = {
            name: (Given(value=value, where="lunops", source=0, folder=Path()),) for name, value in known.items()
        }
        return (
            *self._of_groups([]),
            *self._one("what lunops knows of localhost", own),
            *self._files_of("host", "inventory", [_LOCALHOST]),
            *self._files_of("host", "playbook", [_LOCALHOST]),
        )

    def _of_groups(self, groups: Sequence[str]) -> tuple[Layer, ...]:
        return (
            *(each for group in (ALL, *groups) for each in self._group(group)),
            *self._files_of("group", "inventory", [ALL]),
            *self._files_of("group", "playbook", [ALL]),
            *self._files_of("group", "inventory", groups),
            *self._files_of("group", "playbook", groups),
        )

    def _group(self, group: str) -> tuple[Layer, ...]:
        if (group,) not in self._made:
            self._made[(group,)] = layer(f"group {group}", self._raw.groups[group].variables, self._raw.errors)
        made = self._made[(group,)]
        return (made,) if made.variables else ()

    def _files_of(self, kind: str, beside: str, names: Sequence[str]) -> tuple[Layer, ...]:
        """Return the layers of files: folder by folder, and in each in the order of the names."""
        found = []
        for folder in self._files.folders[beside]:
            for name in names:
                key = (kind, beside, str(folder), name)
                if key not in self._made:
                    words = f"{kind}_vars of {name}, beside the {beside}"
                    self._made[key] = layer(words, self._files.get(kind, beside, folder, name), self._raw.errors)
                if self._made[key].variables:
                    found.append(self._made[key])
        return tuple(found)

    def _one(self, words: str, variables: Mapping[str, tuple[Given, ...]]) -> tuple[Layer, ...]:
        return (layer(words, variables, self._raw.errors),) if variables else ()


def _shared_pools(hosts: Mapping[str, Host], places: Mapping[str, str]) -> list[LunopsError]:
    """Refuse a pool that two heads claim: which of them a clone goes to must never be a guess."""
    owners: dict[str, str] = {}
    errors: list[LunopsError] = []
    for name, host in hosts.items():
        for pool in host.pools:
            if (other := owners.setdefault(pool, name)) != name:
                errors.append(
                    InventoryError(
                        f"the pool {pool!r} is on two heads, {other} ({places[other]}) and {name}",
                        where=places[name],
                        fix="a pool is imported on one head at a time: take it from the other",
                    )
                )
    return errors
