"""The stream of a job's events over HTTP: whole, from a place on, to its end, and bounded in number."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service_process import Service, World
from tests.service_support import clone

_KINDS = ["queued", "started", *["task", "item", "item", "task"] * 3, "ended", "ended"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = World(tmp_path_factory.mktemp("events")).serve()
    yield service
    service.kill()


def read(service: Service, job: str, headers: dict[str, str] | None = None, query: str = "") -> tuple[int, str]:
    connection = http.client.HTTPSConnection("localhost", service.port, context=service.context, timeout=60)
    try:
        connection.request("GET", f"/lun/api/v2/jobs/{job}/events{query}", headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def events(text: str) -> list[tuple[int, str, dict[str, object]]]:
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


def test_the_stream_tells_all_and_ends_with_the_job(service: Service) -> None:
    job = service.create(clone("a1", createParent=True), clone("a2", createParent=True))
    code, text = read(service, job)  # while it runs
    assert code == 200
    found = events(text)
    assert [kind for _, kind, _ in found] == _KINDS
    assert [number for number, _, _ in found] == list(range(1, len(_KINDS) + 1))
    assert found[-1][2]["data"] == {"state": "complete"}
    assert read(service, job)[1] == text  # a late reader gets the same


def test_a_reader_goes_on_after_the_last_event_that_it_has(service: Service) -> None:
    job = service.create(clone("b1", createParent=True), clone("b2", createParent=True))
    service.wait(job)
    assert [number for number, _, _ in events(read(service, job, {"Last-Event-ID": "12"})[1])] == [13, 14, 15, 16]
    assert [number for number, _, _ in events(read(service, job, query="?after=14")[1])] == [15, 16]


def test_what_is_no_job_or_no_number_is_refused(service: Service) -> None:
    assert read(service, "00000000-0000-4000-8000-000000000000")[0] == 404
    assert read(service, "x")[0] == 400
    job = service.create(clone("c1", createParent=True))
    assert read(service, job, {"Last-Event-ID": "-1"})[0] == 400


def test_more_streams_than_there_is_room_for_are_refused_and_a_reader_that_leaves_makes_room(tmp_path: Path) -> None:
    world = World(tmp_path)
    service = world.serve("--no-worker")  # so that the job's stream stays open
    try:
        job = service.create(clone("d1", createParent=True))
        open_streams = []
        for _ in range(4):
            connection = http.client.HTTPSConnection("localhost", service.port, context=service.context, timeout=60)
            connection.request("GET", f"/lun/api/v2/jobs/{job}/events")
            open_streams.append((connection, connection.getresponse()))
            assert open_streams[-1][1].readline()
        code, text = read(service, job)
        assert (code, "4 streams are open" in text) == (429, True)
        assert service.status(job)["status"] == "pending"  # the rest of the service answers
    finally:
        for connection, _ in open_streams:
            connection.close()
        service.kill()
