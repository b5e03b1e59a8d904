"""The bodies of replies that refuse, and the exception that carries one."""

from __future__ import annotations

from collections.abc import Sequence

from lunops.model import Json

_SHOWN = 500  # characters: what was wrong may be long, and we quote it


def short(text: str) -> str:
    """Return the text, cut where it is too long to send back."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def refused(message: str, errors: Sequence[Json] = ()) -> dict[str, Json]:
    """Return the body of a reply that refuses."""
    body: dict[str, Json] = {"status": "error", "message": short(message)}
    if errors:
        body["errors"] = list(errors)
    return body


class Refusal(Exception):
    """A path refuses a request."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = refused(message)
