"""Measure the service on simulated heads, and print it: `python -m tests.service_bench [POLL_S]`. Asserts nothing."""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.service_process import Service, World
from tests.service_support import clone, gone


def main(poll_s: float) -> None:
    """Measure how long jobs wait, what an idle service costs, and one job of a hundred."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.set_up(poll_s=poll_s)
        service = world.serve()
        try:
            lags = sorted(_lag(service, number) for number in range(30))
            print(
                f"poll_s {poll_s}: lag_time median {statistics.median(lags):.3f} s, 9 of 10 under {lags[26]:.3f} s, "
                f"longest {lags[-1]:.3f} s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            )
            time.sleep(3)  # the last job's quick looks are over
            before = _cpu_s(service.process.pid)
            time.sleep(10)
            print(f"idle: {(_cpu_s(service.process.pid) - before) / 10:.1%} of a core")
            names = [f"many{number}" for number in range(100)]
            print("100 clones:", service.wait(service.create(*[clone(name, createParent=True) for name in names])))
            print("and gone:", service.wait(service.delete(*[gone(name, deleteClones=True) for name in names])))
        finally:
            service.kill()


def _lag(service: Service, number: int) -> float:
    time.sleep(random.uniform(0.2, 0.4))  # so that it meets the polling anywhere
    return float(service.wait(service.create(clone(f"one{number}", createParent=True)))["lag_time"])


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.5)
