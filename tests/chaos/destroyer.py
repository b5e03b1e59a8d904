"""Kill, stop and cut as it was planned, and note what was struck when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.actors import Actor, Crew
from tests.chaos.aim import at_work
from tests.chaos.board import Board, Sent
from tests.chaos.cuts import cut
from tests.chaos.place import Place
from tests.chaos.plan import Blow, Strike
from tests.support.postgres import Postgres

_PATIENCE_S = 60.0
_ATTEMPTS = 6
_AIM_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Struck:
    """A blow that met its mark while jobs were at work."""

    blow: Blow
    who: str
    at: float  # by the wall clock, as the store's times are
    until: float  # of a stop or a database: when it went on


class Destroyer:
    """Strikes one blow after the other; a stop lasts while others follow."""

    def __init__(self, place: Place, crew: Crew, board: Board, server: Postgres | None = None) -> None:
        self.struck: list[Struck] = []
        self._server = server
        self._place = place
        self._crew = crew
        self._board = board
        self._stops: list[threading.Thread] = []

    def strike(self, strikes: Sequence[Strike]) -> None:
        """Strike them all; what is not struck is missing in `struck`."""
        for each in strikes:
            self._board.hold(each.due)
            self._board.wait_until_over(each.due, _PATIENCE_S)
            if self._board.given_up.is_set():
                break
            time.sleep(each.pause_s)
            self._strike(each)
        self._board.hold(len(self._board.jobs))
        for thread in self._stops:
            thread.join()

    def _strike(self, strike: Strike) -> None:
        if strike.blow is Blow.CUT:
            self._cut(strike)
        elif strike.blow is Blow.DATABASE:
            self._kill_database(strike.lasts_s / 8)
        elif strike.blow is Blow.STOP:
            victim = self._choose(strike, self._crew.doers, least=1)
            if victim is not None:
                self._stops.append(threading.Thread(target=self._stop, args=(victim, strike.lasts_s)))
                self._stops[-1].start()
        elif strike.blow is Blow.KILL_ALL:
            self._kill(strike.blow, self._crew.all)
        else:
            doers = self._crew.doers
            crew = [self._crew.front] if strike.blow is Blow.KILL_FRONT else doers
            # Another one is there to go on with what is cut off.
            victim = self._choose(strike, crew, least=min(2, len(crew)))
            if victim is not None:
                self._kill(strike.blow, [victim])

    def _choose(self, strike: Strike, crew: Sequence[Actor], *, least: int) -> Actor | None:
        """Return one that is ready, mostly one that is at work; None if not so many are ready in time."""
        ready: list[Actor] = []

        def enough() -> bool:
            ready[:] = [each for each in crew if each.is_ready()]
            return len(ready) >= least

        if not self._wait(enough):
            return None
        by_chance = ready[int(strike.choice * len(ready))]
        if len(ready) == 1 or not strike.is_aimed:
            return by_chance
        return at_work(self._place, ready, _AIM_S) or by_chance

    def _kill(self, blow: Blow, victims: Sequence[Actor]) -> None:
        struck = [victim.name for victim in victims if victim.kill()]
        at = time.time()
        for victim in victims:
            victim.start()
        if struck:
            self._note(blow, " ".join(struck), at, at)

    def _stop(self, victim: Actor, lasts_s: float) -> None:
        at, pid = time.time(), victim.pause()
        if not pid:
            return
        time.sleep(lasts_s)
        victim.go_on(pid)
        self._note(Blow.STOP, victim.name, at, time.time())

    def _kill_database(self, lasts_s: float) -> None:
        # A process that starts meanwhile says that it has no store, and ends: whoever starts it, starts it again.
        if self._server is None or not self._wait(lambda: all(each.has_begun() for each in self._crew.all)):
            return
        at = time.time()
        self._server.kill()
        time.sleep(lasts_s)
        self._server.start()
        self._note(Blow.DATABASE, "database", at, time.time())

    def _cut(self, strike: Strike) -> None:
        for attempt in range(_ATTEMPTS):
            work: list[int] = []  # each head as often as it has jobs

            def any_work(work: list[int] = work) -> bool:
                work[:] = [head for head in self._place.heads if self._may_cut(head) for _job in self._jobs(head)]
                return bool(work)

            if not self._wait(any_work):
                return
            head = work[int(strike.choice * len(work))]
            since_s, at = time.monotonic(), time.time()
            is_struck = cut(self._place, head, max(1, strike.nth >> attempt))
            for sent in self._board.touched(head, since_s):
                sent.cut.add(head)
            if is_struck:
                self._note(Blow.CUT, f"jbod-{head:02}", at, time.time())
                return

    def _may_cut(self, head: int) -> bool:
        """Return whether no job on it was touched by an earlier cut.

        What is taken back after a cut must not be cut off as well: that leaves what it cannot take back, and says so.
        """
        return not any(head in sent.cut for sent in self._jobs(head))

    def _jobs(self, head: int) -> list[Sent]:
        return [sent for sent in self._board.touched(head, time.monotonic()) if sent.id]

    def _wait(self, holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + _PATIENCE_S
        while not holds():
            if time.monotonic() > deadline or self._board.given_up.is_set() or self._board.is_done():
                return False
            time.sleep(0.02)
        return True

    def _note(self, blow: Blow, who: str, at: float, until: float) -> None:
        if not self._board.is_done():  # what is killed when nothing is at work proves nothing
            self.struck.append(Struck(blow=blow, who=who, at=at, until=until))
