"""Speak the agent's protocol over a channel: one session for a head, shared by all of its tasks."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lunops.connections.base import Channel, Timeouts
from lunops.connections.elevation import Elevation, checked
from lunops.connections.events import Event, Hello, Lines, read_hello, read_item
from lunops.connections.pipe import Pipe
from lunops.connections.startup import how_it_ended, started_in_vain
from lunops.errors import (
    AgentError,
    DeadlineError,
    HeadError,
    LunopsError,
    UnreachableError,
    WedgedError,
)
from lunops.model import Host, Item, ItemResult, Json, Status, Task, TaskResult, Times, status_of

_UNKNOWN = "its outcome is unknown: look at the head, or run the same again, which takes up what is there"


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What a request was answered with."""

    items: tuple[ItemResult, ...]
    finished: Event
    elapsed_s: float


class Session:
    """A conversation with one head's agent. For one thread at a time, but for `cancel` and `close`."""

    def __init__(
        self,
        host: Host,
        channel: Channel,
        *,
        preamble: bytes = b"",
        began: float | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
        elevation: Elevation | None = None,
    ) -> None:
        """Send the preamble and wait for the agent's hello; `began` (monotonic) is when connecting began.

        `elevation` is that by which the agent was started as another user.

        Raises `AgentError`, `PrivilegeError`, `UnreachableError` or `DeadlineError`, the channel closed.
        """
        began = time.monotonic() if began is None else began
        self._host = host
        self._channel = channel
        self._timeouts = timeouts
        self._lines = Lines()
        self._events: list[Event] = []
        self._turn = threading.Lock()  # held by the one request that may be under way
        self._sending = threading.Lock()
        self._running = ""  # the id of the request that the agent is at
        self._broken = ""  # why this session is of no more use
        try:
            self.hello = self._greet(preamble, elevation)
            is_missed = timeouts.quiet_s > 0 and self.hello.pid != os.getpid()  # else it ends with this process
            if is_missed:  # before anything is asked for: from now on the agent ends if we are gone
                channel.send(_line({"do": "alive", "quiet_s": timeouts.quiet_s}))
        except BaseException as error:
            channel.close()
            raise _placed(error, host.name) from None
        self.connect_s = time.monotonic() - began
        self._unaccounted_connect_s = self.connect_s
        self._is_piping = False
        self._pipe: Pipe | None = None
        self._closed = threading.Event()
        if is_missed:
            threading.Thread(target=self._say_alive, daemon=True).start()

    def run(
        self, task: Task, *, check: bool = False, on_item: Callable[[ItemResult], None] | None = None
    ) -> TaskResult:
        """Let the agent do a task, telling each item's end as it comes. An item's error is in the result.

        Raises `UnreachableError`, `AgentError` or `DeadlineError` when the outcome is unknown; the session is
        broken after that and says so when it is used again.
        """
        request = {
            "do": "task",
            "id": task.id,
            "module": task.module,
            "check": check,
            "forks": task.forks,
            "items": [{"key": item.key, "args": dict(item.args)} for item in task.items],
            "timeout_s": task.timeout_s,
            "hang_s": self._host.hang_s,
            "run": task.run,
            "lock_wait_s": self._timeouts.lock_wait_s,
        }
        answer = self._ask(request, f"{task.id} {task.name}", task.timeout_s, on_item)
        error, fix = str(answer.finished.get("error") or ""), str(answer.finished.get("fix") or "")
        return TaskResult(
            head=self._host.name,
            task_id=task.id,
            name=task.name,
            module=task.module,
            status=_status(answer.items, error),
            items=_in_order(answer.items, task.items),
            times=self._times(answer),
            error=error,
            fix=fix,
            wedged=bool(answer.finished.get("wedged")),
        )

    def wedged(self) -> WedgedError | None:
        """Return why the head took no LIO work when this session began; None if it did."""
        if not self.hello.wedged:
            return None
        return WedgedError(self.hello.wedged, where=self._host.name, fix=self.hello.wedged_fix)

    def undo(self, task_id: str, made: Mapping[str, Sequence[Json]]) -> tuple[ItemResult, ...]:
        """Let the agent take back what a task made, by item key; errors as `run`."""
        request = {
            "do": "undo",
            "id": f"undo:{task_id}",
            "items": [{"key": key, "made": list(things)} for key, things in made.items()],
            "hang_s": self._host.hang_s,
        }
        answer = self._ask(request, f"undo:{task_id}", self._timeouts.undo_s, None)
        if error := str(answer.finished.get("error") or ""):
            kind = WedgedError if answer.finished.get("wedged") else AgentError
            raise kind(error, where=f"{self._host.name}, undo:{task_id}", fix=str(answer.finished.get("fix")))
        return answer.items

    def let_go(self) -> None:
        """Give up the names that the session has locked, and keep it for more."""
        with self._sending:
            if not self._broken:
                with contextlib.suppress(HeadError):  # found by the next task
                    self._channel.send(_line({"do": "let_go"}))

    def at_work(self, run: str) -> str:
        """Return who else on the head is at work for a run, as `pid 12 (…)`; the empty text if nobody is."""
        where = f"{self._host.name}, at_work"
        if self._broken:
            raise UnreachableError(f"the session is of no more use: {self._broken}", where=where, fix="connect again")
        try:
            self._channel.send(_line({"do": "at_work", "id": "at_work", "run": run}))
            deadline = time.monotonic() + self._timeouts.hello_s
            while (event := self._next(deadline)).get("id") != "at_work":
                if event["event"] == "error":
                    raise AgentError(f"the agent could not take what it was sent: {event.get('what')}")
            return str(event.get("who") or "")
        except BaseException as error:
            self._broken = str(error) or type(error).__name__
            self._channel.close()
            raise _placed(error, where) from None

    def pipe(self, side: str, args: Json, *, stall_s: float) -> Pipe:
        """Make the head one end of a stream: `send` or `receive`, with what `lunops.agent` builds its command from.

        The session takes tasks again once the stream's end was heard and was whole; in any other case close it.
        Raises `HeadError`.
        """
        where = f"{self._host.name}, zfs {side}"
        if self._broken:
            raise UnreachableError(f"the session is of no more use: {self._broken}", where=where, fix="connect again")
        request = {"do": "pipe", "id": f"pipe:{side}", "side": side, "args": args, "stall_s": stall_s}
        try:
            self._channel.hold_little()
            with self._sending:
                self._is_piping, self._pipe = True, None
                self._channel.send(_line(request))
            is_source = side == "send"
            self._pipe = Pipe(self._channel, str(request["id"]), is_source=is_source, start_s=self._timeouts.hello_s)
            return self._pipe
        except BaseException as error:
            self._broken = str(error) or type(error).__name__
            self._channel.close()
            raise _placed(error, where) from None

    def cancel(self) -> None:
        """Let the running task end between two items; from any thread. Nothing happens when none runs."""
        with self._sending:
            if self._running and not self._broken:
                # A channel that is broken is found by the thread that waits for the task.
                with contextlib.suppress(HeadError):
                    self._channel.send(_line({"do": "cancel"}))

    def close(self) -> None:
        """End the agent and the connection, bounded in time."""
        self._closed.set()
        self._broken = self._broken or "it was closed"
        self._channel.close()

    def _say_alive(self) -> None:
        quiet_s = self._timeouts.quiet_s
        while not self._closed.wait(quiet_s / 4):
            with self._sending:
                if self._broken:
                    return
                ending = self._pipe.ending if self._pipe is not None else None
                if not self._is_piping or (ending is not None and ending.is_good):
                    # What is wrong with the channel is found by the thread that waits for the task.
                    with contextlib.suppress(HeadError):
                        self._channel.send(_line({"do": "alive", "quiet_s": quiet_s}))

    def _ask(
        self,
        request: Mapping[str, Json],
        title: str,
        timeout_s: float,
        on_item: Callable[[ItemResult], None] | None,
    ) -> _Answer:
        """Send a request and hear its end; whatever goes wrong breaks the session."""
        where = f"{self._host.name}, task {title}"
        if self._broken:
            raise UnreachableError(f"the session is of no more use: {self._broken}", where=where, fix="connect again")
        if not self._turn.acquire(blocking=False):
            raise RuntimeError(f"{where}: the session is at {self._running} and takes no second task beside it")
        try:
            with self._sending:
                self._is_piping = False
                self._running = str(request["id"])
                begun = time.monotonic()
                self._channel.send(_line(request))
            items, finished = self._hear(request, begun + timeout_s + self._timeouts.margin_s, on_item)
            return _Answer(items=items, finished=finished, elapsed_s=time.monotonic() - begun)
        except BaseException as error:
            self._broken = str(error) or type(error).__name__
            self._channel.close()
            raise _placed(error, where, fix=_UNKNOWN) from None
        finally:
            with self._sending:
                self._running = ""
            self._turn.release()

    def _hear(
        self, request: Mapping[str, Json], deadline: float, on_item: Callable[[ItemResult], None] | None
    ) -> tuple[tuple[ItemResult, ...], Event]:
        """Return the items' results and the task's end."""
        waiting = Counter(str(item["key"]) for item in request["items"])
        items: list[ItemResult] = []
        while True:
            event = self._next(deadline)
            if event["event"] == "error":
                raise AgentError(f"the agent could not take what it was sent: {event.get('what')}")
            if event.get("id") != request["id"]:
                continue  # `alive`, and whatever a later version of the protocol may say beside
            if event["event"] == "item":
                item = read_item(event)
                if not waiting[item.key]:
                    raise AgentError(f"the agent told of an item that it was not given, or twice: {item.key!r}")
                waiting[item.key] -= 1
                items.append(item)
                if on_item is not None:
                    on_item(item)
            elif event["event"] == "task_finished":
                if missing := sorted(waiting.elements()):
                    raise AgentError(f"the agent said nothing of {len(missing)} items, {missing[0]!r} the first")
                return tuple(items), event

    def _greet(self, preamble: bytes, elevation: Elevation | None) -> Hello:
        if elevation is not None:
            heard = elevation.enter(self._host, self._channel, self._timeouts.hello_s)
            if heard is not None:
                tail = elevation.said(self._channel.stderr_tail())
                raise started_in_vain(self._host, self._channel.exit_code(), tail, heard)
        # An agent that cannot even start says why on stderr, so a broken pipe here is not yet the news.
        with contextlib.suppress(UnreachableError):
            self._channel.send(preamble)
        deadline = time.monotonic() + self._timeouts.hello_s
        try:
            hello = read_hello(self._next(deadline, starting=True))
        except DeadlineError as error:
            said = self._channel.stderr_tail() or self._lines.rest().strip()
            raise DeadlineError(
                f"the agent said nothing within {self._timeouts.hello_s:g} s" + (f"; heard: {said}" if said else ""),
                fix=error.fix or f"see that `{self._host.python} -c 1` works there without asking for anything",
            ) from None
        checked(self._host, hello.uid)
        return hello

    def _next(self, deadline: float, *, starting: bool = False) -> Event:
        """Return the next event; silence, the end of the stream and the deadline are errors."""
        silent_after = deadline if starting else time.monotonic() + self._timeouts.idle_s
        while not self._events:
            now = time.monotonic()
            if now >= deadline:
                raise DeadlineError("the task did not end within its timeout", fix="give it a longer `timeout`")
            if now >= silent_after:
                raise DeadlineError(f"nothing was heard of the agent for {self._timeouts.idle_s:g} s")
            data = self._channel.receive(min(deadline, silent_after) - now)
            if data == b"":
                raise self._ended(starting)
            if data:
                self._events.extend(self._lines.feed(data))
        return self._events.pop(0)

    def _ended(self, starting: bool) -> HeadError:
        code, tail = self._channel.exit_code(), self._channel.stderr_tail()
        if starting:
            return started_in_vain(self._host, code, tail, self._lines.rest())
        said = f"; its last words: {tail}" if tail else ""
        return AgentError(f"the agent ended in the middle, {how_it_ended(code)}{said}")

    def _times(self, answer: _Answer) -> Times:
        """Share out what the task took; the agent's own `seconds` hold its waits."""
        connect_s, self._unaccounted_connect_s = self._unaccounted_connect_s, 0.0
        agent_s = float(answer.finished.get("seconds") or 0.0)
        wait_s = min(float(answer.finished.get("wait_s") or 0.0), agent_s)
        return Times(
            wait_s=wait_s,
            connect_s=connect_s,
            run_s=agent_s - wait_s,
            transfer_s=max(0.0, answer.elapsed_s - agent_s),
            total_s=connect_s + answer.elapsed_s,
        )


def _line(request: Mapping[str, Json]) -> bytes:
    return json.dumps(request, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _placed(error: BaseException, where: str, fix: str = "") -> BaseException:
    """Return a head's error with its place, and with a remedy if it has none; others as they are."""
    if not isinstance(error, HeadError):
        return error
    placed: LunopsError = type(error)(error.what, where=error.where, fix=error.fix or fix)
    return placed.at(where)


def _status(items: Sequence[ItemResult], error: str) -> Status:
    """Return the status of a task by those of its items; one that was given none had nothing to do."""
    if error:
        return Status.FAILED
    return status_of(items) if items else Status.OK


def _in_order(results: Sequence[ItemResult], items: Sequence[Item]) -> tuple[ItemResult, ...]:
    """Return the results in the order in which the items were given."""
    place = {item.key: number for number, item in enumerate(items)}
    return tuple(sorted(results, key=lambda result: place[result.key]))
