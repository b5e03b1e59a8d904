"""Several at once on the real head, and a person inside targetcli itself."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator

import pytest

from lunops.model import Status
from tests.acceptance.eyes import LabEyes
from tests.lab.access import ssh_command
from tests.operations.bench import Bench
from tests.operations.suite_doctor import ask, found
from tests.operations.suite_locks import LocksSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]


class TestOnARealHead(LocksSuite):
    def test_an_open_targetcli_shell_is_waited_for_and_then_named(self, bench: Bench) -> None:
        (lun,) = bench.luns(1)
        bench.session()

        with shell(bench):
            begun = time.monotonic()
            result = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn}, timeout_s=3.0)
            waited = time.monotonic() - begun
            seen = found(ask(bench))
        after = bench.do("lio_absent", {"dataset": lun.dst, "wwn": lun.wwn})

        assert result.status is Status.FAILED
        assert "targetcli" in result.items[0].error.split(" held ")[0]
        assert "pid " in result.items[0].error
        assert "/var/run/targetcli.lock" in result.items[0].error
        assert waited >= 3.0
        assert "targetcli" in seen["lock-held"]["what"]
        assert after.status is Status.OK


@contextlib.contextmanager
def shell(bench: Bench) -> Iterator[None]:
    """Be in targetcli's own shell, on a terminal, while the block runs."""
    assert isinstance(bench.eyes, LabEyes)
    command = ssh_command(bench.eyes.head, "targetcli")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([command[0], "-tt", *command[1:]], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        said = b""
        deadline = time.monotonic() + 60
        while b"/>" not in said:
            assert time.monotonic() < deadline, said
            if select.select([ours], [], [], 1)[0]:
                said += os.read(ours, 4096)
        yield
        os.write(ours, b"exit\n")
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()
        os.close(ours)
