"""The clients: some send the jobs, each with a certificate of its own, and one follows them."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
from typing import Any

from lunops.model import Json
from tests.chaos.actors import Actor
from tests.chaos.board import Board
from tests.chaos.plan import Kind

_BASE = "/lun/api/v1.0"
_ANSWER_S = 40.0  # longer than a front is stopped
_GONE = (OSError, http.client.HTTPException)  # what a client sees of a front that was killed


class Client:
    """One connection at a time with the front, made anew when that has another port or does not answer."""

    def __init__(self, front: Actor, context: ssl.SSLContext) -> None:
        self._front = front
        self._context = context
        self._connection: http.client.HTTPSConnection | None = None
        self._port = 0

    def request(self, method: str, path: str, body: Json = None) -> tuple[int, Any] | None:
        """Return code and body of the answer; None if there was none."""
        port = self._front.port
        if self._connection is None or port != self._port:
            self.close()
            self._port = port
            self._connection = http.client.HTTPSConnection("localhost", port, context=self._context, timeout=_ANSWER_S)
        try:
            self._connection.request(method, _BASE + path, None if body is None else json.dumps(body))
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except _GONE:
            self.close()
            return None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(*_GONE):
                self._connection.close()
            self._connection = None


def send(board: Board, client: Client, number: int, clients: int) -> None:
    """Send every job that is this client's, until it is accepted.

    Where no answer came the job may have been accepted all the same; sent again it asks for what is then there.
    """
    with contextlib.closing(client):
        while (job := board.take(number, clients)) is not None:
            method = "POST" if job.kind is Kind.CREATE else "DELETE"
            while not board.given_up.is_set():
                answer = client.request(method, "/clone", job.body)
                if answer is not None and answer[0] == 200:
                    board.accepted(job, answer[1]["job_id"])
                    break
                if answer is not None and answer[0] != 503:
                    board.is_wrong(f"job {job.number} was answered with {answer}")
                    if answer[0] < 500:
                        return
                board.tried_again(job)
                time.sleep(0.1)


def follow(board: Board, client: Client) -> None:
    """Ask how far each job is, until all are over."""
    with contextlib.closing(client):
        while not board.is_done() and not board.given_up.is_set():
            for sent in board.to_follow():
                answer = client.request("GET", f"/clone_status/{sent.id}")
                if answer is None:
                    break
                if answer[0] == 200:
                    board.followed(sent, answer[1])
                elif answer[0] != 503:
                    board.is_wrong(f"the status of job {sent.job.number}, {sent.id}, is {answer}")
                    board.followed(sent, {"status": "failed", "error": f"{answer}"})
            time.sleep(0.05)
