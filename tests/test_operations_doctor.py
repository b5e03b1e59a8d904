"""doctor on the simulated head, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lunops.cli import run
from tests.operations.suite_doctor import DoctorSuite


class TestOnASimulatedHead(DoctorSuite):
    pass


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Two heads that answer, and one that does not."""
    path = tmp_path / "inventory"
    sims = "".join(f"h{n} connection=sim pools=p{n} state={tmp_path}/h{n}.sim\n" for n in (1, 2))
    path.write_text(f"[good]\n{sims}[bad]\nh3 host=127.0.0.1 port=1 pools=q\n")
    return path


def test_the_command_tells_every_head_and_its_exit_code_is_of_the_worst(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "-i", str(inventory)]) == 4
    text = capsys.readouterr().out

    assert [line.split()[1] for line in text.splitlines() if line.startswith("HEAD")] == ["[h1]", "[h2]", "[h3]"]
    assert "error: unreachable: " in text
    assert "warning: boot-order: " in text
    assert "to mend it: lunops run prepare-heads.yml" in text
    assert run(["doctor", "-i", str(inventory), "-l", "good"]) == 1
    assert run(["run", "prepare-heads.yml", "-i", str(inventory), "-l", "good"]) == 0
    assert run(["doctor", "-i", str(inventory), "-l", "good"]) == 0


def test_the_command_gives_findings_and_facts_as_json(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "-i", str(inventory), "--json"]) == 4
    value = json.loads(capsys.readouterr().out)

    assert value["exit_code"] == 4
    assert value["heads"]["h1"]["worst"] == "warning"
    assert value["heads"]["h1"]["facts"]["zfs"]["userland"] == "2.1.11-simulated"
    (one,) = value["heads"]["h3"]["findings"]
    assert set(one) == {"id", "severity", "what", "where", "fix"}
    assert one["id"] == "unreachable"


@pytest.mark.parametrize("name", ["prepare-heads.yml", "doctor-heads.yml"])
def test_the_playbooks_for_heads_ship_with_lunops(inventory: Path, name: str) -> None:
    assert run(["run", name, "-C", "-i", str(inventory), "-l", "good"]) == 0
