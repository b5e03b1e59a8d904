"""What 100,000 jobs in the store cost beside none, and what an event costs its job: `make bench-store`.

Each figure is the median of many; the two stores of a pair are measured in turn, in one run. The goal is a ratio of
1.5 at most, and less than 1 ms for an item on SQLite. A list is measured beside one of as many rows, from a store of
2,500 jobs: an empty one has no rows to give.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from lunops.jobs.outside import SteadyClock
from lunops.jobs.recorder import Recorder
from lunops.model import Task
from lunops.store import Filter, Store, Work
from lunops.store.accepting import TASKS
from lunops.store.keeping import ItemEnded
from lunops.store.rows import State
from lunops.store.tables import events, items, jobs, outcomes, parts, runs, tasks
from tests.store_support import accept, admit, begin, begun, end, item, new_job
from tests.support.postgres import running

_AT_ONCE = 2000
_PAGE = 2500  # jobs, so that each list of 50 is full
_TASK = Task(id="01:zfs_clone", name="Make", module="zfs_clone", items=())
# As long as those of a job of four LUNs.
_TASKS = TASKS.dump_json((replace(_TASK, name="M" * 5000),)).decode()
_REQUEST = json.dumps({"clones": ["c" * 250] * 4})


def job_id(place: int) -> str:
    """Return an id: random, as they are, and the same each time."""
    return str(uuid.UUID(int=random.Random(place).getrandbits(128), version=4))


def fill(store: Store, number: int) -> None:
    """Put so many jobs that are over into the store, each with four items, by 50 clients on 20 heads."""
    for start in range(0, number, _AT_ONCE):
        ids = [job_id(place) for place in range(start, min(number, start + _AT_ONCE))]
        rows: dict[sa.Table, list[dict[str, object]]] = {
            table: [] for table in (jobs, parts, items, tasks, runs, outcomes, events)
        }
        for place, job in enumerate(ids, start):
            head = f"h{place % 20}"
            over = State.FAILED if place % 17 == 0 else State.COMPLETE
            rows[jobs].append(
                {
                    "id": job,
                    "kind": "delete" if place % 3 == 0 else "create",
                    "request": _REQUEST,
                    "client": f"CN=client{place % 50}",
                    "state": str(over),
                    "num_requested": 4,
                    "accepted_at": 1e6 + place,
                    "accepted_s": 1e6 + place,
                    "started_s": 1e6 + place,
                    "ended_s": 1e6 + place + 1,
                    "ended_at": 1e6 + place + 1,
                    "events": 8,
                }
            )
            rows[parts].append(
                {
                    "job_id": job,
                    "head": head,
                    "place": place,
                    "workflow_id": f"{place:012d}-{job}-{head}",
                    "tasks": _TASKS,
                    "state": str(over),
                    "admitted_s": 1.0,
                }
            )
            of_job = {"job_id": job, "head": head, "task_id": "01:zfs_clone"}
            rows[tasks].append({**of_job, "place": 0, "module": "zfs_clone", "items": 4})
            rows[runs].append(
                {**of_job, "run": 1, "module": "zfs_clone", "started_s": 1.0, "last_s": 2.0, "ended_s": 2.0}
            )
            for n in range(4):
                key = f"p/{place % 500}-{n}"
                rows[items].append(
                    {"job_id": job, "place": n, "head": head, "key": key, "wwn": f"iqn:{key}", "keeps_clone": 0}
                )
                rows[outcomes].append(
                    {**of_job, "key": key, "module": "zfs_clone", "status": "changed", "changes": "[]", "error": "",
                     "fix": "", "left_behind": "[]", "seconds": 0.5}
                )  # fmt: skip
            rows[events] += [
                {"job_id": job, "number": n, "at": 1.0, "kind": "item", "head": head, "task_id": "", "key": "",
                 "data": "{}"}
                for n in range(1, 9)
            ]  # fmt: skip
        with store.database.write(is_durable=False) as connection:
            for table, some in rows.items():
                connection.execute(sa.insert(table), some)
    with store.database.write() as connection:
        if not store.database.is_sqlite:
            connection.exec_driver_sql("SELECT setval(pg_get_serial_sequence('jobs', 'place'), 1000000)")
    store.vacuum()


class Subject:
    """A store with a job at work, and what is measured of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._number = 0
        self._accepted: list[str] = []
        self._begun: list[Work] = []
        self._ended = itertools.count()
        self._room = itertools.count(2)  # beside the job at work, one more each time
        accept(store, new_job("working", "p/working"))
        admit(store)
        self._work: Work = begin(store, "working")
        store.keep(self._work, "w", [begun()])

    def lists(self) -> dict[str, Callable[[], object]]:
        store = self.store
        latest = store.jobs(Filter(most=50))[-1]
        return {
            "list the latest 50": lambda: store.jobs(Filter()),
            "list the next 50": lambda: store.jobs(Filter(before=latest.place)),
            "list 50 of a client": lambda: store.jobs(Filter(client="CN=client7")),
            "list 50 that failed": lambda: store.jobs(Filter(states=(State.FAILED,))),
            "list 50 that are over": lambda: store.jobs(Filter(states=(State.COMPLETE, State.FAILED))),
            "list 50 of a head": lambda: store.jobs(Filter(head="h7")),
            "list 50 of a kind": lambda: store.jobs(Filter(kind="delete")),
            "list 50 since a time": lambda: store.jobs(Filter(since_at=latest.accepted_at)),
            "find a job by its first digits": lambda: store.ids_like(latest.id[:8]),
        }

    def life(self) -> dict[str, Callable[[], object]]:
        store = self.store
        return {
            "status of a job": lambda: store.record("working"),
            "events of a job": lambda: store.events("working", most=50),
            "accept": self._accept,
            "admit one of them": lambda: admit(store, limit=next(self._room)),
            "begin": lambda: self._begun.append(begin(store, self._accepted[len(self._begun)])),
            "end": lambda: end(store, self._begun[-1 - next(self._ended)]),
            "keep one item": lambda: store.keep(self._work, "w", [self._item()]),
            "keep 50 items": lambda: store.keep(self._work, "w", [self._item() for _ in range(50)]),
            "is anything unfinished": store.unfinished,
        }

    def hear(self, number: int) -> tuple[float, float]:
        """Hear of so many items, one each millisecond, while another thread writes them; return the ms per item.

        Of the thread that hears them, and of the one that writes them.
        """
        recorder = Recorder(self.store, self._work, "w", SteadyClock(), lambda: None)
        over = threading.Event()
        writing: list[float] = []

        def flush() -> None:
            while not over.wait(0.1):
                begun_at = time.perf_counter()
                recorder.flush()
                writing.append(time.perf_counter() - begun_at)

        thread = threading.Thread(target=flush)
        thread.start()
        hearing = []
        for _ in range(number):
            result = self._item().item
            begun_at = time.perf_counter()
            recorder.item_ended("h1", _TASK, result)
            hearing.append(time.perf_counter() - begun_at)
            time.sleep(0.001)
        over.set()
        thread.join()
        return statistics.mean(hearing) * 1000, sum(writing) * 1000 / number

    def _item(self) -> ItemEnded:
        self._number += 1
        return item(f"p/{self._number % 50}")

    def _accept(self) -> None:
        name = f"new{len(self._accepted)}"
        new = new_job(name, *[f"q/{name}-{n}" for n in range(4)], shared=["q/golden"])
        self.store.accept(new, accepted_at=100.0, accepted_s=100.0, most=10_000, most_of_client=5_000)
        self._accepted.append(name)


def compare(
    one: dict[str, Callable[[], object]], other: dict[str, Callable[[], object]], rounds: int
) -> list[tuple[str, float, float]]:
    """Return of each measure its name and the medians in ms, measured in turn."""
    found = []
    for name in one:
        took: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for place, measures in enumerate((one, other)):
                begun_at = time.perf_counter()
                measures[name]()
                took[place].append((time.perf_counter() - begun_at) * 1000)
        found.append((name, statistics.median(took[0]), statistics.median(took[1])))
    return found


def show(title: str, found: Sequence[tuple[str, float, float]]) -> None:
    print(f"\n{title:40} {'few, ms':>10} {'many, ms':>10} {'ratio':>7}")
    for name, one, other in found:
        print(f"{name:40} {one:>10.2f} {other:>10.2f} {other / one:>7.2f}")


def measure(title: str, where: Sequence[str], number: int, rounds: int) -> None:
    """Measure three stores of one kind: an empty one, one of a page, one of all the jobs."""
    stores = [Store(each) for each in where]
    empty, page, full = stores
    fill(page, _PAGE)
    fill(full, number)
    small, large = Subject(page), Subject(full)
    show(f"{title}: {number} jobs beside {_PAGE}", compare(small.lists(), large.lists(), rounds))
    show(f"{title}: {number} jobs beside none", compare(Subject(empty).life(), large.life(), rounds))
    hearing, writing = large.hear(2000)
    print(f"\nevents of an item: {hearing:.3f} ms for the job's own thread, {writing:.3f} ms for the one that writes")
    for store in stores:
        store.close()


def main() -> None:
    """Measure both kinds of stores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    names = ("empty", "page", "full")
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", [f"sqlite:///{folder}/{name}.db" for name in names], given.jobs, given.rounds)
    with running() as server:
        measure("PostgreSQL", [server.create_database(name) for name in names], given.jobs, given.rounds)


if __name__ == "__main__":
    main()
