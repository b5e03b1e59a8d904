"""The whole path of `lunops run` on two simulated heads: create, the same again, check, delete."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lunops.cli import run
from lunops.resources import playbook_folder
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory"
    path.write_text((ROOT / "inventory.example").read_text("utf-8"))
    return path


def play(name: str, inventory: Path, *more: str) -> list[str]:
    batch = playbook_folder() / "batch.yml"
    return ["run", str(playbook_folder() / name), "-i", str(inventory), "-e", f"@{batch}", *more]


def result(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert run([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def item_statuses(value: Any) -> dict[str, list[str]]:
    """Return each task's items' statuses, over all heads."""
    found: dict[str, list[str]] = {}
    for task in value["tasks"]:
        found.setdefault(task["id"], []).extend(item["status"] for item in task["items"])
    return found


def test_a_batch_is_made_kept_when_made_again_and_taken_away(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = result(capsys, *play("create-batch.yml", inventory))
    assert first["heads"].keys() == {"jbod-01", "jbod-02"}
    assert item_statuses(first)["01:zfs_clone"] == ["changed"] * 3
    assert item_statuses(first)["03:lio_target"] == ["changed"] * 3

    again = result(capsys, *play("create-batch.yml", inventory))
    assert again["changed"] is False
    assert {status for each in item_statuses(again).values() for status in each} == {"ok"}

    gone = result(capsys, *play("delete-batch.yml", inventory, "-e", "deleteClones=true"))
    assert item_statuses(gone) == {"01:lio_absent": ["changed"] * 3, "02:zfs_destroy": ["changed"] * 3}

    nothing = result(capsys, *play("delete-batch.yml", inventory, "-e", "deleteClones=true"))
    assert nothing["changed"] is False


def test_a_delete_leaves_the_clones_unless_it_is_told_otherwise(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result(capsys, *play("create-batch.yml", inventory))
    gone = item_statuses(result(capsys, *play("delete-batch.yml", inventory)))
    assert gone == {"01:lio_absent": ["changed"] * 3, "02:zfs_destroy": []}

    back = item_statuses(result(capsys, *play("create-batch.yml", inventory)))
    assert back["01:zfs_clone"] == ["ok"] * 3
    assert back["03:lio_target"] == ["changed"] * 3


def test_check_mode_tells_what_a_run_then_does_and_changes_nothing(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = result(capsys, *play("create-batch.yml", inventory), "--check")
    once_more = result(capsys, *play("create-batch.yml", inventory), "--check")
    done = result(capsys, *play("create-batch.yml", inventory))

    assert before["check"] is True
    for checked in (before, once_more):
        for task_id in ("01:zfs_clone", "03:lio_target"):
            assert changes(checked, task_id) == changes(done, task_id)
    gone = play("delete-batch.yml", inventory, "-e", "deleteClones=true")
    would = result(capsys, *gone, "--check")
    assert changes(would, "02:zfs_destroy") == changes(result(capsys, *gone), "02:zfs_destroy")


def changes(value: Any, task_id: str) -> dict[str, list[str]]:
    """Return each item's changes; the number in iblock_N is left out, as it is taken when the folder is made."""
    return {
        item["key"]: [re.sub(r"iblock_\d+", "iblock_N", change) for change in item["changes"]]
        for task in value["tasks"]
        if task["id"] == task_id
        for item in task["items"]
    }


def test_diff_shows_every_change_as_a_line(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*play("create-batch.yml", inventory), "--check", "--diff"]) == 0

    out = capsys.readouterr().out
    assert "zfs clone jbod-01-p01/images/golden@1 jbod-01-p01/nodes/node-01" in out
    assert "check mode: nothing is changed" in out
    assert "3 items: 3 would change, 0 failed," in out


def test_the_limit_leaves_the_other_head_alone(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = result(capsys, *play("create-batch.yml", inventory), "--limit", "jbod-02")

    assert only["heads"].keys() == {"jbod-02"}
    assert not (inventory.parent / "jbod-01.sim").exists()


def test_one_impossible_item_fails_alone_and_leaves_nothing_behind(
    inventory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clones = [
        {
            "src": "jbod-01-p01/images/golden@1" if number != 1 else "jbod-01-p01/images/nosuch@1",
            "dst": f"jbod-01-p01/nodes/n{number}",
            "wwn": f"iqn.2024-01.org.example:n{number}",
            "initiators": ["iqn.2024-01.org.example:i"],
            "createParent": True,
        }
        for number in range(3)
    ]
    batch = tmp_path / "batch.json"
    batch.write_text(json.dumps({"clones": clones}))
    words = ["run", "create-batch", "-i", str(inventory), "-e", f"@{batch}"]
    value = result(capsys, *words, code=2)

    assert item_statuses(value) == {
        "01:zfs_clone": ["changed", "failed", "changed"],
        "02:wait_for_device": ["ok", "skipped", "ok"],
        "03:lio_target": ["changed", "skipped", "changed"],
    }
    bad = next(item for item in value["tasks"][0]["items"] if item["status"] == "failed")
    assert "jbod-01-p01/images/nosuch@1 does not exist" in bad["error"]
    assert bad["fix"]


def one_head(folder: Path, count: int) -> list[str]:
    """Return the words that make a batch on one head, `h`, whose state is in `h.sim`."""
    clones = [
        {
            "src": "tank/images/golden@1",
            "dst": f"tank/nodes/n{number}",
            "wwn": f"iqn.2024-01.org.example:n{number}",
            "initiators": ["iqn.2024-01.org.example:i"],
            "createParent": True,
        }
        for number in range(count)
    ]
    (folder / "heads").write_text("h connection=sim pools=tank\n")
    (folder / "batch.json").write_text(json.dumps({"clones": clones}))
    return ["run", "create-batch", "-i", str(folder / "heads"), "-e", f"@{folder / 'batch.json'}"]


def made(head: SimulatedSystem) -> tuple[set[str], set[str]]:
    """Return the clones and the targets that are on the head."""
    names = head.run(["zfs", "list", "-Hp", "-o", "name", "-t", "volume"]).out.split()
    targets = head.listdir("/sys/kernel/config/target/iscsi")
    return {name for name in names if "/nodes/" in name}, {name for name in targets if name.startswith("iqn.")}


def test_ctrl_c_ends_between_two_items_and_the_next_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = one_head(tmp_path, 12)
    head = SimulatedSystem(tmp_path / "h.sim", pools=["tank"])
    head.set_faults(Faults(delays_s={"zfs clone": 0.5}))
    process = subprocess.Popen(
        [sys.executable, "-m", "lunops", *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not made(head)[0] and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    head.set_faults(Faults())
    value = json.loads(out)
    first = item_statuses(value)["01:zfs_clone"]

    assert process.returncode == 99
    assert "interrupted" in err
    assert value["interrupted"] is True
    assert set(first) == {"changed", "skipped"}
    assert len(made(head)[0]) == first.count("changed")
    assert made(head)[1] == set()
    assert "03:lio_target" not in item_statuses(value)

    again = result(capsys, *words)
    assert item_statuses(again)["01:zfs_clone"].count("ok") == first.count("changed")
    assert [len(names) for names in made(head)] == [12, 12]
    head.close()


@pytest.mark.parametrize("kind", ["zfs clone", "mkdir", "symlink", "replace"])
def test_an_agent_that_dies_ends_its_head_with_an_error_and_the_next_run_mends_all(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = one_head(tmp_path, 4)
    head = SimulatedSystem(tmp_path / "h.sim", pools=["tank"])
    head.set_faults(Faults(faults=(Fault(on=kind, nth=1 if kind == "replace" else 3, effect="die_after"),)))
    broken = result(capsys, *words, code=2)
    dead = next(task for task in broken["tasks"] if task["status"] == "failed")

    assert "the agent ended in the middle, by signal 9" in dead["error"]
    head.set_faults(Faults())
    again = result(capsys, *words)
    assert again["failed"] is False
    assert [len(names) for names in made(head)] == [4, 4]
    head.close()


def test_an_item_whose_export_fails_leaves_no_clone_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = one_head(tmp_path, 4)
    head = SimulatedSystem(tmp_path / "h.sim", pools=["tank"])
    head.set_faults(Faults(faults=(Fault(on="symlink", nth=3, errno=5),)))
    value = result(capsys, *words, code=2)

    assert item_statuses(value)["03:lio_target"] == ["changed", "failed", "changed", "changed"]
    assert item_statuses(value)["04:undo"] == ["changed"]
    assert made(head) == (
        {f"tank/nodes/n{number}" for number in (0, 2, 3)},
        {f"iqn.2024-01.org.example:n{number}" for number in (0, 2, 3)},
    )
    head.close()


def test_a_play_that_is_all_or_nothing_leaves_all_heads_as_they_were(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    playbook = inventory.parent / "all-or-nothing.yml"
    text = (playbook_folder() / "create-batch.yml").read_text("utf-8")
    playbook.write_text(text.replace("  hosts: all\n", "  hosts: all\n  on_failure: undo\n"), "utf-8")
    heads = [SimulatedSystem(inventory.parent / f"jbod-{n}.sim", pools=[f"jbod-{n}-p01"]) for n in ("01", "02")]
    before = [sorted(head.run(["zfs", "list", "-H", "-o", "name"]).out.splitlines()) for head in heads]
    words = ["run", str(playbook), "-i", str(inventory), "-e", f"@{playbook_folder() / 'batch.yml'}"]

    heads[1].set_faults(Faults(faults=(Fault(on="symlink", errno=5),)))
    value = result(capsys, *words, "--forks", "1", code=2)  # the first head is done when the second fails
    heads[1].set_faults(Faults())
    after = [sorted(head.run(["zfs", "list", "-H", "-o", "name"]).out.splitlines()) for head in heads]

    assert value["heads"]["jbod-02"]["failed"] == 1
    assert after == before
    assert [made(head)[1] for head in heads] == [set(), set()]
    assert any(task["module"] == "undo" for task in value["tasks"] if task["head"] == "jbod-01")
    again = result(capsys, *words)
    assert again["failed"] is False
    for head in heads:
        assert made(head)[1]
        head.close()


def test_the_command_itself_works_as_a_process(inventory: Path) -> None:
    words = [sys.executable, "-m", "lunops", *play("create-batch.yml", inventory)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr
    assert "PLAY RECAP" in done.stdout
    assert done.stderr == ""
