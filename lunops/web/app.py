"""Make the WSGI application: what is the same for every path, and the paths of each interface put into it."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

import bottle

from lunops.errors import InputError, JobError, LunopsError, QueueFullError, StoreError, StoreFullError
from lunops.jobs import Jobs
from lunops.model import Json
from lunops.web import events, v1
from lunops.web.reply import Refusal, refused
from lunops.web.v1_input import faults_of

_log = logging.getLogger("lunops.web")
_STORE_FULL = "the disk of the service's store is full: nothing was taken; send it again when there is room"
_STORE_DOWN = "the service's store does not answer: nothing was taken; send it again"
_STORE_RETRY_S = 10


def make_app(jobs: Jobs, *, items_max: int, body_max_bytes: int) -> bottle.Bottle:
    """Return the application. It expects who the client is in the environ's `lunops.client`, as the front gives it."""
    app = bottle.Bottle()
    app.config["json.enable"] = False
    app.uninstall(True)  # bottle's own plugins: ours is the only one that turns values into replies
    app.install(_Replies())
    app.default_error_handler = _error
    v1.add(app, jobs, items_max=items_max, body_max_bytes=body_max_bytes)
    events.add(app, jobs, v1.job_id_of)
    return app


class _Replies:
    """Turn what a path returns or raises into JSON, refuse other sites' browsers, and let no internals out."""

    name = "lunops"
    api = 2

    def apply(self, callback: Callable[..., Json], _route: bottle.Route) -> Callable[..., bottle.HTTPResponse]:
        """Return the callback, wrapped."""

        def answer(*args: Any, **kwargs: Any) -> bottle.HTTPResponse:
            try:
                _refuse_other_sites(bottle.request)
                said = callback(*args, **kwargs)
                return said if isinstance(said, bottle.HTTPResponse) else _json(HTTPStatus.OK, said)
            except Refusal as refusal:
                return _json(refusal.code, refusal.body)
            except InputError as error:
                faults = [fault.to_json() for fault in faults_of(error)]
                return _json(HTTPStatus.BAD_REQUEST, refused(error.what, faults))
            except QueueFullError as error:
                return _json(HTTPStatus.TOO_MANY_REQUESTS, refused(str(error)), retry_after_s=error.retry_after_s)
            except StoreFullError as error:
                _log.error("a request is refused: %s", error)
                return _json(HTTPStatus.INSUFFICIENT_STORAGE, refused(_STORE_FULL), retry_after_s=_STORE_RETRY_S)
            except StoreError as error:
                _log.error("a request is refused: %s", error)
                return _json(HTTPStatus.SERVICE_UNAVAILABLE, refused(_STORE_DOWN), retry_after_s=_STORE_RETRY_S)
            except JobError as error:
                return _json(HTTPStatus.CONFLICT, refused(str(error)))
            except bottle.HTTPResponse:
                raise
            except Exception as error:
                return _json(HTTPStatus.INTERNAL_SERVER_ERROR, _internal(error))

        return answer


def _json(code: int, body: Json, *, retry_after_s: int = 0) -> bottle.HTTPResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if retry_after_s:
        headers["Retry-After"] = str(retry_after_s)
    return bottle.HTTPResponse(json.dumps(body) + "\n", int(code), headers)


def _error(error: bottle.HTTPError) -> str:
    """Say what bottle itself has to say: no such path, no such method, a path that is no text."""
    if error.exception is not None:
        body = _internal(error.exception)
    else:
        phrase = responses.get(error.status_code, "error")
        body = refused(f"{phrase}: {bottle.request.method} {bottle.request.path}")
    bottle.response.content_type = "application/json"
    return json.dumps(body) + "\n"


def _internal(error: BaseException) -> dict[str, Json]:
    number = uuid.uuid4().hex[:12]
    _log.error("internal error %s: %s %s", number, bottle.request.method, bottle.request.path, exc_info=error)
    what = error.what if isinstance(error, LunopsError) else "internal error"
    return refused(f"{what}; the service's log says more under {number}")


def _refuse_other_sites(request: bottle.LocalRequest) -> None:
    """Refuse what a page of another site makes its visitor's browser send, with the visitor's certificate."""
    if request.method in ("GET", "HEAD"):
        return
    site = request.get_header("Sec-Fetch-Site", "none")
    origin = request.get_header("Origin")
    own = f"{request.environ['wsgi.url_scheme']}://{request.get_header('Host', '')}"
    if site not in ("none", "same-origin") or (origin is not None and not _same_origin(origin, own)):
        raise Refusal(HTTPStatus.FORBIDDEN, "a page of another site may not do this")


def _same_origin(one: str, other: str) -> bool:
    try:
        first, second = urlsplit(one), urlsplit(other)
        return (first.scheme, first.hostname, first.port or 443) == (second.scheme, second.hostname, second.port or 443)
    except ValueError:
        return False
