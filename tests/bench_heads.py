"""What many heads cost beside one: a play of ten tasks on simulated heads, 20 ms away. `make bench-heads`.

Prints, and asserts nothing. The heads are made beforehand, in a folder of its own that is removed at the end: a real
head is there as well. Each run is a process of its own; what is told of it is all of it, Python's start included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUNDS = 3
Args = Callable[[str, str], Mapping[str, Any]]  # of the head's name and its pool

TASKS: tuple[tuple[str, Args], ...] = (
    ("zfs_list", lambda _head, pool: {"dataset": pool, "properties": ["used", "avail"], "depth": 1}),
    ("zfs_clone", lambda head, pool: {"src": f"{pool}/images/golden@1", **_lun(head, pool), "create_parent": True}),
    ("wait_for_device", lambda _head, pool: {"dataset": f"{pool}/nodes/n1"}),
    ("lio_target", lambda head, pool: {**_target(head, pool), "initiators": ["iqn.2024-01.org.example:init"]}),
    ("zfs_set", lambda _head, pool: {"dataset": f"{pool}/nodes/n1", "properties": {"compression": "lz4"}}),
    ("zfs_snapshot", lambda _head, pool: {"datasets": [f"{pool}/nodes/n1"], "name": "before"}),
    ("zfs_hold", lambda _head, pool: {"snapshot": f"{pool}/nodes/n1@before", "tag": "bench"}),
    ("sessions", lambda _head, _pool: {}),
    ("zfs_release", lambda _head, pool: {"snapshot": f"{pool}/nodes/n1@before", "tag": "bench"}),
    ("zfs_list", lambda _head, pool: {"dataset": f"{pool}/nodes", "properties": ["used"], "depth": 1}),
)


def _wwn(head: str) -> str:
    return f"iqn.2024-01.org.example:{head}.n1"


def _lun(head: str, pool: str) -> dict[str, Any]:
    return {"dst": f"{pool}/nodes/n1", "wwn": _wwn(head)}


def _target(head: str, pool: str) -> dict[str, Any]:
    return {"dataset": f"{pool}/nodes/n1", "wwn": _wwn(head)}


def inventory(folder: Path, heads: int, delay_ms: int) -> Path:
    """Write an inventory of so many heads that are so far away, and make the heads."""
    from lunops.inventory import parse
    from lunops.sim.head import SimulatedSystem

    path = folder / "inventory"
    path.write_text("".join(f"h{n:03} connection=sim pools=p{n:03} delay_ms={delay_ms}\n" for n in range(1, heads + 1)))
    for host in parse(path.read_text("utf-8"), path).hosts.values():
        assert host.state is not None
        SimulatedSystem(host.state, pools=host.pools).close()
    return path


def drive(path: Path) -> int:
    """Do the play, every task on all heads side by side; return 0 if all of it was done."""
    from lunops.connections import connect
    from lunops.head_run import HeadRun, Silent
    from lunops.inventory import parse
    from lunops.model import Host, Task, TaskResult
    from lunops.modules import MODULES, Context
    from lunops.resources import load_templates

    hosts = parse(path.read_text("utf-8"), path).hosts
    templates = load_templates()
    runs = {name: HeadRun(host, connect=connect, observer=Silent()) for name, host in hosts.items()}
    found: Counter[str] = Counter()

    def do(host: Host, number: int) -> TaskResult:
        module, args = TASKS[number]
        context = Context(host=host, templates=templates, run="bench")
        item = MODULES[module].item(args(host.name, host.pools[0]), context, module)
        task = Task(id=f"{number + 1:02}:{module}", name=module, module=module, items=(item,), run="bench")
        return runs[host.name].task(task, without=frozenset())

    with ThreadPoolExecutor(len(hosts)) as pool:
        for number in range(len(TASKS)):
            for result in pool.map(lambda host: do(host, number), hosts.values()):  # noqa: B023 - called at once
                found[result.status.value] += 1
                if result.status.is_bad:
                    print(result, file=sys.stderr)
        list(pool.map(lambda run: run.close(), runs.values()))
    return 0 if set(found) <= {"ok", "changed"} else 2


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(heads: int, delay_ms: int) -> Cost:
    """Run the play in a process of its own, on heads of its own."""
    with tempfile.TemporaryDirectory(prefix="lunops-bench-") as folder:
        path = inventory(Path(folder), heads, delay_ms)
        begun = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "tests.bench_heads", "--drive", str(path)])
        _pid, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            print(f"the run on {heads} heads ended with {process.returncode}")
        return Cost(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_mib=usage.ru_maxrss / 1024)


def compare(heads: int, delay_ms: int) -> None:
    """Print what the play costs on one head and on many, the runs of both in turn."""
    costs: dict[int, list[Cost]] = {1: [], heads: []}
    for _round in range(ROUNDS):
        for many in costs:
            costs[many].append(measure(many, delay_ms))
    for many, found in costs.items():
        print(
            f"{many:4} heads: {_middle([one.wall_s for one in found]):6.2f} s"
            f" ({', '.join(f'{one.wall_s:.2f}' for one in found)}),"
            f" {_middle([one.cpu_s for one in found]):6.2f} s of CPU,"
            f" {max(one.peak_mib for one in found):4.0f} MiB at most"
        )
    ratio = _middle([one.wall_s for one in costs[heads]]) / _middle([one.wall_s for one in costs[1]])
    print(f"{heads} heads take {ratio:.1f} times as long as one; {len(TASKS)} tasks, {delay_ms} ms away")


def _middle(numbers: Sequence[float]) -> float:
    return statistics.median(numbers)


def main() -> int:
    """Measure, or do one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=500)
    parser.add_argument("--delay-ms", type=int, default=20)
    parser.add_argument("--drive", type=Path, help="do the play on the heads of this inventory, and nothing else")
    options = parser.parse_args()
    if options.drive:
        threading.stack_size(256 << 10)
        return drive(options.drive)
    compare(options.heads, options.delay_ms)
    return 0


if __name__ == "__main__":
    sys.exit(main())
