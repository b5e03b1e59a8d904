"""A line of the report, how much is said, and how a text is made to fit in one line."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lunops.model import Status

Mask = Callable[[str], str]  # puts stars in the place of secrets

WIDTH = 79
ELLIPSIS = "…"
BARS = "░▒▓█▄·"  # wait, template, connect, run, transfer, other
_ASCII = str.maketrans({**dict(zip(BARS, ".tc#-:", strict=True)), ELLIPSIS: "~"})


class Tone(StrEnum):
    """What a line is, where that is not the status of something."""

    ADDED = "added"
    REMOVED = "removed"
    HEADER = "header"  # of a diff
    WARNING = "warning"
    ASIDE = "aside"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the report, and what gives it its colour."""

    text: str
    status: Status | None = None
    tone: Tone | None = None  # goes before the status


@dataclass(frozen=True, kw_only=True)
class Detail:
    """How much is said."""

    items: bool = False  # a line for every item; failed ones always have theirs
    changes: bool = False  # every change below its item
    data: bool = False  # what an item found or gave back
    places: bool = False  # FILE:LINE of each task, and the time of each item
    everything: bool = False  # data over many lines, what is known of connections, all output of commands
    check: bool = False  # it is said what would be changed
    few: int = 6  # below so many items, each is told
    many: int = 12  # above so many heads, those with the same outcome are told in one line

    @classmethod
    def of(cls, verbosity: int, *, diff: bool = False, check: bool = False) -> Detail:
        """Return what so many `-v` mean; check mode shows the changes, as there is nothing else to see."""
        return cls(
            items=verbosity > 0,
            data=verbosity > 0,
            places=verbosity > 1,
            everything=verbosity > 2,
            changes=diff or check,
            check=check,
        )


def same(text: str) -> str:
    """Return the text: the mask where there are no secrets."""
    return text


def title(words: str) -> Line:
    """Return a heading as Ansible writes it, filled up with stars."""
    text = clean(words)
    return Line(text=text + " " + "*" * max(3, WIDTH - cells(text) - 1))


def clean(text: str) -> str:
    """Return the text in one line, what would steer a terminal shown as its code: names and errors are a head's."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(text: str) -> str:
    """Return the text with our own signs in ASCII, for a terminal or file that cannot hold them."""
    return text.replace(f" {ELLIPSIS} ", " ... ").translate(_ASCII)


def indented(text: str, indent: str, status: Status | None = None, tone: Tone | None = None) -> Iterator[Line]:
    """Give a text of several lines, its own line ends kept and nothing else of what steers a terminal."""
    lines = text.replace("\r\n", "\n").split("\n")
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    yield from (Line(text=indent + clean(line.expandtabs()), status=status, tone=tone) for line in lines)


def cells(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def fit(text: str, width: int) -> str:
    """Return a printable text in just so many columns, its end left out where it is longer."""
    taken = cells(text)
    if taken > width:
        kept, taken = "", 1
        for letter in text:
            if taken + _cells(letter) > width:
                break
            kept += letter
            taken += _cells(letter)
        text = kept + ELLIPSIS
    return text + " " * (width - taken)


def count(number: int, word: str) -> str:
    """Return `1 head`, `2 heads`."""
    return f"{number} {word}{'' if number == 1 else 's'}"
