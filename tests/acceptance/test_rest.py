"""From a curl call to a logged-in initiator: the v1.0 interface on two real heads."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import lab
from tests.acceptance.eyes import LabEyes, discovered, disk_content, qemu_io
from tests.lab.access import Access
from tests.lab.image import build_image
from tests.operations.bench import CORE, ISCSI, SAVECONFIG
from tests.support.service import LUNOPS, Service

pytestmark = pytest.mark.lab

ALLOWED = "iqn.2024-01.org.example:allowed"
STRANGER = "iqn.2024-01.org.example:stranger"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, heads: dict[str, Access]) -> Iterator[Service]:
    """A service in front of both heads."""
    assert heads
    service = Service(tmp_path_factory.mktemp("service"), lab("inventory")).start()
    yield service
    assert service.stop() == 0, service.log()


def batch(head: Access, test: str, count: int, **more: Any) -> list[dict[str, Any]]:
    """Return the clones of one request on one head."""
    return [
        {
            "src": head.golden,
            "dst": f"{head.pool}/rest/{test}/n{index:03d}",
            "wwn": f"iqn.2024-01.org.example:{head.name}.{test}.n{index:03d}",
            "initiators": [ALLOWED],
            "createParent": 1,
            **more,
        }
        for index in range(count)
    ]


def removal(clones: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the DELETE request for what a create request made."""
    return [{"dst": one["dst"], "wwn": one["wwn"], "deleteClone": 1} for one in clones]


def traces(eyes: LabEyes, clones: list[dict[str, Any]]) -> list[str]:
    """Return every line of the head's state that still names one of the clones."""
    state = eyes.shell(
        "zfs list -H -o name -t all; "
        f"find /dev/zvol {CORE} {ISCSI} -maxdepth 3; find {CORE} -name udev_path -exec cat {{}} +; cat {SAVECONFIG}"
    )
    names = [str(one[key]) for one in clones for key in ("dst", "wwn")]
    return [line for line in state.splitlines() if any(name in line for name in names)]


def test_three_calls_make_show_and_remove_disks_on_two_heads(
    service: Service, heads: dict[str, Access], eyes: dict[str, LabEyes], tmp_path: Path
) -> None:
    per_head = {name: batch(head, "three", 2) for name, head in heads.items()}
    clones = [one for some in per_head.values() for one in some]

    status = service.finished(service.submit("POST", clones))

    assert status["status"] == "complete", status
    assert (status["num_requested"], status["num_clones"], status["num_targets"], status["num_completed"]) == (
        4,
        4,
        4,
        4,
    )
    assert status["percent_completed"] == 1.0
    parts = [status[key] for key in ("clone_time", "udevd_time", "target_time", "other_time")]
    assert abs(sum(parts) - status["job_time"]) < 0.01
    for name, head in heads.items():
        first, second = per_head[name]
        golden = build_image().golden_sha256
        seen = {wwn for wwn in discovered(head.portal, ALLOWED) if ".three." in wwn}
        assert seen == {first["wwn"], second["wwn"]}
        disk_content(head.portal, first["wwn"], ALLOWED, tmp_path / "clone")
        assert hashlib.sha256((tmp_path / "clone").read_bytes()).hexdigest() == golden
        assert "wrote 4096/4096" in qemu_io(head.portal, first["wwn"], ALLOWED, "write -P 0x5a 1M 4096", "flush")
        assert "verification failed" not in qemu_io(head.portal, first["wwn"], ALLOWED, "read -P 0x5a 1M 4096")
        assert "verification failed" in qemu_io(head.portal, second["wwn"], ALLOWED, "read -P 0x5a 1M 4096")
        assert golden_sum(head, eyes[name]) == golden
        assert "read 512/512" not in qemu_io(head.portal, first["wwn"], STRANGER, "read 0 512")

    removed = service.finished(service.submit("DELETE", removal(clones)))

    assert removed["status"] == "complete", removed
    for name, head in heads.items():
        assert traces(eyes[name], per_head[name]) == []
        assert {wwn for wwn in discovered(head.portal, ALLOWED) if ".three." in wwn} == set()


def golden_sum(head: Access, eyes: LabEyes) -> str:
    """Return the SHA-256 of the golden image's volume, read on the head itself."""
    return eyes.shell(f"sha256sum /dev/zvol/{head.golden.split('@')[0]}").split()[0]


def test_the_same_request_twice_changes_nothing_the_second_time(
    service: Service, heads: dict[str, Access], eyes: dict[str, LabEyes], tmp_path: Path
) -> None:
    head, seen = heads["jbod-01"], eyes["jbod-01"]
    clones = batch(head, "twice", 3)
    service.finished(service.submit("POST", clones))
    # Written by a node, and still there afterwards: a clone that is there is never made anew.
    qemu_io(head.portal, clones[0]["wwn"], ALLOWED, "write -P 0x77 2M 4096", "flush")
    before = seen.shell(f"zfs list -Hp -r -o name,guid,createtxg {head.pool}/rest/twice; stat -c %Y.%i {SAVECONFIG}")

    again = service.finished(service.submit("POST", clones))
    (tmp_path / "batch.yml").write_text(json.dumps({"clones": [{**one, "createParent": True} for one in clones]}))
    recap = run_playbook(service, "create-batch.yml", tmp_path / "batch.yml")

    assert again["status"] == "complete"
    assert again["num_completed"] == 3
    assert {task["status"] for task in recap["tasks"]} == {"ok"}
    after = seen.shell(f"zfs list -Hp -r -o name,guid,createtxg {head.pool}/rest/twice; stat -c %Y.%i {SAVECONFIG}")
    assert after == before
    assert "read 4096/4096" in qemu_io(head.portal, clones[0]["wwn"], ALLOWED, "read -P 0x77 2M 4096")
    service.finished(service.submit("DELETE", removal(clones)))


def run_playbook(service: Service, playbook: str, variables: Path) -> dict[str, Any]:
    """Run a playbook of ours against the service's inventory on jbod-01; return its --json."""
    argv = [*LUNOPS, "run", playbook, "-i", str(service.folder / "inventory"), "-e", f"@{variables}", "--json"]
    done = subprocess.run([*argv, "--limit", "jbod-01"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_a_hundred_clones_in_one_request_are_all_usable(
    service: Service, heads: dict[str, Access], eyes: dict[str, LabEyes]
) -> None:
    head, seen = heads["jbod-02"], eyes["jbod-02"]
    clones = batch(head, "hundred", 100)

    status = service.finished(service.submit("POST", clones), timeout_s=1000)

    assert status["status"] == "complete", status
    missing = seen.shell("".join(f"[ -b /dev/zvol/{one['dst']} ] || echo {one['dst']}; " for one in clones))
    assert missing == ""
    assert {one["wwn"] for one in clones} <= discovered(head.portal, ALLOWED)
    for one in clones:
        assert "read 512/512" in qemu_io(head.portal, one["wwn"], ALLOWED, "read 0 512"), one["wwn"]
    assert len({serial(head, one["wwn"]) for one in clones}) == 100

    removed = service.finished(service.submit("DELETE", removal(clones)), timeout_s=1000)

    assert removed["status"] == "complete", removed
    assert traces(seen, clones) == []


def serial(head: Access, wwn: str) -> tuple[bytes, ...]:
    """Return the unit serial and the identifiers that an initiator sees, as libiscsi prints pages 0x80 and 0x83."""
    url = f"iscsi://{head.portal}/{wwn}/0"
    return tuple(
        subprocess.run(
            ["iscsi-inq", "-i", ALLOWED, "-e", "1", "-c", page, url], capture_output=True, timeout=60, check=True
        ).stdout
        for page in ("128", "131")
    )


def test_after_a_power_cut_of_the_head_all_disks_are_served_again_with_the_same_serials(
    service: Service, heads: dict[str, Access], eyes: dict[str, LabEyes]
) -> None:
    head = heads["jbod-01"]
    clones = batch(head, "reboot", 4)
    service.finished(service.submit("POST", clones))
    qemu_io(head.portal, clones[0]["wwn"], ALLOWED, "write -P 0x31 3M 4096", "flush")
    before = {one["wwn"]: serial(head, one["wwn"]) for one in clones}

    lab("poweroff", head.name)
    lab("start", head.name)
    served = discovered(head.portal, ALLOWED)
    after = {one["wwn"]: serial(head, one["wwn"]) for one in clones}

    assert {one["wwn"] for one in clones} <= served
    assert after == before
    assert "read 4096/4096" in qemu_io(head.portal, clones[0]["wwn"], ALLOWED, "read -P 0x31 3M 4096")
    removed = service.finished(service.submit("DELETE", removal(clones)))
    assert removed["status"] == "complete", removed
    assert traces(eyes[head.name], clones) == []


def test_one_impossible_clone_fails_alone_and_leaves_nothing_behind(
    service: Service, heads: dict[str, Access], eyes: dict[str, LabEyes]
) -> None:
    head, seen = heads["jbod-01"], eyes["jbod-01"]
    clones = batch(head, "bad", 3)
    clones[1]["src"] = f"{head.pool}/images/golden@never"
    clones[1]["dst"] = f"{head.pool}/rest/bad/deeper/n001"

    status = service.finished(service.submit("POST", clones))

    assert status["status"] == "failed"
    assert (status["num_clones"], status["num_targets"], status["num_completed"]) == (2, 2, 2)
    (error,) = status["errors"]
    assert error["dst"] == clones[1]["dst"]
    assert "golden@never does not exist" in error["error"]
    assert traces(seen, [clones[1]]) == []
    assert "deeper" not in seen.shell(f"zfs list -H -o name -r {head.pool}/rest")
    for one in (clones[0], clones[2]):
        assert "read 512/512" in qemu_io(head.portal, one["wwn"], ALLOWED, "read 0 512")
    service.finished(service.submit("DELETE", removal([clones[0], clones[2]])))


def test_targetcli_and_targetctl_work_after_us_and_see_the_same(
    service: Service, heads: dict[str, Access], eyes: dict[str, LabEyes]
) -> None:
    head, seen = heads["jbod-01"], eyes["jbod-01"]
    clones = batch(head, "tools", 2)
    service.finished(service.submit("POST", clones))
    live = f"find {CORE} {ISCSI} -mindepth 2 -maxdepth 2 -name 'lo-*' -o -maxdepth 1 -name 'iqn.*' | sort"

    before = seen.shell(live)
    listed = seen.shell("targetcli ls")
    seen.shell("targetctl save")
    saved = json.loads(seen.read(SAVECONFIG))
    seen.shell("targetctl restore")
    after = seen.shell(live)
    again = service.finished(service.submit("POST", clones))

    for one in clones:
        assert one["wwn"] in listed
        assert one["wwn"] in {target["wwn"] for target in saved["targets"]}
        assert f"/dev/zvol/{one['dst']}" in {storage["dev"] for storage in saved["storage_objects"]}
        assert "read 512/512" in qemu_io(head.portal, one["wwn"], ALLOWED, "read 0 512")
    assert sorted(line.rsplit("/", 1)[-1] for line in after.split()) == sorted(
        line.rsplit("/", 1)[-1] for line in before.split()
    )
    assert again["status"] == "complete"
    service.finished(service.submit("DELETE", removal(clones)))
    assert traces(seen, clones) == []


@pytest.mark.parametrize("client", ["none", "other-ca", "expired"])
def test_a_client_without_a_good_certificate_is_refused_in_the_handshake(service: Service, client: str) -> None:
    certificate = "" if client == "none" else client
    if certificate and not (service.folder / "pki" / f"{client}.crt").exists():
        issue_bad(service.folder / "pki", client)

    code, said = service.curl("GET", "/clone_test", client=certificate)

    assert code in (35, 55, 56), said  # the handshake, or the first read or write after it under TLS 1.3
    alert = {"none": "certificate required", "other-ca": "unknown ca", "expired": "expired"}[client]
    assert alert in said, said
    assert service.call("GET", "/clone_test") == {"status": "ok", "message": "test"}


def issue_bad(folder: Path, kind: str) -> None:
    """Make a client certificate that must not be taken: of another CA, or expired."""
    from datetime import UTC, datetime, timedelta

    from lunops import pki

    if kind == "expired":
        pki.issue(folder, "expired", now=datetime.now(UTC) - timedelta(days=60), leaf_days=30)
        return
    other = folder / "other"
    now = datetime.now(UTC)
    pki.init(other, name="localhost", now=now)
    pki.issue(other, "other-ca", now=now)
    for ending in ("crt", "key"):
        (other / f"other-ca.{ending}").rename(folder / f"other-ca.{ending}")
