"""What a user installs: the wheel holds the program, its templates and playbooks, and its types."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as pip lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        timeout=120,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_templates_playbooks_and_types(unpacked: Path) -> None:
    playbooks = ("create-batch.yml", "tasks/refresh-rack.yml")
    for name in ("py.typed", "_data/templates/lun.json.j2", *(f"_data/playbooks/{each}" for each in playbooks)):
        assert (unpacked / "lunops" / name).is_file(), name


def test_the_installed_program_runs_a_playbook_of_the_wheel_on_a_simulated_head(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("[heads]\nh connection=sim pools=p1 state=h.sim\n")
    (tmp_path / "batch.yml").write_text(
        "clones:\n  - {src: p1/images/golden@1, dst: p1/n1, wwn: 'iqn.2024-01.org.example:n1',"
        " initiators: ['iqn.2024-01.org.example:i']}\n"
    )
    argv = ["-P", "-m", "lunops", "run", "create-batch.yml", "-i", "inventory", "-e", "@batch.yml"]

    done = subprocess.run(
        [sys.executable, *argv],
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=2" in done.stdout
