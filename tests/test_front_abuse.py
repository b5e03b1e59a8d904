"""The TLS front under abuse: whatever one client does, the others are served, and nothing leaks.

Deadlines that no test reaches (PATIENT) keep an attack on while an honest client is tried; short ones show
that the attacker is put out in the end, and no longer than a byte now and then keeps it alive.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lunops.web.front import Front, FrontLimits
from tests.front_support import (
    GUARD_S,
    PATIENT,
    Certificates,
    Recorder,
    ask,
    client_hello,
    good_client_is_served,
    make_certificates,
    make_front,
    plain,
    read_response,
    read_to_end,
    request,
    send_slowly,
    tls,
)

pytestmark = pytest.mark.timeout(60)

HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX: "
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def app() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.release.set()


@pytest.fixture
def stop_dripping() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def _say_nothing(front: Front, _: Certificates) -> socket.socket:
    return plain(front)


def _say_half_a_hello(front: Front, _: Certificates) -> socket.socket:
    sock = plain(front)
    sock.sendall(client_hello()[:20])
    return sock


def _say_half_a_head(front: Front, certificates: Certificates) -> socket.socket:
    sock = tls(front, certificates)
    sock.sendall(HALF_A_HEAD)
    return sock


def _say_half_a_body(front: Front, certificates: Certificates) -> socket.socket:
    sock = tls(front, certificates)
    sock.sendall(HALF_A_BODY)
    return sock


def _stay_idle(front: Front, certificates: Certificates) -> socket.socket:
    return tls(front, certificates)


def _stay_idle_after_a_request(front: Front, certificates: Certificates) -> socket.socket:
    sock = tls(front, certificates)
    ask(sock)
    return sock


def _do_not_read(front: Front, certificates: Certificates) -> socket.socket:
    sock = tls(front, certificates)
    sock.sendall(request("GET", "/big"))
    return sock


Attack = Callable[[Front, Certificates], socket.socket]
ATTACKS: list[Attack] = [
    _say_nothing,
    _say_half_a_hello,
    _say_half_a_head,
    _say_half_a_body,
    _stay_idle,
    _stay_idle_after_a_request,
    _do_not_read,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_").replace("_", " "))
def test_clients_that_hold_on_do_not_stall_another(certificates: Certificates, app: Recorder, attack: Attack) -> None:
    app.big = b"x" * 900_000  # more than the kernel keeps for a client that does not read, less than we keep
    limits = replace(PATIENT, connections=200)
    with ExitStack() as held, make_front(certificates, app, limits) as front:
        attackers = [held.enter_context(attack(front, certificates)) for _ in range(25)]
        for _ in range(3):
            assert good_client_is_served(front, certificates)
        for attacker in attackers:  # none of them was put out: the attack was on all the time
            if attack is not _do_not_read:
                attacker.settimeout(0)
                with pytest.raises((BlockingIOError, ssl.SSLWantReadError)):
                    attacker.recv(1)
        front.stop(0.1)


@pytest.mark.parametrize("attack", [_say_half_a_head, _say_half_a_body, _do_not_read])
def test_one_worker_is_enough_for_the_honest(certificates: Certificates, app: Recorder, attack: Attack) -> None:
    app.big = b"x" * 900_000
    with ExitStack() as held, make_front(certificates, app, replace(PATIENT, workers=1)) as front:
        for _ in range(5):
            held.enter_context(attack(front, certificates))
        assert good_client_is_served(front, certificates)
        front.stop(0.1)


def test_a_slow_reader_gets_its_response_whole(certificates: Certificates, app: Recorder) -> None:
    app.big = os.urandom(6_000_000)
    with make_front(certificates, app) as front, tls(front, certificates) as sock:
        sock.sendall(request("GET", "/big"))
        app.arrived.acquire(timeout=GUARD_S)
        assert good_client_is_served(front, certificates)
        assert read_response(sock)[2] == app.big
        assert ask(sock, "GET", "/again")[0] == 200


def test_what_a_client_sends_while_its_request_is_at_work_costs_nothing(
    certificates: Certificates, app: Recorder
) -> None:
    with make_front(certificates, app) as front, tls(front, certificates) as sock:
        sock.sendall(request("GET", "/wait"))
        app.arrived.acquire(timeout=GUARD_S)
        sock.sendall(request("GET", "/next"))
        before = time.process_time()
        threading.Event().wait(0.5)
        spent_s = time.process_time() - before
        app.release.set()
        assert [read_response(sock)[0], read_response(sock)[0]] == [200, 200]
    assert spent_s < 0.25  # processor time, not a clock's: a loop that spins would have used it all


# ---- deadlines


def test_a_silent_client_is_put_out(certificates: Certificates, app: Recorder) -> None:
    with make_front(certificates, app, replace(PATIENT, handshake_s=0.3)) as front, plain(front) as sock:
        assert read_to_end(sock) == b""


def test_a_dripping_hello_does_not_push_the_deadline_out(
    certificates: Certificates, app: Recorder, stop_dripping: threading.Event
) -> None:
    with make_front(certificates, app, replace(PATIENT, handshake_s=0.5)) as front, plain(front) as sock:
        send_slowly(sock, client_hello(), stop_dripping)
        with suppress(ConnectionResetError):  # it was sending still
            assert read_to_end(sock) == b""
        assert not stop_dripping.is_set()


def test_dripping_headers_end_with_408(
    certificates: Certificates, app: Recorder, stop_dripping: threading.Event
) -> None:
    with (
        make_front(certificates, app, replace(PATIENT, headers_s=0.5)) as front,
        tls(front, certificates) as sock,
    ):
        sock.sendall(HALF_A_HEAD)
        send_slowly(sock, b"a" * 100_000, stop_dripping)
        status, fields, body = read_response(sock)
    assert (status, fields["connection"]) == (408, "close")
    assert b"header" in body
    assert app.calls == []


def test_a_dripping_body_ends_with_408(
    certificates: Certificates, app: Recorder, stop_dripping: threading.Event
) -> None:
    with (
        make_front(certificates, app, replace(PATIENT, body_s=0.5)) as front,
        tls(front, certificates) as sock,
    ):
        sock.sendall(HALF_A_BODY)
        send_slowly(sock, b"a" * 900, stop_dripping)
        status, _, body = read_response(sock)
    assert status == 408
    assert b"body" in body
    assert app.calls == []


def test_an_idle_connection_ends_with_close_notify(certificates: Certificates, app: Recorder) -> None:
    limits = replace(PATIENT, idle_s=0.3)
    with make_front(certificates, app, limits) as front, tls(front, certificates) as sock:
        assert ask(sock)[0] == 200
        assert sock.recv(1) == b""


def test_a_client_that_never_reads_frees_its_worker(certificates: Certificates, app: Recorder) -> None:
    app.big = b"x" * 20_000_000  # more than is kept for it: the worker has to wait
    limits = replace(PATIENT, workers=1, write_s=0.5)
    with make_front(certificates, app, limits) as front, tls(front, certificates) as sock:
        sock.sendall(request("GET", "/big"))
        app.arrived.acquire(timeout=GUARD_S)
        assert good_client_is_served(front, certificates)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            read_response(sock)


# ---- too many


def test_silent_clients_give_way_when_there_are_too_many(certificates: Certificates, app: Recorder) -> None:
    limits = replace(PATIENT, connections=10)
    with ExitStack() as held, make_front(certificates, app, limits) as front:
        established = held.enter_context(tls(front, certificates))
        assert ask(established)[0] == 200
        for _ in range(40):
            held.enter_context(plain(front))
        assert good_client_is_served(front, certificates)
        assert ask(established)[0] == 200  # who has shown a certificate stays


def test_who_is_idle_gives_way_when_all_have_shown_certificates(certificates: Certificates, app: Recorder) -> None:
    with ExitStack() as held, make_front(certificates, app, replace(PATIENT, connections=5)) as front:
        idle = [held.enter_context(tls(front, certificates)) for _ in range(5)]
        for sock in idle:
            ask(sock)
            time.sleep(0.2)  # the front takes a connection back a moment after its answer, and the oldest gives way
        assert good_client_is_served(front, certificates)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            ask(idle[0])
        assert ask(idle[4])[0] == 200


def test_when_all_connections_are_at_work_the_next_is_refused_and_they_go_on(
    certificates: Certificates, app: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    limits = replace(PATIENT, connections=2, workers=2)
    with ExitStack() as held, make_front(certificates, app, limits) as front:
        working = [held.enter_context(tls(front, certificates)) for _ in range(2)]
        for sock in working:
            sock.sendall(request("GET", "/wait"))
            app.arrived.acquire(timeout=GUARD_S)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            tls(front, certificates)
        app.release.set()
        assert [read_response(sock)[0] for sock in working] == [200, 200]
    assert "all 2 connections are at work" in caplog.text


def test_too_many_waiting_requests_are_answered_with_503(certificates: Certificates, app: Recorder) -> None:
    limits = replace(PATIENT, workers=1, queued_requests=1)
    with ExitStack() as held, make_front(certificates, app, limits) as front:
        first, second, third = (held.enter_context(tls(front, certificates)) for _ in range(3))
        first.sendall(request("GET", "/wait"))
        app.arrived.acquire(timeout=GUARD_S)
        second.sendall(request("GET", "/second"))
        _wait_until(lambda: front._server.requests.qsize == 1)  # no answer tells that the second waits
        status, fields, _ = ask(third, "GET", "/third")
        assert (status, fields["retry-after"]) == (503, "1")
        app.release.set()
        assert read_response(first)[0] == read_response(second)[0] == 200
    assert "/third" not in [path for _, path, _ in app.calls]


def test_a_process_out_of_descriptors_takes_connections_again_when_it_can(
    certificates: Certificates, app: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with make_front(certificates, app) as front:
        assert good_client_is_served(front, certificates)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        fillers: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, hard))
        try:
            with suppress(OSError):
                while True:
                    fillers.append(os.open(os.devnull, os.O_RDONLY))
            os.close(fillers.pop())
            waiting = plain(front)
            _wait_until(lambda: "cannot accept connections: Too many open files" in caplog.text)
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with waiting:
            waiting.sendall(request())
            assert read_response(waiting)[0] == 400  # it was taken at last: plain HTTP
        assert good_client_is_served(front, certificates)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) < 20


def test_nothing_is_left_open(certificates: Certificates, app: Recorder) -> None:
    app.big = b"x" * 3_000_000
    limits = replace(PATIENT, connections=30)
    _one_round_of_everything(certificates, app, limits)  # whatever is opened once for all
    before = _open_files()
    for _ in range(3):
        _one_round_of_everything(certificates, app, limits)
    assert _open_files() == before


def _one_round_of_everything(certificates: Certificates, app: Recorder, limits: FrontLimits) -> None:
    with make_front(certificates, app, limits) as front:
        with ExitStack() as held:
            for attack in ATTACKS:
                for _ in range(6):
                    with suppress(OSError):
                        held.enter_context(attack(front, certificates))
            for pair in (certificates.stranger, certificates.expired):
                with suppress(OSError), tls(front, certificates, pair) as sock:
                    read_to_end(sock)
            with plain(front) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                read_to_end(sock)
            assert good_client_is_served(front, certificates)
        front.stop(0.5)


def _open_files() -> dict[str, int]:
    gc.collect()
    counts: dict[str, int] = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            kind = os.readlink(entry).split(":")[0]
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def _wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(GUARD_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    pytest.fail("it never came to that")
