"""Which run is at work on a head: known while its session lives, and no longer."""

from __future__ import annotations

from pathlib import Path

from lunops.agent import lio, run_files, runs
from lunops.names import Iqn
from lunops.sim.head import SimulatedSystem


def test_a_run_is_at_work_while_its_session_holds_the_lock(tmp_path: Path) -> None:
    mine, other = (SimulatedSystem(tmp_path / "h.sim", pools=["p"]) for _ in range(2))
    held = runs.Runs(mine)
    held.hold("run-1")
    held.hold("run-1")
    held.hold("")

    assert "pid" in runs.at_work(other, "run-1")
    assert runs.at_work(other, "run-10") == runs.at_work(other, "run") == runs.at_work(other, "") == ""
    held.release()
    assert runs.at_work(other, "run-1") == ""
    assert [name for name in other.listdir(run_files.FOLDER) if name.startswith("lunops-run")] == []


def test_a_lock_file_that_a_dead_session_left_does_not_count(tmp_path: Path) -> None:
    system = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    with system.lock(f"{run_files.FOLDER}/lunops-run-run-1.99.lock", 0.0):
        pass

    assert system.exists(f"{run_files.FOLDER}/lunops-run-run-1.99.lock")
    assert runs.at_work(system, "run-1") == ""
    held = runs.Runs(system)
    held.hold("run-2")
    runs.sweep(system)
    assert [name for name in system.listdir(run_files.FOLDER) if "run-1" in name] == []
    assert runs.at_work(SimulatedSystem(tmp_path / "h.sim", pools=["p"]), "run-2")
    held.release()


def test_whatever_a_run_is_called_its_lock_stays_in_the_folder(tmp_path: Path) -> None:
    system = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    held = runs.Runs(system)
    held.hold("../../etc/x\n" + "y" * 300)

    (name,) = [name for name in system.listdir(run_files.FOLDER) if name.startswith("lunops-run")]
    assert "/" not in name
    assert "\n" not in name
    assert len(name) < 128
    held.release()


def test_the_runs_of_a_request_are_its_own_and_those_of_what_is_undone() -> None:
    made = [["clone", "p/x", "run-2", ""], ["target", "iqn", "p/x", "lo"], ["parent", "p", "run-3"]]

    assert runs.named_in({"do": "task", "run": "run-1", "items": []}) == {"run-1"}
    assert runs.named_in({"do": "task", "items": []}) == set()
    assert runs.named_in({"do": "undo", "items": [{"made": made}]}) == {"run-2", "run-3"}


def test_the_agent_names_a_storage_object_as_the_controller_does() -> None:
    wwn = "iqn.2024-01.org.example:n1"

    assert lio.name_of(wwn) == Iqn.parse(wwn).storage_object()
    assert lio.is_ours(lio.name_of(wwn))
    assert not lio.is_ours("lo-by-hand")
