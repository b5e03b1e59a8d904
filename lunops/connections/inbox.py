"""Where a connection's pumps put what comes from the agent: all of its stdout, the tail of its stderr."""

from __future__ import annotations

import threading
from collections import deque

_FULL_BYTES = 64 << 20  # as much unread output stops the pump, and by it the agent; far above any task's events
_STREAM_BYTES = 4 << 20  # the same while a stream is read, which may come faster than it goes on
_TAIL_BYTES = 8 << 10


class Inbox:
    """A byte queue between the thread that pumps a stream and the one that reads it."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._full = _FULL_BYTES
        self._ended = False
        self._changed = threading.Condition()

    def put(self, data: bytes) -> None:
        """Add bytes; wait while far too much is unread."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < self._full or self._ended)
            self._chunks.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def hold_little(self) -> None:
        """Keep no more unread from now on than a stream needs."""
        with self._changed:
            self._full = _STREAM_BYTES

    def end(self) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def get(self, timeout_s: float) -> bytes | None:
        """Return all that is there; b"" at the end; None when nothing came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._chunks or self._ended, timeout_s):
                return None
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
            self._changed.notify_all()
            return data


class Tail:
    """The last bytes of a stream that must never block its writer."""

    def __init__(self) -> None:
        self._data = b""
        self._lock = threading.Lock()

    def put(self, data: bytes) -> None:
        """Add bytes, forgetting the oldest."""
        with self._lock:
            self._data = (self._data + data)[-_TAIL_BYTES:]

    def text(self, lines: int = 20) -> str:
        """Return the last lines."""
        with self._lock:
            text = self._data.decode("utf-8", "replace")
        return "\n".join(text.strip().splitlines()[-lines:])
