"""What a LUN costs on a real head that has few and many of them, and the service that makes it: `make bench`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import lab
from tests.acceptance.test_rest import batch, removal
from tests.lab.access import Access
from tests.support.cpu import cpu_s
from tests.support.service import Service

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]

_LUNS = 800
_AT_ONCE = 100
_GUARD_S = 600.0


def test_what_luns_cost_on_a_head_that_fills(tmp_path: Path, heads: dict[str, Access]) -> None:
    head = heads["jbod-01"]
    service = Service(tmp_path, lab("inventory")).start()
    assert service.process is not None
    pid = service.process.pid

    def do(method: str, items: list[dict[str, Any]]) -> str:
        before, begun = cpu_s(pid)[0], time.monotonic()
        job = service.call(method, "/clone", {"clones": items})["job_id"]
        while (status := service.call("GET", f"/clone_status/{job}"))["status"] not in ("complete", "failed"):
            assert time.monotonic() - begun < _GUARD_S, status
            time.sleep(0.5)
        assert status["status"] == "complete", status
        took_s, used_s = time.monotonic() - begun, cpu_s(pid)[0] - before
        each = len(items)
        return f"{took_s / each * 1000:.0f} ms, {used_s / each * 1000:.0f} ms of CPU in the service"

    print()
    try:
        print(f"the first LUN, alone: {do('POST', batch(head, 'first', 1))}")
        for number in range(_LUNS // _AT_ONCE):
            made = batch(head, f"b{number}", _AT_ONCE)
            print(f"with {number * _AT_ONCE} there, {_AT_ONCE} more in one job, each: {do('POST', made)}")
        print(f"one more, alone: {do('POST', batch(head, 'last', 1))}")
        print(f"{_AT_ONCE} removed in one job, each: {do('DELETE', removal(made))}")
    finally:
        assert service.stop() == 0, service.log()
