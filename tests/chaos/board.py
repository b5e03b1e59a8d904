"""What is known of the jobs while they are sent and followed, shared by all threads of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import Job

_SLOWLY = 6  # jobs that are accepted and not over, while a blow is due
_PACE_S = 1.0  # between two of them: a blow that misses, and is tried again, must not find all done


@dataclass
class Sent:
    """A job that was sent, perhaps several times. Times are of the monotonic clock."""

    job: Job
    sent_s: float
    tries: int = 1  # answers that did not come: the job may have been accepted so much more often
    id: str = ""  # once it was accepted
    over_s: float | None = None  # when it was seen to be over
    answer: dict[str, Any] = field(default_factory=dict)  # its last status
    cut: set[int] = field(default_factory=set)  # heads whose agent was killed while it was not over


class Board:
    """The jobs of a run."""

    def __init__(self, jobs: Sequence[Job], *, ahead: int) -> None:
        """Let so many be accepted that are not over."""
        self.jobs = jobs
        self.sent: dict[int, Sent] = {}
        self.wrong: list[str] = []
        self.given_up = threading.Event()
        self._next = 0
        self._ahead = ahead
        self._held_at = len(jobs)
        self._taken_s = 0.0
        self._changed = threading.Condition()

    def take(self, client: int, clients: int) -> Job | None:
        """Return the next job to send, when it may be sent; None after the last one.

        Jobs are taken in turn by the clients, so that those which share a name come from several of them.
        """
        with self._changed:
            job = self._mine(client, clients)
            while job is None or not self._may_go(job):
                if self.given_up.is_set() or (job is None and self._next >= len(self.jobs)):
                    return None
                self._changed.wait(_PACE_S)
                job = self._mine(client, clients)
            self._next += 1
            self._taken_s = time.monotonic()
            self.sent[job.number] = Sent(job=job, sent_s=time.monotonic())
            self._changed.notify_all()
            return job

    def tried_again(self, job: Job) -> None:
        """Note that no answer came, and that it is sent once more."""
        with self._changed:
            self.sent[job.number].tries += 1

    def accepted(self, job: Job, id: str) -> None:
        """Note that it was accepted."""
        with self._changed:
            self.sent[job.number].id = id
            self._changed.notify_all()

    def followed(self, sent: Sent, answer: dict[str, Any]) -> None:
        """Note its status."""
        with self._changed:
            sent.answer = answer
            if answer["status"] in ("complete", "failed"):
                sent.over_s = time.monotonic()
                self._changed.notify_all()

    def hold(self, due: int) -> None:
        """Let jobs go slowly beyond this number and a few more: a blow is due, and must meet work."""
        with self._changed:
            self._held_at = due + _SLOWLY
            self._changed.notify_all()

    def is_wrong(self, what: str) -> None:
        """Note what must not be."""
        with self._changed:
            self.wrong.append(what)

    def to_follow(self) -> list[Sent]:
        """Return what was accepted and is not over."""
        with self._changed:
            return [each for each in self._open() if each.id]

    def over(self) -> int:
        """Return how many are over."""
        with self._changed:
            return len(self.sent) - len(self._open())

    def is_done(self) -> bool:
        """Return whether all are over."""
        return self.over() == len(self.jobs)

    def wait_until_over(self, count: int, timeout_s: float) -> bool:
        """Return whether so many are over in time; give it up with the run."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.given_up.is_set() or len(self.sent) - len(self._open()) >= count, timeout_s
            )

    def give_up(self) -> None:
        """Let all threads come to their end."""
        with self._changed:
            self.given_up.set()
            self._changed.notify_all()

    def touched(self, head: int, since_s: float) -> list[Sent]:
        """Return the jobs of a head that were not over at this time, those whose answer is still awaited included."""
        with self._changed:
            mine = [each for each in self.sent.values() if head in each.job.heads]
            return [each for each in mine if each.over_s is None or each.over_s >= since_s]

    def _mine(self, client: int, clients: int) -> Job | None:
        is_mine = self._next < len(self.jobs) and self._next % clients == client
        return self.jobs[self._next] if is_mine else None

    def _may_go(self, job: Job) -> bool:
        is_held = job.number >= self._held_at
        if is_held and time.monotonic() - self._taken_s < _PACE_S:
            return False
        most = _SLOWLY if is_held else self._ahead
        return len(self._open()) < most and all(self._is_accepted(number) for number in job.after)

    def _is_accepted(self, number: int) -> bool:
        return number in self.sent and bool(self.sent[number].id)

    def _open(self) -> list[Sent]:
        return [each for each in self.sent.values() if each.over_s is None]
