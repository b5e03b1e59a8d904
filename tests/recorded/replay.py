"""Replay recorded calls on a head.

A recording is a file of JSON lines, `[METHOD, [ARGUMENT…], ANSWER]`: a call of `lunops.agent.system.System` and what
a real head answered (Debian 12, Linux 6.1, OpenZFS 2.1.11), which is `{"errno": N}`, `{"value": …}`, or
`{"code": N, "out": …, "err": …}` for a command. `wait` waits until a path leads to a block device.

To record anew, on a freshly booted head that may be thrown away, with the folder `lunops` (its `agent` suffices):
    python3 replay.py < configfs.jsonl > new.jsonl
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from lunops.agent.system import System

TOP = "/sys/kernel/config/target"
_SHORT = "~"  # stands for TOP in the files
_WAIT_S = 20.0
_VOLATILE = "Target Engine Core ConfigFS"  # names the kernel's release


def calls(lines: Iterable[str]) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Return the calls of a recording, each with the real head's answer."""
    for line in lines:
        method, arguments, answer = json.loads(line.replace(_SHORT, TOP))
        yield method, arguments, answer


def ask(system: System, method: str, arguments: list[Any]) -> dict[str, Any]:
    """Do one call, and return the head's answer."""
    if method == "wait":
        deadline = time.monotonic() + _WAIT_S
        while not system.is_block_device(arguments[0]) and time.monotonic() < deadline:
            time.sleep(0.05)
        return {"value": system.is_block_device(arguments[0])}
    try:
        value = getattr(system, method)(*arguments)
    except OSError as error:
        return {"errno": error.errno}
    if method == "run":
        return {"code": value.code, "out": value.out, "err": _in_order(value.err)}
    return {"value": "" if isinstance(value, str) and value.startswith(_VOLATILE) else value}


def _in_order(err: str) -> str:
    """Sort the datasets that zfs lists in its own, unstated order, and cut off its tables of properties."""
    head, listed, names = err.partition("use '-r' to destroy the following datasets:\n")
    if not listed:
        head, listed, names = err.partition("use '-R' to destroy the following datasets:\n")
    if listed:
        return head + listed + "".join(sorted(set(names.splitlines(keepends=True))))
    usage = err.find("usage:")
    return err[:usage] if usage >= 0 else err


def main() -> None:
    """Ask the head that this runs on all that stands in standard input; write a recording to standard output."""
    system = System()
    for method, arguments, _ in calls(sys.stdin):
        line = json.dumps([method, arguments, ask(system, method, arguments)])
        print(line.replace(TOP, _SHORT), flush=True)


if __name__ == "__main__":
    main()
