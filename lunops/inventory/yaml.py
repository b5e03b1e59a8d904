"""Read an inventory, or a file of variables, in YAML: groups with hosts, vars and children, as Ansible has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lunops.errors import InventoryError
from lunops.inventory.raw import GROUP_NAME, Given, Raw, Variables, wrong
from lunops.inventory_range import expand
from lunops.model import Json
from lunops.near import hint
from lunops.yaml_source import Key, Source, Vaulted
from lunops.yaml_source import read as read_yaml

_PARTS = ("hosts", "vars", "children")
_VAULT = "$ANSIBLE_VAULT"
# The first line that says something, where no INI file could begin so.
_BEGINS = re.compile(r"(?:\s*(?:#.*)?\n)*\s*(?:---|%YAML|\{|[\w.\"'-]+\s*:(?:\s|\Z))")


def is_yaml(path: Path, text: str) -> bool:
    """Whether an inventory is YAML: its suffix says so, or else its first line does."""
    if path.suffix in (".yml", ".yaml", ".json", ".ini"):
        return path.suffix != ".ini"
    return _BEGINS.match(text) is not None


def read(text: str, path: Path, raw: Raw) -> None:
    """Take in what a YAML inventory says; what is wrong in it is noted with its line and column."""
    try:
        source = read_yaml(text, str(path), InventoryError)
        _refuse_encrypted(text, str(path))
    except InventoryError as error:
        raw.errors.append(error)
        return
    if source.value is None:
        return
    if not isinstance(source.value, dict):
        raw.error("a YAML inventory is an object of groups", source.where(), "begin with `all:`, and below it `hosts:`")
        return
    if isinstance(source.value.get("plugin"), str):
        fix = "save what `ansible-inventory --list --yaml` prints, and give that"
        raw.error("this is the configuration of a plugin, and there are none here", source.where("plugin"), fix)
        return
    reader = _Reader(source, path.parent, raw)
    for name, value in source.value.items():
        reader.group(name, value, (name,))


def read_variables(text: str, path: Path, raw: Raw, folder: Path) -> Variables:
    """Return the variables of a file of `host_vars` or `group_vars`; relative paths start at `folder`."""
    try:
        _refuse_encrypted(text, str(path))
        source = read_yaml(text, str(path), InventoryError)
    except InventoryError as error:
        raw.errors.append(error)
        return {}
    if source.value is None:
        return {}
    if not isinstance(source.value, dict):
        raw.error("a file of variables is an object of names and values", source.where(), "write `NAME: VALUE`")
        return {}
    found: Variables = {}
    for name, value in source.value.items():
        given = Given(value=value, where=source.where(name), source=raw.sources, folder=folder)
        if problem := wrong(name, value):
            raw.error(problem[0], given.where, problem[1])
        else:
            found[name] = (given,)
    return found


def _refuse_encrypted(text: str, path: str) -> None:
    if text.startswith(_VAULT):
        raise InventoryError(
            "the file is encrypted, and there is no password for it", where=f"{path}:1", fix="give the vault's password"
        )


class _Reader:
    def __init__(self, source: Source, folder: Path, raw: Raw) -> None:
        self._source = source
        self._folder = folder
        self._raw = raw

    def group(self, name: str, value: Json, key: Key, parent: str = "") -> None:
        """Take in a group and all that is in it."""
        where = self._source.where(*key)
        if not GROUP_NAME.match(name):
            self._raw.error(f"{name!r} is not a group's name", where, "write letters, digits and _, a letter first")
            return
        self._raw.declare(name, where)
        if parent:
            self._raw.add_child(parent, name, where)
        if value is None:
            return
        if not isinstance(value, dict) or isinstance(value, Vaulted):
            self._raw.error(f"the group {name!r} is no object", where, f"give it {', '.join(_PARTS)}, or nothing")
            return
        for part in value:
            if part not in _PARTS:
                fix = hint(part, _PARTS, "keys")
                self._raw.error(f"a group has no {part!r}, as {name!r} has", self._source.where(*key, part), fix)
        # Not in the order of the file, so that what is in a group does not depend on it.
        for variable, given in self._variables(value.get("vars"), (*key, "vars")):
            self._raw.set_group(name, variable, given)
        for host, variables in self._object(value.get("hosts"), (*key, "hosts")):
            self._host(name, host, variables, (*key, "hosts", host))
        for child, below in self._object(value.get("children"), (*key, "children")):
            self.group(child, below, (*key, "children", child), parent=name)

    def _host(self, group: str, name: str, variables: Json, key: Key) -> None:
        where = self._source.where(*key)
        try:
            names = expand(name, where)
        except InventoryError as error:
            self._raw.errors.append(error)
            return
        hosts = self._raw.add_hosts(group, names, where, self._folder)
        for variable, given in self._variables(variables, key):
            self._raw.set_host(hosts, variable, given)

    def _variables(self, value: Json, key: Key) -> Iterator[tuple[str, Given]]:
        for name, each in self._object(value, key):
            where = self._source.where(*key, name)
            yield name, Given(value=each, where=where, source=self._raw.sources, folder=self._folder)

    def _object(self, value: Json, key: Key) -> Iterator[tuple[str, Json]]:
        """Give what is in an object; a single word stands for an object with this one key."""
        if isinstance(value, dict):
            yield from value.items()
        elif isinstance(value, str) and key[-1] in ("hosts", "children"):
            yield value, None
        elif value is not None:
            fix = "write each as a key of its own, `NAME:`" if isinstance(value, list) else "write `NAME: …` below it"
            self._raw.error(f"{key[-1]!r} is no object", self._source.where(*key), fix)
