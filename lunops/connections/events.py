"""Cut the bytes of an agent into the protocol's events, and events into results; pure, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunops.agent.protocol import PROTOCOL
from lunops.connections.startup import shorten
from lunops.errors import AgentError
from lunops.model import ItemResult, Status

_LINE_BYTES = 32 << 20  # more than the outputs of a command, 10 MiB each as JSON
_NOISE_BYTES = 64 << 10  # what a login banner or a talkative ~/.bashrc may print before the agent's first word
_QUIET = "let ~/.bashrc and what else the login shell reads print nothing when it is not interactive"
_OUTPUTS = ("stdout", "stderr")
_FIRST_WORD = b'{"event"'
Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Hello:
    """How an agent introduces itself."""

    protocol: int
    python: str
    hostname: str
    pid: int
    uid: int
    wedged: str = ""  # why the head takes no LIO work
    wedged_fix: str = ""


class Lines:
    """Bytes in, in whatever pieces they come; events out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._seen = 0  # bytes of the rest that are known to hold no newline
        self._greeted = False
        self.noise = b""  # what came before hello and was not the agent's

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are whole now.

        Raises `AgentError` for a line that is none; what comes before hello is put up with, to a bound.
        """
        self._rest += data
        events = []
        while (end := self._rest.find(b"\n", self._seen)) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            self._seen = 0
            if (event := self._event(line)) is not None:
                events.append(event)
        self._seen = len(self._rest)
        if self._seen > (_LINE_BYTES if self._greeted else _NOISE_BYTES):
            raise self._rubbish("a line without end", bytes(self._rest))
        return events

    def rest(self) -> str:
        """Return all that was said and is not an event, for an error's text."""
        return (self.noise + bytes(self._rest)).decode("utf-8", "replace")

    def _event(self, line: bytes) -> Event | None:
        if not self._greeted:
            # A banner without a newline at its end shares the line with the first event.
            start = max(line.find(_FIRST_WORD), 0)
            event = _parse(line[start:])
            self.noise += line + b"\n" if event is None else line[:start]
            # Whatever pieces it came in: a fast banner may be here whole, its end and the first event with it.
            if len(self.noise) > _NOISE_BYTES:
                raise self._rubbish(f"{len(self.noise)} bytes that are not the agent's", self.noise)
            if event is None:
                return None
            self._greeted = True
            return event
        event = _parse(line)
        if event is None:
            raise self._rubbish("what is not in the protocol", line)
        return event

    def _rubbish(self, what: str, data: bytes) -> AgentError:
        return AgentError(
            f"the head sent {what}: {shorten(data[:4096].decode('utf-8', 'replace'))}",
            fix="" if self._greeted else _QUIET,
        )


def _parse(line: bytes) -> Event | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None


def read_hello(event: Event) -> Hello:
    """Return what a hello says, or raise `AgentError` if it is another version's."""
    if event["event"] != "hello" or event.get("protocol") != PROTOCOL:
        raise AgentError(
            f"the agent does not speak protocol {PROTOCOL}: it said {shorten(json.dumps(event))}",
            fix="let both ends be of the same version of lunops",
        )
    try:
        return Hello(
            protocol=PROTOCOL,
            python=str(event["python"]),
            hostname=str(event["hostname"]),
            pid=int(event["pid"]),
            uid=int(event["uid"]),
            wedged=str(event.get("wedged") or ""),
            wedged_fix=str(event.get("wedged_fix") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError(f"the agent's hello is not whole: {shorten(json.dumps(event))}") from error


def read_item(event: Event) -> ItemResult:
    """Return the result in an item's event, or raise `AgentError`."""
    try:
        return ItemResult(
            key=str(event["key"]),
            status=Status(event["status"]),
            changes=tuple(str(line) for line in event.get("changes") or ()),
            error=str(event.get("error") or ""),
            fix=str(event.get("fix") or ""),
            rolled_back=tuple(str(line) for line in event.get("rolled_back") or ()),
            left_behind=tuple(str(line) for line in event.get("left_behind") or ()),
            made=tuple(event.get("made") or ()),
            data=_with_lines(event.get("data")),
            seconds=float(event.get("seconds") or 0.0),
            busy=bool(event.get("busy")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError(f"the agent told an item's end in a wrong way: {shorten(json.dumps(event))}") from error


def _with_lines(data: Any) -> Any:
    """Return what an item has found; a command's outputs by line, too, which would be sent twice else."""
    if not isinstance(data, dict):
        return data
    lines = {f"{name}_lines": data[name].splitlines() for name in _OUTPUTS if isinstance(data.get(name), str)}
    return {**lines, **data}
