"""What the sources of an inventory say, as they are read one after the other, before anything is resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lunops.errors import InventoryError, LunopsError
from lunops.model import Json
from lunops.near import hint

ALL, UNGROUPED = "all", "ungrouped"
PRIORITY = "ansible_group_priority"
GROUP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,252}\Z")  # as long as a name of DNS
HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DEEPEST = 20
_LARGEST = 10**100  # a number beyond it cannot be written down again


@dataclass(frozen=True, kw_only=True)
class Given:
    """A variable's value, and where it was given."""

    value: Json
    where: str  # FILE:LINE, or FILE:LINE:COLUMN in YAML
    source: int  # the number of the file that gives it: a later one wins
    folder: Path  # where its relative paths start


Variables = dict[str, tuple[Given, ...]]  # name → what the sources say, the weakest first


@dataclass(kw_only=True)
class RawGroup:
    """A group as far as it has been read."""

    hosts: list[str] = field(default_factory=list)  # those right in it
    children: list[str] = field(default_factory=list)
    variables: Variables = field(default_factory=dict)
    priority: int = 1
    where: str = ""


class Raw:
    """Everything that has been read so far; what is wrong is noted in `errors`, and reading goes on."""

    def __init__(self) -> None:
        self.errors: list[LunopsError] = []
        self.hosts: dict[str, Variables] = {}  # in the order in which they are first named
        self.places: dict[str, str] = {}  # where each host is first named
        self.folders: dict[str, Path] = {}
        # In the order of Ansible: as they are first named, but a child not before it is declared.
        self.groups: dict[str, RawGroup] = {ALL: RawGroup(children=[UNGROUPED]), UNGROUPED: RawGroup()}
        self.sources = 0
        self._inside: dict[str, set[str]] = {}  # group → the hosts right in it
        self._declared = {ALL, UNGROUPED}
        self._pending: dict[str, list[tuple[str, str]]] = {}  # a child not declared yet → its parents, and where
        self._undeclared: dict[str, str] = {}  # a group that has variables only → where

    def error(self, what: str, where: str, fix: str = "") -> None:
        """Note an error."""
        self.errors.append(InventoryError(what, where=where, fix=fix))

    def declare(self, group: str, where: str) -> None:
        """Take a group in, and put it into those that named it as a child before."""
        self.groups.setdefault(group, RawGroup(where=where))
        self._declared.add(group)
        for parent, place in self._pending.pop(group, ()):
            self.add_child(parent, group, place)

    def mention(self, group: str, where: str) -> None:
        """Take in a group that must be declared somewhere else."""
        self.groups.setdefault(group, RawGroup(where=where))
        if group not in self._declared:
            self._undeclared.setdefault(group, where)

    def add_child(self, parent: str, child: str, where: str) -> None:
        """Put a group into another, now or when it is declared."""
        if child == ALL or parent == UNGROUPED or (child == UNGROUPED and parent != ALL):
            what = {ALL: "all has every group in it", UNGROUPED: "ungrouped is for the heads that are in no group"}
            self.error(
                f"{child!r} cannot be in the group {parent!r}: {what[ALL if child == ALL else UNGROUPED]}",
                where,
                "take it out",
            )
        elif child not in self.groups:
            self._pending.setdefault(child, []).append((parent, where))
        elif circle := self._way(child, parent):
            self.error(f"a group is in itself: {' > '.join((parent, *circle))}", where, "take it out once")
        elif child not in self.groups[parent].children:
            self.groups[parent].children.append(child)

    def add_hosts(self, group: str, names: Iterable[str], where: str, folder: Path) -> list[str]:
        """Put hosts into a group; return those whose names are right."""
        taken = []
        inside = self._inside.setdefault(group, set())
        for name in names:
            if not HOST_NAME.match(name):
                self.error(
                    f"{name!r} is not a head's name",
                    where,
                    "write NAME key=value …; the name has letters, digits and . _ - only",
                )
                continue
            taken.append(name)
            if name not in self.hosts:
                self.hosts[name], self.places[name], self.folders[name] = {}, where, folder
            if name not in inside:
                inside.add(name)
                self.groups[group].hosts.append(name)
        return taken

    def set_host(self, hosts: Iterable[str], name: str, given: Given) -> None:
        """Give hosts a variable."""
        if name == PRIORITY:
            self.error(f"{name} is for groups", given.where, "give it to a group, in its vars")
        elif self._is_right(name, given):
            for host in hosts:
                self._add(self.hosts[host], name, given, host)

    def set_group(self, group: str, name: str, given: Given) -> None:
        """Give a group a variable, or its priority."""
        if name == PRIORITY:
            try:
                self.groups[group].priority = _whole(given.value)
            except ValueError:
                self.error(f"{name} is {given.value!r}", given.where, "write a whole number, such as 10")
        elif self._is_right(name, given):
            self._add(self.groups[group].variables, name, given, f"group {group}")

    def finish(self) -> None:
        """Note what was named and declared nowhere."""
        for group, where in self._undeclared.items():
            if group not in self._declared:
                fix = hint(group, self._declared, "groups")
                self.error(f"there is no group {group!r} to give variables to", where, fix)
        for child, parents in self._pending.items():
            for _parent, where in parents:
                self.error(f"there is no group {child!r}", where, hint(child, self._declared, "groups"))

    def _add(self, variables: Variables, name: str, given: Given, owner: str) -> None:
        before = variables.get(name, ())
        if before and before[-1].source == given.source:
            last = before[-1]
            if not same(last.value, given.value) or last.where == given.where:
                self.error(
                    f"{name!r} of {owner} is given twice: {last.value!r} in {_place(last.where)}, "
                    f"and here {given.value!r}",
                    given.where,
                    "keep one of them",
                )
            before = before[:-1]
        variables[name] = (*before, given)

    def _is_right(self, name: str, given: Given) -> bool:
        found = wrong(name, given.value)
        if found:
            self.error(found[0], given.where, found[1])
        return not found

    def _way(self, start: str, goal: str) -> tuple[str, ...]:
        """Return the groups from one down to another that is in it, or nothing."""
        came: dict[str, str] = {start: ""}
        queue = [start]
        for group in queue:
            if group == goal:
                way = [goal]
                while came[way[0]]:
                    way.insert(0, came[way[0]])
                return tuple(way)
            for child in self.groups[group].children:
                if child not in came:
                    came[child] = group
                    queue.append(child)
        return ()


def wrong(name: str, value: Json) -> tuple[str, str] | None:
    """Return what is wrong with a variable, and how to mend it."""
    if not _VARIABLE.match(name):
        return f"{name!r} is not a variable's name", "write letters, digits and _, a letter first"
    return _wrong_value(name, value, 0)


def _wrong_value(name: str, value: Json, depth: int) -> tuple[str, str] | None:
    if depth > _DEEPEST:
        return f"{name} has more than {_DEEPEST} lists and objects within each other", "make it flatter"
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return f"{name} has half a letter in it: {value!r}", "write it as UTF-8"
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return f"{name} is {value}, which is no number of JSON", "put it in quotes"
    elif isinstance(value, int):
        if abs(value) >= _LARGEST:
            return f"{name} is too large a number", "put it in quotes"
    elif isinstance(value, dict | list):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            if found := _wrong_value(name, each, depth + 1):
                return found
    return None


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same, and of the same type: true is not 1."""
    return type(one) is type(other) and bool(one == other)


def _whole(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)) > 9:
        raise ValueError
    return int(value)


def _place(where: str) -> str:
    """Return the line of a place, without its file."""
    return f"line {where.rsplit(':')[-1]}" if where.count(":") == 1 else where
