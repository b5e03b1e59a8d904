"""`lunops run replicate-image.yml` on simulated heads: from one head to all others, again, and what is new alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lunops.cli import run
from lunops.sim.faults import Faults
from lunops.sim.head import SimulatedSystem

HEADS = ("a", "b", "c")
IMAGE = "a-p/images/base"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory"
    path.write_text("".join(f"{name} connection=sim pools={name}-p,{name}-q\n" for name in HEADS))
    first = head(tmp_path, "a")
    first.run(["zfs", "create", "-s", "-V", "64M", IMAGE])
    first.write_data(IMAGE, 3 << 20)
    first.run(["zfs", "snapshot", f"{IMAGE}@1"])
    return path


def head(folder: Path, name: str) -> SimulatedSystem:
    return SimulatedSystem(folder / f"{name}.sim", pools=[f"{name}-p", f"{name}-q"])


def replicate(inventory: Path, capsys: pytest.CaptureFixture[str], image: str, *more: str, code: int = 0) -> Any:
    words = ["run", "replicate-image.yml", "-i", str(inventory), "-e", f"image={image}", "--json", *more]
    assert run(words) == code, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def told(value: Any) -> dict[str, tuple[str, str]]:
    return {
        item["key"]: (item["status"], item.get("data", {}).get("how", ""))
        for task in value["tasks"]
        if task["module"] == "zfs_send"
        for item in task["items"]
    }


def test_an_image_is_on_all_heads_after_one_run_and_clones_are_made_of_it(
    inventory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = replicate(inventory, capsys, f"{IMAGE}@1", "--check")
    first = replicate(inventory, capsys, f"{IMAGE}@1")
    again = replicate(inventory, capsys, f"{IMAGE}@1")
    source = head(tmp_path, "a")
    source.write_data(IMAGE, 1 << 20)
    source.run(["zfs", "snapshot", f"{IMAGE}@2"])
    newer = replicate(inventory, capsys, f"{IMAGE}@2", "-e", '{"to": ["c"]}')
    clones = [{"src": "c-p/images/base@2", "dst": "c-p/n1", "wwn": "iqn.2024-01.org.example:n1"}]
    batch = json.dumps({"clones": [{**clones[0], "initiators": ["iqn.2024-01.org.example:i1"]}]})
    made = run(["run", "create-batch.yml", "-i", str(inventory), "-e", batch])

    keys = ["b-p/images/base", "c-p/images/base"]
    assert told(checked) == told(first) == dict.fromkeys(keys, ("changed", "full"))
    assert told(again) == dict.fromkeys(keys, ("ok", "none"))
    assert told(newer) == {"c-p/images/base": ("changed", "incremental")}
    assert ({task["head"] for task in first["tasks"] if task["items"]}, made) == ({"a"}, 0)
    guids = {
        head(tmp_path, name).run(["zfs", "get", "-Hp", "-o", "value", "guid", f"{name}-p/images/base@1"]).out
        for name in HEADS
    }
    assert len(guids) == 1


def test_one_head_that_cannot_be_reached_does_not_stop_the_others(
    inventory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.sim").mkdir()

    value = replicate(inventory, capsys, f"{IMAGE}@1", code=2)

    assert told(value) == {"b-p/images/base": ("failed", ""), "c-p/images/base": ("changed", "full")}
    (failed,) = [item for task in value["tasks"] for item in task["items"] if item["status"] == "failed"]
    assert "(b)" in failed["error"]


def test_what_a_killed_lunops_had_sent_is_gone_on_with(
    inventory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = head(tmp_path, "b")
    there.set_faults(Faults(delays_s={"zfs receive stream": 0.3}))
    words = ["run", "replicate-image.yml", "-i", str(inventory), "-e", f"image={IMAGE}@1", "-e", '{"to": ["b"]}']
    process = subprocess.Popen([sys.executable, "-m", "lunops", *words], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while "1-" not in there.run(["zfs", "get", "-Hp", "receive_resume_token", "b-p/images/base"]).out:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait(30)
    there.set_faults(Faults())

    value: Any = {}
    while told(value or {"tasks": []}) != {"b-p/images/base": ("changed", "resume")}:
        assert time.monotonic() < deadline, value
        time.sleep(0.5)  # the agents notice that it is gone, and the simulated receive is at its present MiB
        run([*words, "--json"])
        value = json.loads(capsys.readouterr().out)
