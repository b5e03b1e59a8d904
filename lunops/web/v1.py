"""The paths of REST v1.0, as its clients have long known them. docs/rest-v1.md is their description."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import BinaryIO

import bottle

from lunops import v1_status
from lunops.jobs import Again, Jobs
from lunops.model import Json
from lunops.web import v1_input
from lunops.web.front_client import ClientCertificate
from lunops.web.reply import Refusal

_BASE = "/lun/api/v1.0"


def add(app: bottle.Bottle, jobs: Jobs, *, items_max: int, body_max_bytes: int) -> None:
    """Put the paths into the application."""

    def body() -> dict[str, Json]:
        # The raw body whatever its type: `curl -d` says it is a form, and bottle would parse it as one.
        return v1_input.read_json(_read_body(bottle.request, body_max_bytes))

    def accept(kind: str, request: Json, again: Again | None = None) -> dict[str, Json]:
        client = _client(bottle.request)
        job_id = v1_input.accept(jobs, kind, request, items_max, client=client, again=again)
        return {"status": "ok", "job_id": job_id}

    def create() -> Json:
        return accept("create", body())

    def delete() -> Json:
        return accept("delete", body())

    def status(job_id: str) -> Json:
        known = jobs.record(job_id_of(job_id))
        if known is None:
            raise _no_such_job(job_id)
        record, now_s = known
        return v1_status.reply(record, now_s)

    def repeat() -> Json:
        job_id = v1_input.repeat_id(body())
        known = jobs.request(job_id_of(job_id))
        if known is None:
            raise _no_such_job(job_id)
        return accept(*known, Again(how="repeat", job_id=job_id_of(job_id)))

    def test() -> Json:
        return {"status": "ok", "message": "test"}

    app.route(f"{_BASE}/clone", "POST", create)
    app.route(f"{_BASE}/clone", "DELETE", delete)
    app.route(f"{_BASE}/clone_status/<job_id>", "GET", status)
    app.route(f"{_BASE}/clone_repeat", "POST", repeat)
    app.route(f"{_BASE}/clone_test", ["GET", "POST"], test)


def job_id_of(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{text[:100]!r} is not the id of a job: it is a UUID") from None


def _no_such_job(job_id: str) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, f"there is no job {job_id}")


def _client(request: bottle.LocalRequest) -> str:
    client = request.environ.get("lunops.client")
    return f"{client.subject} sha256:{client.fingerprint}" if isinstance(client, ClientCertificate) else ""


def _read_body(request: bottle.LocalRequest, body_max_bytes: int) -> bytes:
    length = request.environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the Content-Length is not a number")
    if len(length) > 18 or int(length) > body_max_bytes:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {body_max_bytes} bytes")
    stream: BinaryIO = request.environ["wsgi.input"]
    return stream.read(int(length))
