"""What many heads cost beside one: plays of ten tasks on simulated heads, 20 ms away. `make bench-heads`.

Prints, and asserts nothing. Each run is a `lunops run` of its own, from a new process to its recap; what is told is
all of it, Python's start and the reading of inventory and playbook included. The heads are made beforehand, in a
folder of its own that is removed at the end: a real head is there as well.

The first play makes a LUN on each head as an operator does. The second one looks, and changes nothing: it shows what
the toolkit costs by itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 3
_LOOK_S = 0.1

LUNS = """\
- name: Make a LUN on each head
  hosts: all
  gather_facts: true
  vars:
    pool: "{{ pools[0] }}"
    disk: "{{ pool }}/nodes/n1"
    wwn: "iqn.2024-01.org.example:{{ inventory_hostname }}.n1"
  tasks:
    - zfs_list: {dataset: "{{ pool }}", properties: [used, avail], depth: 1}
      register: before
    - zfs_clone: {src: "{{ pool }}/images/golden@1", dst: "{{ disk }}", wwn: "{{ wwn }}", create_parent: true}
    - wait_for_device: {dataset: "{{ disk }}"}
    - lio_target: {dataset: "{{ disk }}", wwn: "{{ wwn }}", initiators: ["iqn.2024-01.org.example:init"]}
      when: before.changed is false
    - zfs_set: {dataset: "{{ disk }}", properties: {compression: lz4}}
    - zfs_snapshot: {datasets: ["{{ disk }}"], name: before}
    - sessions:
      register: logins
    - stat: {path: /etc/rtslib-fb-target/saveconfig.json}
      register: saved
    - command: "true"
      when: saved.stat.exists
"""
LOOKS = """\
- name: Look at each head
  hosts: all
  gather_facts: true
  vars:
    pool: "{{ pools[0] }}"
  tasks:
    - zfs_list: {dataset: "{{ pool }}", properties: [used, avail], depth: 1}
    - stat: {path: /etc/rtslib-fb-target/saveconfig.json}
    - command: "true"
    - zfs_list: {dataset: "{{ pool }}/images", properties: [used], depth: 1}
    - sessions:
    - stat: {path: "/dev/zvol/{{ pool }}/images/golden"}
      register: device
    - assert: {that: device.stat.exists}
    - set_fact: {golden: "{{ pool }}/images/golden@1"}
    - command: "true"
      when: golden is defined
"""
PLAYS = {"luns": LUNS, "looks": LOOKS}


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


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run took."""

    wall_s: float
    cpu_s: float  # of all of its processes
    own_cpu_s: float  # of the first of them
    peak_mib: float


def measure(play: str, heads: int, delay_ms: int) -> Cost:
    """Run the play on heads of its own."""
    with tempfile.TemporaryDirectory(prefix="lunops-bench-") as place:
        folder = Path(place)
        plan = folder / "play.yml"
        plan.write_text(PLAYS[play])
        path = inventory(folder, heads, delay_ms)
        argv = [sys.executable, "-m", "lunops", "run", str(plan), "-i", str(path), "--forks", str(heads)]
        environment = {**os.environ, "XDG_STATE_HOME": place}
        with (folder / "out").open("wb") as out:
            begun = time.monotonic()
            process = subprocess.Popen(argv, env=environment, stdout=out, stderr=out, start_new_session=True)
            seen: dict[int, tuple[int, float]] = {}
            ended = 0
            while not ended:
                seen |= _tree(process.pid)
                time.sleep(min(_LOOK_S, 0.01 * heads))
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            wall_s = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            print(f"the run on {heads} heads ended with {process.returncode}")
            print((folder / "out").read_text("utf-8")[-2000:], file=sys.stderr)
        cpu_s = usage.ru_utime + usage.ru_stime
        others_s = sum(cpu for other, (_memory, cpu) in seen.items() if other != process.pid)
        return Cost(
            wall_s=wall_s,
            cpu_s=cpu_s,
            own_cpu_s=cpu_s - others_s,
            # Their peaks are added, though they need not have come together: the truth is no more than that.
            peak_mib=sum(memory for memory, _cpu in seen.values()) / 1024,
        )


def _tree(root: int) -> dict[int, tuple[int, float]]:
    """Return the most memory (KiB) that a process and those that it has started have had, and their CPU seconds."""
    parents, cpu = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            words = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)] = int(words[1])
            cpu[int(path.name)] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    found: dict[int, tuple[int, float]] = {}
    for process in parents:
        above = process
        while above not in (root, 0, 1):
            above = parents.get(above, 0)
        if above == root:
            with suppress(OSError, IndexError, ValueError):
                status = Path(f"/proc/{process}/status").read_text()
                found[process] = (int(status.partition("VmHWM:")[2].split()[0]), cpu[process])
    return found


def compare(play: str, heads: int, delay_ms: int) -> None:
    """Print what the play costs on one head and on many, the runs of both in turn."""
    costs: dict[int, list[Cost]] = {1: [], heads: []}
    for _round in range(ROUNDS):
        for many in costs:
            costs[many].append(measure(play, many, delay_ms))
    print(f"the play {play!r}:")
    for many, found in costs.items():
        print(
            f"{many:4} heads: {_middle([one.wall_s for one in found]):6.2f} s"
            f" ({', '.join(f'{one.wall_s:.2f}' for one in found)}),"
            f" {_middle([one.cpu_s for one in found]):6.2f} s of CPU"
            f" ({_middle([one.own_cpu_s for one in found]):.2f} s in the first process),"
            f" {max(one.peak_mib for one in found):4.0f} MiB at most"
        )
    ratio = _middle([one.wall_s for one in costs[heads]]) / _middle([one.wall_s for one in costs[1]])
    print(f"{heads} heads take {ratio:.1f} times as long as one; ten tasks, {delay_ms} ms away; load {os.getloadavg()}")


def _middle(numbers: Sequence[float]) -> float:
    return statistics.median(numbers)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=500)
    parser.add_argument("--delay-ms", type=int, default=20)
    parser.add_argument("--play", choices=PLAYS, action="append")
    options = parser.parse_args()
    for play in options.play or PLAYS:
        compare(play, options.heads, options.delay_ms)
    return 0


if __name__ == "__main__":
    sys.exit(main())
