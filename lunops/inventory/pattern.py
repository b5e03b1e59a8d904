"""Find the hosts that a pattern such as `rack1:&ssd:!jbod-03` means."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lunops.errors import InventoryError, LunopsError
from lunops.near import hint

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?\d{1,9})|(\d{1,9}):(\d{0,9}))\]\Z", re.ASCII)
_OPEN, _CLOSE = "([{", ")]}"


def split(pattern: str) -> list[str]:
    """Return the parts of a pattern, which `,` and `:` separate, but not within brackets."""
    parts, depth, start, place = [], 0, 0, 0
    while place < len(pattern):
        letter = pattern[place]
        is_regex = pattern[start:].lstrip(" !&").startswith("~")
        if letter == "\\" and is_regex:
            place += 1
        elif letter in (_OPEN if is_regex else "["):
            depth += 1
        elif letter in (_CLOSE if is_regex else "]"):
            depth = max(0, depth - 1)
        elif letter in ",:" and not depth:
            parts.append(pattern[start:place])
            start = place + 1
        place += 1
    return [part.strip() for part in (*parts, pattern[start:]) if part.strip()]


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """The names that a pattern chooses from."""

    hosts: Collection[str]  # in the order of the inventory
    groups: Mapping[str, Sequence[str]]
    implicit: str  # the name of a host that is in no group, or the empty text
    path: str  # the inventory's, for messages
    read: Callable[[Path], str] | None

    def choose(self, pattern: str) -> set[str]:
        """Return the names of the hosts that a pattern means; raises `InventoryError` if there are none."""
        parts = split(pattern)
        plain = [part for part in parts if part[0] not in "!&"]
        chosen = set(self.hosts) if parts and not plain else set().union(*map(self._named, plain))
        for part in parts:
            if part.startswith("&"):
                chosen &= set(self._named(part[1:].strip()))
        for part in parts:
            if part.startswith("!"):
                chosen -= set(self._named(part[1:].strip()))
        if not chosen:
            fix = hint(pattern, self._words(), "heads and groups")
            raise InventoryError(f"{pattern!r} names no head", where=self.path, fix=fix)
        return chosen

    def _named(self, part: str) -> Sequence[str]:
        """Return the hosts that one part means, in their order."""
        if part.startswith("@"):
            return tuple(self._in_file(Path(part[1:])))
        if part.startswith("~"):
            if part == "~":  # it would mean everyone
                raise InventoryError("'~' has no regular expression", where=self.path, fix="write ~REGEX")
            try:
                with warnings.catch_warnings(action="ignore"):  # of what a later Python may read otherwise
                    regex = re.compile(part[1:])
            except (re.error, OverflowError, RecursionError) as error:
                what = f"{part!r} is no regular expression: {error}"
                raise InventoryError(what, where=self.path, fix="mend it, or write names and globs") from error
            found = self._matching(lambda name: regex.match(name) is not None)
        else:
            # As in Ansible, a[1] is the second of a; where there is no a, it is a glob.
            subscript = _SUBSCRIPT.match(part)
            if subscript and (whole := self._plain(subscript[1])) is not None:
                return self._some(part, whole, subscript)
            found = self._plain(part)
        if found is None:
            fix = hint(part, self._words(), "heads and groups")
            raise InventoryError(f"no head or group is named {part!r}", where=self.path, fix=fix)
        return found

    def _plain(self, part: str) -> Sequence[str] | None:
        """Return the hosts that a name or glob means, or None where it means nothing that there is."""
        if part in self.hosts:
            return (part,)
        if part in self.groups:
            return self.groups[part]
        if part == self.implicit != "":
            return (part,)
        if not set(part) & set("*?["):
            return None
        regex = re.compile(fnmatch.translate(part))
        return self._matching(lambda name: regex.match(name) is not None)

    def _matching(self, matches: Callable[[str], bool]) -> Sequence[str] | None:
        groups = [members for name, members in self.groups.items() if matches(name)]
        hosts = [name for name in self.hosts if matches(name)]
        if not groups and not hosts:
            return None
        return tuple(dict.fromkeys([*(name for members in groups for name in members), *hosts]))

    def _some(self, part: str, whole: Sequence[str], subscript: re.Match[str]) -> Sequence[str]:
        """Return the hosts at a place, or from one place to another, both included."""
        if subscript[2]:
            place = int(subscript[2])
            found: Sequence[str] = (whole[place],) if -len(whole) <= place < len(whole) else ()
        else:
            found = whole[int(subscript[3]) : int(subscript[4]) + 1 if subscript[4] else None]
        if not found:
            fix = f"{subscript[1]} has {len(whole)}; the first is [0], the last is [-1]"
            raise InventoryError(f"{part!r} names no head", where=self.path, fix=fix)
        return found

    def _in_file(self, path: Path) -> Iterator[str]:
        """Give the hosts that the lines of a file name."""
        if self.read is None:
            raise InventoryError(f"'@{path}' cannot be used here", where=self.path, fix="give it with --limit")
        is_empty = True
        for number, line in enumerate(self.read(path).split("\n"), 1):
            word = line.partition("#")[0].strip()
            if not word:
                continue
            is_empty = False
            if word.startswith("@"):
                raise InventoryError(f"{word!r} is not a head's name", where=f"{path}:{number}", fix="write one a line")
            try:
                yield from self._named(word)
            except LunopsError as error:
                raise InventoryError(error.what, where=f"{path}:{number}", fix=error.fix) from error
        if is_empty:
            raise InventoryError("the file names no head", where=str(path), fix="write one a line")

    def _words(self) -> Iterable[str]:
        return (*self.hosts, *self.groups)
