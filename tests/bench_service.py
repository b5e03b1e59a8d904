"""How much a service carries on simulated heads: `make bench-service`. Prints, and asserts nothing.

Whole processes with TLS, as an operator starts them, on SQLite and on PostgreSQL (both with fsync). CPU is read from
/proc for each process by itself, since it says what a core carries, also on a machine that others use as well; the
rates say what this machine did. The agents of the simulated heads are processes of their own, as on a real head, where
CPU is told (*alone*); where many heads are at work they are in the worker's process.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from lunops.sim.head import SimulatedSystem
from lunops.store import Store
from tests.service_process import Process, Service, World
from tests.service_support import clone
from tests.support.cpu import cpu_s
from tests.support.postgres import Postgres, running
from tests.support.sshd import descendants

_LIMIT_S = 600.0
_IDLE_S = 10.0
_POLLS = 300
_numbers = itertools.count()


@dataclass(frozen=True)
class Rig:
    """One service on one store: a front, its workers (none: the front does the work) and a database's server."""

    world: World
    front: Service
    workers: Sequence[Process]
    server: Postgres | None

    def used_s(self) -> dict[str, float]:
        """Return what each kind of process has used so far, in seconds of CPU; heads are the agents of `alone`."""
        doers = self.workers or [self.front]
        agents = [pid for each in doers for pid in descendants(each.process.pid)]
        used = {
            "workers": sum(cpu_s(each.process.pid)[0] for each in doers),
            "heads": sum(cpu_s(each.process.pid)[1] for each in doers) + sum(sum(cpu_s(pid)) for pid in agents),
        }
        if self.workers:
            used["front"] = cpu_s(self.front.process.pid)[0]
        if self.server is not None:
            used["database"] = sum(sum(cpu_s(pid)) for pid in [self.server.pid, *descendants(self.server.pid)])
        return used

    def rss_mib(self) -> float:
        """Return the memory of the first worker, in MiB."""
        pid = (self.workers or [self.front])[0].process.pid
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def rig(server: Postgres | None, *, workers: int, heads: int, alone: bool) -> Iterator[Rig]:
    """Start one, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="lunops-bench-") as folder, ExitStack() as stack:
        world = World(Path(folder))
        more = " sim_process=true" if alone else ""
        names = range(1, heads + 1)
        (world.folder / "inventory").write_text(
            "".join(f"jbod-{n:03} connection=sim pools=p{n} state=h{n}.db{more}\n" for n in names)
        )
        for number in names:  # a real head is there as well
            SimulatedSystem(world.folder / f"h{number}.db", pools=[f"p{number}"]).close()
        if server is not None:
            world.use(server.create_database("bench"))
        front = world.serve(*(["--no-worker"] if workers else []))
        stack.callback(front.stop)
        started = []
        for _ in range(workers):
            started.append(world.work())
            stack.callback(started[-1].stop)
        yield Rig(world, front, started, server)


def pace(at: Rig, *, jobs: int, luns: int, heads: int) -> None:
    """Send so many jobs of so many LUNs, by eight clients at once, and wait until all are over."""
    store = Store(at.world.store)
    former, before, size, start = _over(store), at.used_s(), store.size_bytes(), time.monotonic()

    def send(place: int) -> str:
        pool = f"p{place % heads + 1}"
        return at.front.create(*[clone(_name(), pool, createParent=True) for _ in range(luns)])

    with ThreadPoolExecutor(8) as clients:
        ids = set(clients.map(send, range(jobs)))
    accepted_s = time.monotonic() - start
    while (number := _over(store) - former) < len(ids):
        assert time.monotonic() - start < _LIMIT_S, f"{number} of {len(ids)} are over"
        time.sleep(0.1)
    took_s = time.monotonic() - start
    used = {kind: value - before[kind] for kind, value in at.used_s().items()}
    grown = store.size_bytes() - size
    store.close()
    per = jobs * luns if luns > 10 else jobs
    each = ", ".join(f"{kind} {value / per * 1000:.1f}" for kind, value in used.items())
    print(
        f"  {jobs} jobs of {luns} LUN on {heads} heads: accepted {jobs / accepted_s:.0f}/s, over {jobs / took_s:.1f}/s "
        f"({jobs * luns / took_s:.0f} LUN/s); CPU ms a {'LUN' if luns > 10 else 'job'}: {each}; "
        f"store {grown / per / 1024:.1f} KiB; worker {at.rss_mib():.0f} MiB"
    )


def wide(at: Rig, *, heads: int) -> None:
    """One job with a LUN on each head."""
    items = [clone(_name(), f"p{n}", createParent=True) for n in range(1, heads + 1)]
    before, start = at.used_s(), time.monotonic()
    job_id = at.front.create(*items)
    store = Store(at.world.store)
    while not _over(store):
        assert time.monotonic() - start < _LIMIT_S, "it is not over"
        time.sleep(0.1)
    took_s = time.monotonic() - start
    record = store.record(job_id)
    store.close()
    assert record is not None
    used = {kind: value - before[kind] for kind, value in at.used_s().items()}
    print(
        f"  one job on {heads} heads: {record.job.state}, {took_s:.1f} s, CPU of the worker "
        f"{used['workers'] / heads * 1000:.1f} ms a head (the simulated head's included), {at.rss_mib():.0f} MiB"
    )


def idle(at: Rig) -> None:
    """What it costs to have nothing to do."""
    time.sleep(3)  # the quick looks after the last job are over
    before, start = at.used_s(), time.monotonic()
    counts = _counts(at.server)
    time.sleep(_IDLE_S)
    took_s = time.monotonic() - start
    used = {kind: (value - before[kind]) / took_s for kind, value in at.used_s().items()}
    told = ", ".join(f"{kind} {value:.1%}" for kind, value in used.items() if kind != "heads")
    if at.server is not None:
        committed = (_counts(at.server)[0] - counts[0]) / took_s
        told += f"; {committed:.0f} transactions/s, {counts[1]} connections"
    print(f"  idle, of one core: {told}")


def polls(at: Rig) -> None:
    """What it costs to ask how far a job is: each time by a new connection, and all by one that is kept."""
    job_id = at.front.create(clone(_name(), createParent=True))
    at.front.wait(job_id)
    path = f"/lun/api/v1.0/clone_status/{job_id}"
    kept = http.client.HTTPSConnection("localhost", at.front.port, context=at.front.context, timeout=60)

    def ask() -> None:
        kept.request("GET", path)
        answer = kept.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()

    def new() -> None:
        at.front.status(job_id)

    told = []
    for how, do in (("by new connections", new), ("by one that is kept", ask)):
        before = cpu_s(at.front.process.pid)[0]
        for _ in range(_POLLS):
            do()
        told.append(f"{(cpu_s(at.front.process.pid)[0] - before) / _POLLS * 1000:.1f} ms {how}")
    kept.close()
    print(f"  a status, CPU of the front: {', '.join(told)}")


def lag(at: Rig) -> None:
    """How long jobs wait that come one at a time."""

    def one() -> float:
        time.sleep(random.uniform(0.2, 0.4))  # so that it meets the polling anywhere
        return float(at.front.wait(at.front.create(clone(_name(), createParent=True)))["lag_time"])

    lags = sorted(one() for _ in range(30))
    print(
        f"  lag_time: median {statistics.median(lags):.3f} s, 9 of 10 under {lags[26]:.3f} s, longest {lags[-1]:.3f} s"
    )


def main() -> None:
    """Measure, one service after the other."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--jobs", type=int, default=400)
    asked.add_argument("--wide", type=int, default=500, help="heads of the widest job")
    asked.add_argument("--store", choices=["sqlite", "postgres"], action="append")
    options = asked.parse_args()
    with ExitStack() as stack:
        for kind in options.store or ["sqlite", "postgres"]:
            server = stack.enter_context(running(fsync=True)) if kind == "postgres" else None
            for workers in (0,) if server is None else (0, 1, 2):
                _one(server, workers, options.jobs)
            with (
                _said(server, 0, "heads in the worker's process"),
                rig(server, workers=0, heads=options.wide, alone=False) as at,
            ):
                wide(at, heads=options.wide)


def _one(server: Postgres | None, workers: int, jobs: int) -> None:
    with _said(server, workers, "heads alone"), rig(server, workers=workers, heads=20, alone=True) as at:
        lag(at)
        idle(at)
        polls(at)
        pace(at, jobs=jobs // 4, luns=1, heads=20)
        pace(at, jobs=jobs // 20, luns=100, heads=20)
    with _said(server, workers, "heads in the workers' processes"):
        for luns, number in ((1, jobs), (100, jobs // 20)):
            with rig(server, workers=workers, heads=20, alone=False) as at:
                pace(at, jobs=number, luns=luns, heads=20)


@contextmanager
def _said(server: Postgres | None, workers: int, how: str) -> Iterator[None]:
    who = f"{workers} workers beside the front" if workers else "front and worker in one process"
    kind = "SQLite" if server is None else "PostgreSQL"
    print(f"{kind}, {who}, {how}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    yield


def _name() -> str:
    return f"n{next(_numbers)}"


def _over(store: Store) -> int:
    with store.database.read() as connection:
        return int(
            connection.exec_driver_sql("SELECT count(*) FROM jobs WHERE state IN ('complete', 'failed')").scalar_one()
        )


def _counts(server: Postgres | None) -> tuple[int, int]:
    if server is None:
        return 0, 0
    with psycopg.connect(server.url("bench"), autocommit=True) as connection:
        row = connection.execute(
            "SELECT sum(xact_commit + xact_rollback)::bigint, "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = 'bench' AND pid <> pg_backend_pid()) "
            "FROM pg_stat_database WHERE datname = 'bench'"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


if __name__ == "__main__":
    main()
