"""The difference of two contents: a unified diff of texts, the sizes of what is none."""

from __future__ import annotations

import difflib

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List

_MOST_BYTES = 256 << 10  # of a text: comparing takes time by the square of it
_MOST_LINES = 2000


def diff(path: str, old: bytes | None, new: bytes) -> List[str]:
    """Return the lines; `old` is None where there was no file."""
    before, after = _text(old or b""), _text(new)
    if before is None or after is None or max(len(old or b""), len(new)) > _MOST_BYTES:
        return ["%s: %s → %d bytes" % (path, "nothing" if old is None else "%d bytes" % len(old), len(new))]
    name = "/dev/null" if old is None else path
    lines = list(difflib.unified_diff(_lines(before), _lines(after), name, path, lineterm=""))
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], "… and %d more lines" % (len(lines) - _MOST_LINES)]
    return lines


def _lines(text: str) -> List[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], lines[-1] + "\\ No newline at end of file"]


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
