"""Do all waiting for clients in one thread: accept, handshake, reading, sending what is left, closing.

A worker gets a connection only with a whole request in memory, and never waits for a client that is slow to
send. Stock cheroot 11.1.2 does the handshake in its accepting thread, and reads in its workers: one silent
client holds up everyone for its whole timeout (cheroot #748).

    HELLO ─► HANDSHAKE ─► IDLE ─► HEAD ─► BODY ─► WORKING ─► FLUSH ─► IDLE, or LINGER ─► CLOSED
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from lunops.web.front_connection import Connection, State
from lunops.web.front_limits import FrontLimits
from lunops.web.front_steps import Hooks, Ports, Steps

_log = logging.getLogger("lunops.web")
_TICK_S = 0.1
_ACCEPT_PAUSE_S = 0.5
_ACCEPTS_PER_TURN = 64
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Loop:
    """The thread's work: `run` it in one; `hand_back` connections and `stop` it from others."""

    def __init__(self, listener: socket.socket, ports: Ports, limits: FrontLimits) -> None:
        self._listener = listener
        self._connect = ports.connect
        self._limits = limits
        hooks = Hooks(watch=self._watch, drop=self._drop, again=self._come_again, stopping=lambda: self.stopping)
        self._steps = Steps(ports, hooks, limits)
        self._connections: dict[Connection, None] = {}  # in the order of their accepting
        self._again: list[Connection] = []
        self._next_sweep = 0.0
        self._accept_after: float | None = None
        self._stop_at: float | None = None
        self._draining = False
        self._lock = threading.Lock()
        self._returned: list[Connection] = []  # under the lock
        self._ended = False  # under the lock
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_wakes)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    # ---- for other threads

    def hand_back(self, connection: Connection) -> None:
        """Take a connection back from a worker; `connection.keep` says if it may stay open. Never raises."""
        with self._lock:
            ended = self._ended
            if not ended:
                self._returned.append(connection)
        if ended:
            connection.destroy()
        else:
            self._wake()

    def stop(self, timeout_s: float) -> None:
        """Accept nothing more; end when the requests at work are answered, or after `timeout_s`."""
        self._stop_at = time.monotonic() + timeout_s
        self._wake()

    @property
    def stopping(self) -> bool:
        """Tell whether `stop` was called."""
        return self._stop_at is not None

    def _wake(self) -> None:
        with suppress(OSError):  # a full pipe has woken it already; a closed one is of a loop that has ended
            self._waker.send(b"w")

    # ---- the thread

    def run(self) -> None:
        """Serve until stopped. An error in one connection ends that connection only."""
        try:
            while not self._finished():
                try:
                    self._turn()
                except Exception:
                    _log.exception("the front's loop goes on after an error of its own")
                    time.sleep(_TICK_S)  # whatever it is, it must not fill the log at full speed
        finally:
            self._end()

    def _finished(self) -> bool:
        if self._stop_at is None:
            return False
        return (self._draining and not self._connections) or time.monotonic() >= self._stop_at

    def _turn(self) -> None:
        if self.stopping and not self._draining:
            self._start_draining()
        for key, _ in self._selector.select(self._patience_s()):
            if isinstance(key.data, Connection):
                self._attend(key.data, self._steps.step)
            else:
                key.data()
        with self._lock:
            returned, self._returned = self._returned, []
        for connection in returned:
            self._attend(connection, self._steps.take_back)
        again, self._again = self._again, []
        for connection in again:
            self._attend(connection, self._steps.step)
        if time.monotonic() >= self._next_sweep:
            self._sweep()

    def _patience_s(self) -> float | None:
        if self._again or (self._draining and not self._connections):
            return 0
        return _TICK_S if self._connections or self._accept_after is not None or self.stopping else None

    def _attend(self, connection: Connection, step: Callable[[Connection], None]) -> None:
        """Do a connection's next step; whatever goes wrong in it ends that connection alone."""
        if connection.state is State.CLOSED:
            return  # closed earlier in this turn, while its event was waiting
        try:
            step(connection)
        except OSError as error:
            _log.debug("%s: lost: %s", connection, error)
            self._drop(connection)
        except Exception:
            _log.exception("%s: dropped after an error of the front's own", connection)
            self._drop(connection)

    def _sweep(self) -> None:
        now = time.monotonic()
        self._next_sweep = now + _TICK_S
        if self._accept_after is not None and now >= self._accept_after and not self.stopping:
            self._accept_after = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        for connection in [c for c in self._connections if c.state is not State.WORKING and c.deadline <= now]:
            self._attend(connection, self._steps.time_is_up)

    def _drain_wakes(self) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    # ---- the steps' hooks

    def _watch(self, connection: Connection, events: int) -> None:
        before, connection.watched_events = connection.watched_events, events
        if before and events and before != events:
            self._selector.modify(connection.sock, events, connection)
        elif before and not events:
            self._selector.unregister(connection.sock)
        elif events and not before:
            self._selector.register(connection.sock, events, connection)

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._watch(connection, 0)
        connection.destroy()

    def _come_again(self, connection: Connection) -> None:
        self._again.append(connection)

    # ---- accepting

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    self._pause_accepting(error)
                    return
                continue  # that client has gone already: ECONNABORTED and its like, accept(2)
            self._welcome(sock, address)

    def _welcome(self, sock: socket.socket, address: tuple[str, int]) -> None:
        if len(self._connections) >= self._limits.connections and not self._make_room():
            _log.warning("%s: refused, all %d connections are at work", address[0], self._limits.connections)
            sock.close()
            return
        try:
            sock.setblocking(False)
            connection = self._connect(sock, address)
        except Exception:
            sock.close()
            raise
        self._connections[connection] = None
        self._attend(connection, self._steps.step)

    def _make_room(self) -> bool:
        """Drop what is least worth keeping: who has shown no certificate, or else who is idle for longest."""
        unproven = (State.HELLO, State.HANDSHAKE, State.LINGER)
        victim = next((c for c in self._connections if c.state in unproven), None)
        if victim is None:
            idle = [c for c in self._connections if c.state is State.IDLE]
            victim = min(idle, key=lambda c: c.deadline, default=None)
        if victim is None:
            return False
        _log.debug("%s: dropped to make room", victim)
        self._drop(victim)
        return True

    def _pause_accepting(self, error: OSError) -> None:
        # The listener stays readable: without a pause the loop would spin, and log, at full speed.
        _log.warning("cannot accept connections: %s; trying again in %s s", error.strerror, _ACCEPT_PAUSE_S)
        self._selector.unregister(self._listener)
        self._accept_after = time.monotonic() + _ACCEPT_PAUSE_S

    # ---- the end

    def _start_draining(self) -> None:
        self._draining = True
        self._close_listener()
        for connection in list(self._connections):
            self._attend(connection, self._steps.stop)

    def _close_listener(self) -> None:
        with suppress(KeyError, ValueError):  # it is not registered while accepting is paused
            self._selector.unregister(self._listener)
        self._listener.close()

    def _end(self) -> None:
        self._close_listener()
        with self._lock:
            self._ended = True
            returned, self._returned = self._returned, []
        for connection in list(self._connections):
            if connection.state is State.WORKING and connection not in returned:
                connection.cut()  # its worker finds the client gone, and closes it
            else:
                self._drop(connection)
        self._selector.close()
        self._waker.close()
        self._woken.close()
