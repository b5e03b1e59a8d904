"""The events of a job as a stream of server-sent events, from the beginning or from the one after `Last-Event-ID`.

A stream holds one of the front's threads, so there are few at once (429 for one more) and each ends after a while: a
browser, or `curl` in a loop, comes again by itself and goes on where it was. The stream ends with the job.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import bottle

from lunops.jobs import Jobs
from lunops.model import Json
from lunops.store.rows import Event
from lunops.web.reply import Refusal

_AT_ONCE = 4
_LIFE_S = 25.0
_LOOK_S = 0.25
_MOST = 500


def add(app: bottle.Bottle, jobs: Jobs, job_id: Callable[[str], str]) -> None:
    """Put the path into the application; `job_id` checks an id."""
    free = threading.BoundedSemaphore(_AT_ONCE)

    def stream(name: str) -> bottle.HTTPResponse:
        known = job_id(name)
        after = _after(bottle.request)
        if jobs.request(known) is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no job {known}")
        if not free.acquire(blocking=False):
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"{_AT_ONCE} streams are open: come again, or ask for fewer")
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return bottle.HTTPResponse(_Stream(jobs, known, after, free), int(HTTPStatus.OK), headers)

    app.route("/lun/api/v2/jobs/<name>/events", "GET", stream)


class _Stream:
    """The body of one reply; whoever serves it calls `close`, whatever happens."""

    def __init__(self, jobs: Jobs, job_id: str, after: int, free: threading.BoundedSemaphore) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self._after = after
        self._free: threading.BoundedSemaphore | None = free

    def __iter__(self) -> Iterator[bytes]:
        until = time.monotonic() + _LIFE_S
        yield b"retry: 500\n\n"
        while time.monotonic() < until:
            events = self._jobs.events(self._job_id, after=self._after, most=_MOST)
            for event in events:
                yield _line(event)
                self._after = event.number
                if is_last(event):
                    return
            if not events:
                time.sleep(_LOOK_S)

    def close(self) -> None:
        """Let another stream take the place."""
        free, self._free = self._free, None
        if free is not None:
            free.release()


def is_last(event: Event) -> bool:
    """Return whether nothing more will be said of the job."""
    return event.kind == "ended" and not event.head


def as_json(event: Event) -> dict[str, Json]:
    """Return an event as readers get it; what is empty is left out."""
    said: dict[str, Json] = {"id": event.number, "at": event.at, "kind": str(event.kind)}
    more = {"head": event.head, "task": event.task_id, "item": event.key, "data": event.data}
    return said | {name: value for name, value in more.items() if value not in ("", None)}


def _line(event: Event) -> bytes:
    text = json.dumps(as_json(event), separators=(",", ":"))
    return f"id: {event.number}\nevent: {event.kind}\ndata: {text}\n\n".encode()


def _after(request: bottle.LocalRequest) -> int:
    text = request.get_header("Last-Event-ID") or request.query.get("after") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{text[:50]!r} is not the number of an event")
    return int(text)
