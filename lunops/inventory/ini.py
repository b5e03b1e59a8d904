"""Read the lines of an inventory file into groups and hosts with their variables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lunops.errors import InventoryError
from lunops.inventory.raw import GROUP_NAME, UNGROUPED, Given, Raw
from lunops.inventory.settings import value_of
from lunops.inventory_range import expand
from lunops.near import hint

_KINDS = ("vars", "children")
_SECTION = re.compile(r"\[\s*([^\]:]+?)\s*(?::\s*([^\]]*?)\s*)?\]\s*(?:[#;].*)?\Z")
_QUOTED = re.compile(r"""(['"])(.*)\1\s*(?:#.*)?\Z""")


def read(text: str, path: Path, raw: Raw) -> None:
    """Take in what the file's lines say; each line that is wrong is an error that names it."""
    reader = _Reader(path, raw)
    for number, line in _lines(text):
        try:
            reader.take(line, f"{path}:{number}")
        except InventoryError as error:
            raw.errors.append(error)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, numbered from 1."""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and stripped[0] not in "#;":
            yield number, stripped


@dataclass(kw_only=True)
class _Section:
    group: str = UNGROUPED
    kind: str = ""
    is_bad: bool = False  # its head is wrong, so that its lines mean nothing


class _Reader:
    def __init__(self, path: Path, raw: Raw) -> None:
        self._raw = raw
        self._folder = path.parent
        self._section = _Section()

    def take(self, line: str, where: str) -> None:
        """Take in one line."""
        group, kind = self._section.group, self._section.kind
        if line.startswith("["):
            self._section = _Section(is_bad=True)
            group, kind = _head(line, where)
            self._section = _Section(group=group, kind=kind)
            (self._raw.mention if kind == "vars" else self._raw.declare)(group, where)
        elif self._section.is_bad:
            return
        elif kind == "vars":
            name, value = _assignment(line, where)
            self._raw.set_group(group, name, self._given(name, value, where))
        elif kind == "children":
            name = line.split("#")[0].strip()
            if not GROUP_NAME.match(name):
                raise InventoryError(f"{name!r} is not a group's name", where=where, fix="write one group a line")
            self._raw.add_child(group, name, where)
        else:
            self._hosts(group, line, where)

    def _hosts(self, group: str, line: str, where: str) -> None:
        try:
            name, *words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InventoryError(
                f"the line does not end: {error}".lower(), where=where, fix="close the quote"
            ) from error
        hosts = self._raw.add_hosts(group, expand(name, where), where, self._folder)
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                raise InventoryError(
                    f"{word!r} after {name} is no variable", where=where, fix="write NAME key=value …, a head a line"
                )
            self._raw.set_host(hosts, key, self._given(key, value, where))

    def _given(self, name: str, text: str, where: str) -> Given:
        return Given(value=value_of(name, text), where=where, source=self._raw.sources, folder=self._folder)


def _head(line: str, where: str) -> tuple[str, str]:
    """Return the group and the kind of a section."""
    match = _SECTION.match(line)
    name, kind = (match[1], match[2] or "") if match else ("", "")
    if match is None or not GROUP_NAME.match(name):
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
    return name, quoted[2] if quoted else re.sub(r"\s+#.*", "", value)
