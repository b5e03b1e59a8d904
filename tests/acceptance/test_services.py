"""Two services on one PostgreSQL and two real heads: a service is killed, and a head switched off, in the middle."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import lab
from tests.acceptance.eyes import LabEyes, discovered
from tests.acceptance.test_rest import ALLOWED, batch, removal, traces
from tests.lab.access import Access
from tests.support.postgres import Postgres
from tests.support.service import Service

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]

LUNS = 30
_GUARD_S = 900.0


@pytest.fixture
def services(tmp_path: Path, heads: dict[str, Access], postgres: Postgres) -> Iterator[list[Service]]:
    """Two services with the same store, each with a worker."""
    assert heads
    store = postgres.create_database("services")
    made = []
    for name in ("one", "two"):
        service = Service(tmp_path / name, lab("inventory"))
        settings = tmp_path / name / "lunops.toml"
        text = settings.read_text().replace("sqlite:///lunops.db", store)
        settings.write_text(text + "deadline_s = 900\n")
        made.append(service.start())
    yield made
    for service in made:
        if service.process is not None:
            assert service.stop() == 0, service.log()


def made(service: Service, job: str, count: int) -> None:
    """Wait until so many clones of a job are made, and the job still goes on."""
    until = time.monotonic() + _GUARD_S
    while True:
        status = service.call("GET", f"/clone_status/{job}")
        assert status["status"] not in ("complete", "failed"), f"over before it could be disturbed: {status}"
        if status["num_clones"] >= count:
            return
        assert time.monotonic() < until, status
        time.sleep(0.1)


def whole(head: Access, eyes: LabEyes, clones: list[dict[str, Any]]) -> None:
    """See that each LUN is there once: its volume, its target, and a disk of its own."""
    assert {one["wwn"] for one in clones} <= discovered(head.portal, ALLOWED)
    mine = {one["dst"] for one in clones}
    found = eyes.shell(f"zfs list -H -o name -t volume -r {head.pool}").split()
    assert mine <= set(found)
    devices = eyes.shell("cat /sys/kernel/config/target/core/iblock_*/*/udev_path").split()
    exported = [device.removeprefix("/dev/zvol/") for device in devices if device.removeprefix("/dev/zvol/") in mine]
    assert sorted(exported) == sorted(mine)  # none twice, none missing
    serials = eyes.shell("cat /sys/kernel/config/target/core/iblock_*/*/wwn/vpd_unit_serial").splitlines()
    assert len(set(serials)) == len(serials)


def test_a_killed_service_and_a_head_without_power_end_both_jobs_right(
    services: list[Service],
    heads: dict[str, Access],
    eyes: dict[str, LabEyes],
    request: pytest.FixtureRequest,
) -> None:
    one, two = services
    stays, goes = heads["jbod-01"], heads["jbod-02"]
    eyes[goes.name].forget()
    here, there = batch(stays, "killed", LUNS), batch(goes, "dark", LUNS)

    # Whichever worker has it: the other service is asked, and one that is killed takes its worker along.
    job = one.submit("POST", here)
    made(two, job, LUNS // 4)
    killed = time.monotonic()
    for service in services:
        service.kill()
    for service in services:
        service.start()
    status = two.finished(job, timeout_s=_GUARD_S)
    say(f"both services killed in the middle of {LUNS}: complete {time.monotonic() - killed:.0f} s later")
    assert (status["status"], status["num_completed"]) == ("complete", LUNS), status
    whole(stays, eyes[stays.name], here)

    job = two.submit("POST", there)
    made(one, job, LUNS // 4)
    two.kill()
    lab("poweroff", goes.name)
    dark = time.monotonic()
    other = one.submit("POST", batch(stays, "beside", 2))  # the other head goes on meanwhile
    assert one.finished(other, timeout_s=_GUARD_S)["status"] == "complete"
    lab("start", goes.name)
    status = one.finished(job, timeout_s=_GUARD_S)
    say(f"one service killed and a head switched off: complete {time.monotonic() - dark:.0f} s later")
    assert (status["status"], status["num_completed"]) == ("complete", LUNS), status
    whole(goes, eyes[goes.name], there)

    gone = one.submit("DELETE", removal(here + there))
    status = one.finished(gone, timeout_s=_GUARD_S)
    assert status["status"] == "complete", status.get("errors")
    for head, clones in ((stays, here), (goes, there)):
        assert traces(eyes[head.name], clones) == []
    request.node.user_properties.append(("count:power cuts survived by a real head", 1))


def say(line: str) -> None:
    """Say it past pytest, which would keep it for itself."""
    print(line, file=sys.__stderr__, flush=True)
