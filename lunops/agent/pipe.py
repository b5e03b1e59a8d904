"""Be one end of a stream: between two lines of the protocol, standard input or output carries raw frames.

A frame is its length in 4 bytes, the most significant first, and as many bytes; the length 0 ends the stream, so
that an end is told from a connection that broke. Base64 in JSON lines would cost a third more bytes, and Python's
time for each of them, on both heads and between.

    send:     → request   ← pipe_started   ← frames … 0   ← pipe_finished, also if zfs send failed in the middle
    receive:  → request   ← pipe_started   → frames … 0   ← pipe_finished, at once if zfs receive ended too early

What ends without the frame 0 is cut: zfs receive then sees the end of its input inside the stream and, by -s, keeps
what it has. A command that neither gives nor takes a byte for `stall_s` is ended, and it is said which.
"""

from __future__ import annotations

import errno
import os
import select
import struct
import threading

from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Sequence, Tuple

    from lunops.agent.piped import Piped
    from lunops.agent.system import System

SEND, RECEIVE = "send", "receive"
FRAME_MOST = 1 << 20
_CHUNK_BYTES = 256 << 10
_HEADER = struct.Struct(">I")
_END_S = 30.0  # for a cut zfs receive to note what it has, before it is killed
_DIED_OF_STALL = 3


class Stream:
    """One stream of one command."""

    def __init__(self, system: System, stdin: BinaryIO, stdout: BinaryIO, stall_s: float) -> None:
        self._system = system
        self._stdin = stdin
        self._stdout = stdout
        self._stall_s = stall_s
        self._moved = system.monotonic()  # when a byte was last moved, in whatever direction
        self._bytes = 0
        self._stalled = ""
        self._is_ended = False  # the frame 0 has come

    def run(self, side: str, argv: Sequence[str]) -> Tuple[Dict[str, Any], bool]:
        """Do it; return what is to be told of its end, and whether the protocol can go on right behind it."""
        try:
            process = self._system.pipe(argv, feed=side == RECEIVE)
        except OSError as error:
            if side == SEND:
                self._write(b"")
            return self._told(127, "%s: %s" % (argv[0], error.strerror)), side == SEND
        over = threading.Event()
        threading.Thread(target=self._watch, args=(process, over), daemon=True).start()
        try:
            return self._receive(process) if side == RECEIVE else self._send(process)
        except BaseException:
            process.kill()  # nobody hears what it says any more
            raise
        finally:
            over.set()

    def drain(self) -> bool:
        """Take what still comes of a stream that nobody wants any more; return whether it ended as it should."""
        while not self._is_ended:
            if self._frame() is None:
                return False
        return True

    def _send(self, process: Piped) -> Tuple[Dict[str, Any], bool]:
        poll = select.poll()
        poll.register(process.fd, select.POLLIN)
        poll.register(self._stdin.fileno(), select.POLLIN)  # its end, or a word: the controller wants no more
        while True:
            ready = {fd for fd, _ in poll.poll(self._stall_s * 1000)}
            if self._stdin.fileno() in ready:
                process.kill()
                process.wait(_END_S)
                return self._told(-9, "cancelled"), False
            if not ready:
                self._stalled = "%s gave nothing for %g s" % ("zfs send", self._stall_s)
                process.kill()
                break
            data = os.read(process.fd, _CHUNK_BYTES)
            if not data:
                break
            self._write(data)
            self._moved = self._system.monotonic()
            self._bytes += len(data)
        process.close()
        code = process.wait(self._stall_s)
        self._write(b"")
        return self._told(-9 if code is None else code, process.said()), True

    def _receive(self, process: Piped) -> Tuple[Dict[str, Any], bool]:
        os.set_blocking(process.fd, False)
        is_cut = takes = False
        while True:
            data = self._frame()
            if data is None:
                is_cut = True
                break
            if not data:
                break
            takes = self._feed(process, data)
            if not takes:
                break
            self._bytes += len(data)
        process.close()
        code = process.wait(_END_S if is_cut else self._stall_s)
        if code is None:
            self._stalled = self._stalled or "zfs receive did not end within %g s of the stream's end" % self._stall_s
            process.kill()
            code = process.wait(_END_S)
        return self._told(-9 if code is None else code, process.said()), self._is_ended

    def _feed(self, process: Piped, data: bytes) -> bool:
        """Write all of it; return whether the command took it."""
        poll = select.poll()
        poll.register(process.fd, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if not poll.poll(self._stall_s * 1000):
                self._stalled = "zfs receive took nothing for %g s" % self._stall_s
                process.kill()
                return False
            try:
                rest = rest[os.write(process.fd, rest) :]
                self._moved = self._system.monotonic()
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                return False  # it has ended, and says why
        return True

    def _frame(self) -> bytes | None:
        """Return the next frame, empty at the end; None where the stream is cut."""
        header = self._stdin.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        (size,) = _HEADER.unpack(header)
        if size > FRAME_MOST:
            raise ItemError("a frame of %d bytes is none" % size)
        data = self._stdin.read(size)
        self._moved = self._system.monotonic()
        if size == 0:
            self._is_ended = True
        return data if len(data) == size else None

    def _write(self, data: bytes) -> None:
        self._stdout.write(_HEADER.pack(len(data)))
        self._stdout.write(data)
        self._stdout.flush()

    def _told(self, code: int, said: str) -> Dict[str, Any]:
        return {"code": code, "said": said.strip(), "bytes": self._bytes, "stalled": self._stalled}

    def _watch(self, process: Piped, over: threading.Event) -> None:
        """End command and agent where the controller takes or gives nothing for far too long: it is gone.

        Whatever else is noticed in time is told; this is for a connection that died without a word.
        """
        while not over.wait(5.0):
            if self._system.monotonic() - self._moved > 2 * self._stall_s + 2 * _END_S:
                process.kill()
                os._exit(_DIED_OF_STALL)
