"""Read the lines of an inventory file into groups and hosts with their variables, still as text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from lunops.errors import InventoryError
from lunops.inventory_range import expand
from lunops.near import hint

_KINDS = ("vars", "children")
_SECTION = re.compile(r"\[\s*([^\]:]+?)\s*(?::\s*([^\]]*?)\s*)?\]\s*(?:[#;].*)?\Z")
_GROUP_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,252}\Z")  # as long as a name of DNS
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_QUOTED = re.compile(r"""(['"])(.*)\1\s*(?:#.*)?\Z""")
ALL, UNGROUPED = "all", "ungrouped"


@dataclass(frozen=True, kw_only=True)
class Given:
    """A variable's value as it was written, and where."""

    text: str
    line: int


Variables = dict[str, Given]


@dataclass(frozen=True, kw_only=True)
class RawInventory:
    """The file's content: what stands where, nothing resolved."""

    hosts: dict[str, Variables] = field(default_factory=dict)  # in the order of the file
    host_lines: dict[str, int] = field(default_factory=dict)  # where each host is first named
    members: dict[str, list[str]] = field(default_factory=dict)  # group → the hosts right in it
    children: dict[str, dict[str, int]] = field(default_factory=dict)  # group → group in it → line
    variables: dict[str, Variables] = field(default_factory=dict)  # group → its variables
    variable_lines: dict[str, int] = field(default_factory=dict)  # group → where its [group:vars] stands


def read(text: str, path: str) -> RawInventory:
    """Return what the file's lines say; raises `InventoryError` naming the line."""
    raw = RawInventory()
    group, kind = UNGROUPED, ""
    for number, line in _lines(text):
        where = f"{path}:{number}"
        if line.startswith("["):
            group, kind = _section(line, where)
            if kind == "vars":
                raw.variable_lines.setdefault(group, number)
            elif kind == "children":
                raw.children.setdefault(group, {})
            else:
                raw.members.setdefault(group, [])
        elif kind == "vars":
            _add(raw.variables.setdefault(group, {}), *_assignment(line, where), number, f"{path}", f"group {group}")
        elif kind == "children":
            name = line.split("#")[0].strip()
            if not _GROUP_NAME.match(name):
                raise InventoryError(f"{name!r} is not a group's name", where=where, fix="write one group a line")
            raw.children[group].setdefault(name, number)
        else:
            _host(raw, group, line, number, path)
    return raw


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, numbered from 1."""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and stripped[0] not in "#;":
            yield number, stripped


def _section(line: str, where: str) -> tuple[str, str]:
    match = _SECTION.match(line)
    name, kind = (match[1], match[2] or "") if match else ("", "")
    if match is None or not _GROUP_NAME.match(name):
        raise InventoryError(
            f"{line!r} is not a group", where=where, fix="write [GROUP], [GROUP:vars] or [GROUP:children]"
        )
    if match[2] is not None and kind not in _KINDS:
        raise InventoryError(f"a group has no {kind!r}", where=where, fix=hint(kind, _KINDS, "kinds"))
    return name, kind


def _assignment(line: str, where: str) -> tuple[str, str]:
    """Return name and value of a line in [group:vars]: all after the = is the value."""
    name, equals, value = (part.strip() for part in line.partition("="))
    if not equals:
        raise InventoryError(f"{line!r} sets nothing", where=where, fix="write NAME=VALUE")
    quoted = _QUOTED.match(value)
    return _variable(name, where), quoted[2] if quoted else re.sub(r"\s+#.*", "", value)


def _host(raw: RawInventory, group: str, line: str, number: int, path: str) -> None:
    where = f"{path}:{number}"
    try:
        name, *words = shlex.split(line, comments=True)
    except ValueError as error:
        raise InventoryError(f"the line does not end: {error}".lower(), where=where, fix="close the quote") from error
    names = expand(name, where)
    for each in names:
        if not _HOST_NAME.match(each):
            raise InventoryError(
                f"{each!r} is not a head's name",
                where=where,
                fix="write NAME key=value …; the name has letters, digits and . _ - only",
            )
        raw.hosts.setdefault(each, {})
        raw.host_lines.setdefault(each, number)
        members = raw.members.setdefault(group, [])
        if each not in members:
            members.append(each)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InventoryError(
                f"{word!r} after {name} is no variable", where=where, fix="write NAME key=value …, a head a line"
            )
        for each in names:
            _add(raw.hosts[each], _variable(key, where), value, number, path, each)


def _variable(name: str, where: str) -> str:
    if not _VARIABLE.match(name):
        raise InventoryError(
            f"{name!r} is not a variable's name", where=where, fix="write letters, digits and _, a letter first"
        )
    return name


def _add(variables: Variables, name: str, value: str, line: int, path: str, owner: str) -> None:
    there = variables.get(name)
    if there is not None and (there.text != value or there.line == line):
        raise InventoryError(
            f"{name!r} of {owner} is given twice: {there.text!r} in line {there.line}, and here {value!r}",
            where=f"{path}:{line}",
            fix="keep one of them",
        )
    variables[name] = Given(text=value, line=line)
