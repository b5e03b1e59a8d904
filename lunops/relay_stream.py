"""Move the bytes of one stream from a pipe to another, and say which of the two heads it was that broke it."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

from lunops.connections.pipe import Ending, Pipe
from lunops.errors import DeadlineError, HeadError

TICK_S = 0.5  # how often progress is told, and cancelling is noticed
_MARGIN_S = 15.0  # the agents find a stall first, and know more of it
_GRACE_S = 5.0


class Cut(Exception):
    """A stream broke; what arrived is kept."""


@dataclass(kw_only=True)
class Stream:
    """How far it is; read by the thread that tells of it."""

    total: int  # as zfs estimates it
    done: int = 0


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The two pipes, and whose they are."""

    source: str
    destination: str
    out: Pipe
    into: Pipe


class Move:
    """Moves the bytes of one stream."""

    def __init__(self, ends: Ends, *, stall_s: float, cancelled: threading.Event, deadline: float) -> None:
        self._source = ends.source
        self._destination = ends.destination
        self._out = ends.out
        self._into = ends.into
        self._stall_s = stall_s
        self._cancelled = cancelled
        self._deadline = deadline

    def run(self, stream: Stream) -> None:
        """Move all of it; raises `Cut`, the source told to end."""
        try:
            while data := self._read():
                self._write(data)
                stream.done += len(data)
            ending = self._out.ending
            if ending is None or not ending.is_good:
                raise self._ended(self._source, "send", ending)
            self._finish()
        except Cut:
            with contextlib.suppress(HeadError):
                self._out.cancel(_GRACE_S)
            raise

    def _read(self) -> bytes:
        waited_until = time.monotonic() + self._stall_s + _MARGIN_S
        while True:
            self._look()
            try:
                data = self._out.read(TICK_S)
            except HeadError as error:
                raise Cut(f"{self._source}: {error.what}") from error
            if data is not None:
                return data
            if time.monotonic() > waited_until:
                raise Cut(f"{self._source} sent nothing for {self._stall_s:g} s")

    def _look(self) -> None:
        """Raise if it is time to end, or if the destination has ended already."""
        if self._cancelled.is_set():
            raise Cut("cancelled")
        if time.monotonic() > self._deadline:
            raise Cut("the task's time was over")
        try:
            early = self._into.finish(0)
        except HeadError as error:
            raise Cut(f"{self._destination}: {error.what}") from error
        if early is not None:
            raise self._ended(self._destination, "receive", early)

    def _write(self, data: bytes) -> None:
        try:
            self._into.write(data, self._stall_s + _MARGIN_S)
        except HeadError as error:
            if self._cancelled.is_set():
                raise Cut("cancelled") from error
            with contextlib.suppress(HeadError):  # it may have said why it takes no more
                if early := self._into.finish(_GRACE_S):
                    raise self._ended(self._destination, "receive", early) from error
            if isinstance(error, DeadlineError):
                raise Cut(f"{self._destination} took nothing for {self._stall_s:g} s") from error
            raise Cut(f"{self._destination}: {error.what}") from error

    def _finish(self) -> None:
        try:
            self._into.end()
            ending = self._into.finish(self._stall_s + _MARGIN_S)
        except HeadError as error:
            raise Cut(f"{self._destination}: {error.what}") from error
        if ending is None:
            raise Cut(f"{self._destination} did not end within {self._stall_s:g} s of the stream's end")
        if not ending.is_good:
            raise self._ended(self._destination, "receive", ending)

    def _ended(self, head: str, side: str, ending: Ending | None) -> Cut:
        if ending is None:
            return Cut(f"{head}: zfs {side} ended without a word")
        if ending.stalled:
            return Cut(f"{head}: {ending.stalled}")
        said = " / ".join(line.strip() for line in ending.said.splitlines() if line.strip())
        how = f"by signal {-ending.code}" if ending.code < 0 else f"with exit code {ending.code}"
        return Cut(f"{head}: zfs {side} ended {how}" + (f": {said}" if said else ""))
