"""What 100,000 jobs in the store cost beside none, and what an event costs its job: `make bench-store`.

Each figure is the median of many; the two stores of a pair are measured in turn, in one run. The goal is a ratio of
1.5 at most, and less than 1 ms for an item on SQLite.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from lunops.model import Task
from lunops.store import Filter, Store, Work
from lunops.store.accepting import TASKS
from lunops.store.keeping import ItemEnded
from lunops.store.rows import State
from lunops.store.tables import events, items, jobs, outcomes, parts, runs, tasks
from tests.store_support import accept, admit, begin, begun, end, item, new_job
from tests.support.postgres import Postgres

_AT_ONCE = 2000
_TASKS = TASKS.dump_json((Task(id="01:zfs_clone", name="Make", module="zfs_clone", items=()),)).decode()


def fill(store: Store, number: int) -> None:
    """Put so many jobs that are over into the store, each with four items, by 50 clients on 20 heads."""
    for start in range(0, number, _AT_ONCE):
        ids = [f"{place:08x}-0000-4000-8000-000000000000" for place in range(start, min(number, start + _AT_ONCE))]
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
                    "request": "{}",
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
        accept(store, new_job("working", "p/working"))
        admit(store)
        self._work: Work = begin(store, "working")
        store.keep(self._work, "w", [begun()])

    def measures(self) -> dict[str, Callable[[], object]]:
        store = self.store
        return {
            "list the latest 50": lambda: store.jobs(Filter()),
            "list those of a client": lambda: store.jobs(Filter(client="CN=client7")),
            "list those that failed": lambda: store.jobs(Filter(states=(State.FAILED,))),
            "list those of a head": lambda: store.jobs(Filter(head="h7")),
            "status of a job": lambda: store.record("working"),
            "accept a job": self._accept,
            "accept, admit, begin and end a job": self._whole,
            "keep one item": lambda: store.keep(self._work, "w", [self._item()]),
            "keep 50 items": lambda: store.keep(self._work, "w", [self._item() for _ in range(50)]),
        }

    def _item(self) -> ItemEnded:
        self._number += 1
        return item(f"p/{self._number % 50}")

    def _accept(self) -> str:
        self._number += 1
        name = f"new{self._number}"
        accept(self.store, new_job(name, *[f"q/{self._number}-{n}" for n in range(4)], shared=["q/golden"]))
        return name

    def _whole(self) -> None:
        name = self._accept()
        admit(self.store, limit=10_000)
        end(self.store, begin(self.store, name))


def compare(empty: Store, full: Store, rounds: int) -> list[tuple[str, float, float]]:
    """Return of each measure its name and the medians in ms, measured in turn."""
    one, other = Subject(empty).measures(), Subject(full).measures()
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
    print(f"\n{title:40} {'empty ms':>10} {'full ms':>10} {'ratio':>7}")
    for name, one, other in found:
        print(f"{name:40} {one:>10.2f} {other:>10.2f} {other / one:>7.2f}")


def main() -> None:
    """Measure both kinds of stores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Store(Path(folder) / "empty.db"), Store(Path(folder) / "full.db")
        fill(full, given.jobs)
        show(f"SQLite, {given.jobs} jobs", compare(empty, full, given.rounds))
        empty.close()
        full.close()
    server = Postgres()
    try:
        empty, full = Store(server.create_database("empty")), Store(server.create_database("full"))
        fill(full, given.jobs)
        show(f"PostgreSQL, {given.jobs} jobs", compare(empty, full, given.rounds))
        empty.close()
        full.close()
    finally:
        server.close()


if __name__ == "__main__":
    main()
