"""The pace of a thread that polls: its waits end when it is woken, and the event stays an event."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lunops.engine_pace import Pace

_FOR_EVER = 3600.0


class Poller:
    """A thread that looks for work between two waits on its stop event, as DBOS's do."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.pace = Pace.take_over(self.event, idle_s=_FOR_EVER)
        self.looks = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self.event.wait(0.01):
            self.looks.release()


@pytest.fixture
def poller() -> Iterator[Poller]:
    made = Poller()
    made.thread.start()
    yield made
    made.pace.set()
    made.thread.join(10)


def test_a_wake_ends_the_wait_and_those_right_after_it(poller: Poller) -> None:
    assert not poller.looks.acquire(timeout=0.1)

    poller.pace.wake()

    assert poller.looks.acquire(timeout=10)
    assert poller.looks.acquire(timeout=10)


def test_a_wake_is_not_the_event(poller: Poller) -> None:
    poller.pace.wake()

    assert poller.looks.acquire(timeout=10)
    assert poller.thread.is_alive()
    assert not poller.event.is_set()


def test_set_ends_the_waits_for_good(poller: Poller) -> None:
    poller.event.set()

    poller.thread.join(10)
    assert not poller.thread.is_alive()
    assert poller.event.wait(_FOR_EVER)
    assert poller.event.wait()
