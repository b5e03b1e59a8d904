"""One end of a stream on a head: frames over a session's own channel, see `lunops.agent.pipe`."""

from __future__ import annotations

import json
import struct
import time
from collections import deque
from dataclasses import dataclass

from lunops.agent.pipe import FRAME_MOST
from lunops.connections.base import Channel
from lunops.connections.startup import how_it_ended
from lunops.errors import AgentError, DeadlineError

_HEADER = struct.Struct(">I")
_LINE_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the command at the other end ended."""

    code: int
    said: str  # the last of its standard error
    bytes_moved: int
    stalled: str  # which of the two did not go on, if one was ended for that

    @property
    def is_good(self) -> bool:
        """Whether the stream is whole, so that the agent takes lines again."""
        return self.code == 0 and not self.stalled


class Pipe:
    """A stream from a head's command, or to one. For one thread."""

    def __init__(self, channel: Channel, request_id: str, *, is_source: bool, start_s: float) -> None:
        """Wait until the head is ready; raises `HeadError`."""
        self._channel = channel
        self._id = request_id
        self._is_source = is_source
        self._rest = bytearray()
        self._chunks: deque[bytes] = deque()
        self.ending: Ending | None = None
        self._in_frames = False
        deadline = time.monotonic() + start_s
        while not self._in_frames:
            if not self._hear(deadline - time.monotonic()):
                raise DeadlineError(f"the head did not begin the stream within {start_s:g} s")

    def read(self, timeout_s: float) -> bytes | None:
        """Return some bytes of the stream; b"" once the command has ended, see `ending`; None if none came in time."""
        deadline = time.monotonic() + timeout_s
        while not self._chunks and self.ending is None:
            if not self._hear(deadline - time.monotonic()):
                return None
        return self._chunks.popleft() if self._chunks else b""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send bytes of the stream; raises `DeadlineError` when none are taken for so long."""
        for start in range(0, len(data), FRAME_MOST):
            some = data[start : start + FRAME_MOST]
            self._channel.send(_HEADER.pack(len(some)) + some, timeout_s)

    def end(self) -> None:
        """Say that the stream is whole."""
        self._channel.send(_HEADER.pack(0))

    def finish(self, timeout_s: float) -> Ending | None:
        """Return how the command ended, None if it does not say so in time; 0 looks without waiting."""
        deadline = time.monotonic() + timeout_s
        while self.ending is None:
            if not self._hear(max(0.0, deadline - time.monotonic())):
                return None
        return self.ending

    def cancel(self, timeout_s: float) -> None:
        """Let the command that is read from be ended; what still comes is thrown away."""
        self._channel.send(b'{"do":"cancel"}\n', timeout_s)
        deadline = time.monotonic() + timeout_s
        while self.ending is None and self._hear(deadline - time.monotonic()):
            self._chunks.clear()

    def _hear(self, timeout_s: float) -> bool:
        """Take in what comes; return whether anything did."""
        data = self._channel.receive(max(0.0, timeout_s))
        if data is None:
            return False
        if data == b"":
            tail = self._channel.stderr_tail()
            raise AgentError(
                f"the agent ended in the middle of the stream, {how_it_ended(self._channel.exit_code())}"
                + (f"; its last words: {tail}" if tail else "")
            )
        self._rest += data
        while self._one():
            pass
        return True

    def _one(self) -> bool:
        """Take one line or frame out of what has come; return whether there was one."""
        if self._in_frames and self._is_source:
            if len(self._rest) < _HEADER.size:
                return False
            (size,) = _HEADER.unpack_from(self._rest)
            if size > FRAME_MOST:
                raise AgentError(f"the agent sent a frame of {size} bytes, which is none")
            if len(self._rest) < _HEADER.size + size:
                return False
            if size == 0:
                self._is_source = False  # lines again
            else:
                self._chunks.append(bytes(self._rest[_HEADER.size : _HEADER.size + size]))
            del self._rest[: _HEADER.size + size]
            return True
        end = self._rest.find(b"\n")
        if end < 0:
            if len(self._rest) > _LINE_BYTES:
                raise AgentError("the agent sent a line without end where the stream should begin or end")
            return False
        self._line(bytes(self._rest[:end]))
        del self._rest[: end + 1]
        return True

    def _line(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            if event["event"] == "error":
                raise AgentError(f"the agent could not take what it was sent: {event.get('what')}")
            if event.get("id") != self._id:
                return
            if event["event"] == "pipe_started":
                self._in_frames = True
            elif event["event"] == "pipe_finished":
                self.ending = Ending(
                    code=int(event["code"]),
                    said=str(event["said"]),
                    bytes_moved=int(event["bytes"]),
                    stalled=str(event["stalled"]),
                )
        except (ValueError, KeyError, TypeError) as error:
            raise AgentError(f"the agent sent what is not in the protocol: {line[:200]!r}") from error
