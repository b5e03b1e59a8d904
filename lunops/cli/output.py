"""Where lines go: in colour on a terminal and plain elsewhere, secrets masked, and a passing line below them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from lunops.model import Status
from lunops.recap import Line, Mask, Tone, clean, plain, same

_STYLES: dict[Status | Tone, str] = {
    Status.OK: "green",
    Status.CHANGED: "yellow",
    Status.SKIPPED: "cyan",
    Status.UNKNOWN: "magenta",
    Status.FAILED: "red",
    Status.UNREACHABLE: "bold red",
    Tone.ADDED: "green",
    Tone.REMOVED: "red",
    Tone.HEADER: "cyan",
    Tone.WARNING: "magenta",
    Tone.ASIDE: "bright_black",
}
_WIDTH = 80  # of a terminal that does not say
_UNPASS = "\r\x1b[K"


def wants_colour(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether to write in colour: on a terminal that knows how, unless NO_COLOR (no-color.org) is set."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


class Output:
    """Where lines go; for any thread."""

    def __init__(self, stream: TextIO, *, colour: bool, mask: Mask = same) -> None:
        """Write to a stream; `mask` is put on every line, and on every result before it is made into lines."""
        self.mask = mask
        self._stream = stream
        self._lock = threading.RLock()
        self._passing = ""  # what stands on the terminal below the lines
        self._held = 0  # how many want no passing line now
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._is_plain = not _can_hold(self._encoding, "…█")
        self._console = None
        if colour:
            from rich.console import Console  # 50 ms that a pipe need not wait for

            # Whether there is colour was decided before, by the option first: rich is not to ask NO_COLOR again.
            self._console = Console(
                file=stream,
                force_terminal=True,
                color_system="standard",
                no_color=False,
                highlight=False,
                emoji=False,
                soft_wrap=True,
            )

    @property
    def is_live(self) -> bool:
        """Whether passing lines are shown: on a terminal that can take them away again."""
        return self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def lines(self, lines: Iterable[Line]) -> None:
        """Print lines."""
        with self._lock:
            self._unpass()
            for line in lines:
                text = self._fitting(line.text)
                if self._console is None:
                    print(text, file=self._stream)
                else:
                    kind = line.tone or line.status
                    style = _STYLES.get(kind) if kind else None
                    self._console.print(text, style=style, markup=False)
            self._stream.flush()

    def passing(self, text: str) -> None:
        """Show a line until the next one comes, cut to the terminal's width; on a terminal only."""
        with self._lock:
            if not self.is_live or self._held:
                return
            text = _cut(self._fitting(text), self._columns() - 1)  # the last column makes some terminals go on
            if text != self._passing:
                self._passing = text
                self._stream.write(f"{_UNPASS}{text}")
                self._stream.flush()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Show no passing line for as long as something else writes on the terminal, or asks there."""
        with self._lock:
            self._unpass()
            self._stream.flush()
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1

    def _unpass(self) -> None:
        if self._passing:
            self._passing = ""
            self._stream.write(_UNPASS)

    def _fitting(self, text: str) -> str:
        """Return a text as it may be printed: masked, in one line, in what the stream can hold."""
        text = clean(self.mask(text))
        if self._is_plain:
            text = plain(text)
        return text if text.isascii() else text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _WIDTH
        except (OSError, AttributeError, ValueError):
            return _WIDTH


def _can_hold(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _cut(text: str, width: int) -> str:
    """Return as much of a text as fits."""
    if len(text) <= width and text.isascii():
        return text
    from rich.cells import cell_len, set_cell_size

    return set_cell_size(text, width) if cell_len(text) > width else text
