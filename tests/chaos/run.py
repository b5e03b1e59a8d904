"""One run: place, processes, clients and destroyer together, then the witness."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from lunops.model import Json
from tests.chaos import trial
from tests.chaos.actors import Crew
from tests.chaos.board import Board
from tests.chaos.clients import Client, follow, send
from tests.chaos.cuts import left
from tests.chaos.destroyer import Destroyer
from tests.chaos.place import CLIENTS, Place
from tests.chaos.plan import plan_jobs, plan_strikes
from tests.chaos.report import Report
from tests.support.postgres import Postgres

_LEFT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is made of; the same seed makes the same jobs and blows."""

    seed: int
    store: str = "sqlite:///lunops.db"
    workers: int = 3  # 0: one process is front and worker
    heads: int = 6
    jobs: int = 500
    names: int = 8  # LUNs on each head that jobs are about
    ahead_most: int = 30  # jobs that are accepted and not over
    kills: int = 30
    stops: int = 5
    cuts: int = 5
    databases: int = 3  # kills of `server`
    limit_s: float = 1200.0
    settings: Mapping[str, Json] = field(default_factory=dict)  # more lines for lunops.toml

    @property
    def ahead(self) -> int:
        """How many jobs are accepted and not over: few of a short run, so that its last blow still meets some."""
        return max(8, min(self.ahead_most, self.jobs // 5))


def run(options: Options, folder: Path, server: Postgres | None = None) -> Report:
    """Do it all in an empty folder; nothing of it runs afterwards. `server`: that of the store, if it has one."""
    random = Random(options.seed)
    jobs = plan_jobs(random, options.jobs, heads=options.heads, names=options.names)
    strikes = plan_strikes(
        random,
        options.jobs,
        kills=options.kills,
        stops=options.stops,
        cuts=options.cuts,
        databases=options.databases if server is not None else 0,
    )
    begun_s = time.monotonic()
    place = Place(folder, options.heads, options.store, options.settings)
    crew = Crew(folder, place.config, options.workers)
    board = Board(jobs, ahead=options.ahead)
    destroyer = Destroyer(place, crew, board, server)
    with ExitStack() as cleanup:
        cleanup.callback(_end_all, folder, board)
        cleanup.callback(crew.kill)
        crew.start()
        with _threads(board) as start:
            for number in range(CLIENTS):
                client = Client(crew.front, place.contexts[number])
                start(lambda client=client, number=number: send(board, client, number, CLIENTS))  # type: ignore[misc]
            start(lambda: follow(board, Client(crew.front, place.contexts[CLIENTS])))
            start(lambda: destroyer.strike(strikes))
            _supervise(board, crew, begun_s + options.limit_s)
        took_s = time.monotonic() - begun_s
        for each in crew.all:
            each.wait_until_ready()  # one that was killed at last does not hear SIGTERM yet
        codes = {each.name: each.end() for each in reversed(crew.all)}
        board.wrong += [f"{name} ended with {code} at SIGTERM" for name, code in codes.items() if code != 0]
        board.wrong += [fall for each in crew.all for fall in each.falls]
    return trial.judged(options.seed, place, board, destroyer.struck, strikes, took_s)


def _supervise(board: Board, crew: Crew, until_s: float) -> None:
    while not board.is_done() and not board.given_up.is_set():
        crew.start_fallen()
        if time.monotonic() > until_s:
            board.is_wrong("not all jobs were over in time")
            board.give_up()
        time.sleep(0.1)


@contextmanager
def _threads(board: Board) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Give a function that starts threads, and wait for them in the end; what they raise is noted."""
    started: list[threading.Thread] = []

    def guarded(do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:
            board.is_wrong(f"a thread of the run itself broke: {error!r}")
            board.give_up()

    def start(do: Callable[[], None]) -> None:
        started.append(threading.Thread(target=guarded, args=(do,)))
        started[-1].start()

    try:
        yield start
    except BaseException:
        board.give_up()
        raise
    finally:
        for thread in started:
            thread.join()


def _end_all(folder: Path, board: Board) -> None:
    """End what is left of the agents of killed workers, which have to end by themselves."""
    deadline = time.monotonic() + _LEFT_S
    while left(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left(folder):
        board.is_wrong(f"the agent {pid} has not ended {_LEFT_S:g} s after its worker")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
