"""A job of the service for a head whose kernel hangs: its part is refused at once, the other head's goes through."""

from __future__ import annotations

import time
from pathlib import Path

from lunops import inventory, v1_status
from lunops.connections import connect
from lunops.jobs import Outside, SteadyClock
from lunops.resources import load_templates
from lunops.web.v1_input import create_requests
from tests.operations.bench import Bench
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_wedged import put_mark, start_of_pid_1
from tests.service_support import bench, clone


def test_a_part_on_a_wedged_head_fails_with_the_reason_and_makes_nothing(tmp_path: Path) -> None:
    lines = [f"h{n} connection=sim pools=p{n} state={tmp_path}/h{n}.sim\n" for n in (1, 2)]
    heads = inventory.parse("".join(lines), tmp_path / "inventory")
    one, two = (Bench(host=host, eyes=SimEyes(host), inventory=heads, test="nodes") for host in heads.hosts.values())
    put_mark(one, pid=1, start=start_of_pid_1(one))
    outside = Outside(inventory=lambda: heads, templates=load_templates(), connect=connect, clock=SteadyClock())
    made = bench(tmp_path, world=outside)
    jobs = made.jobs
    body = {"clones": [clone("a", "p1", createParent=True), clone("b", "p2", createParent=True)]}

    begun = time.monotonic()
    job = jobs.create(create_requests(body, heads, 100), request=body, client="CN=alice")
    made.run_all()
    took_s = time.monotonic() - begun

    found = jobs.record(job)
    assert found is not None
    answer = v1_status.reply(*found)
    assert answer["status"] == "failed"
    (error,) = [each for each in answer["errors"] if each.get("dst")]
    assert error["dst"] == "p1/nodes/a"
    assert "wedged since" in error["error"]
    assert "reboot the head" in error["fix"]
    assert one.eyes.run(["zfs", "list", "p1/nodes"])[0] == 1
    assert two.eyes.exists("/dev/zvol/p2/nodes/b")
    assert answer["num_targets"] == 1
    assert made.store.heads()["h1"].wedged_at is not None
    assert took_s < 60  # LOCK_S: no lock was waited for
