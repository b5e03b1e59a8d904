"""saveconfig.json is never written with fewer objects than this very operation took out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lunops.agent.outcome import ItemError
from lunops.agent.saveconfig import SaveConfig
from lunops.sim.head import SAVECONFIG, SimulatedSystem

BACKUP = SAVECONFIG.replace("saveconfig.json", "backup/lunops-saveconfig.json")


def target(name: str) -> dict[str, Any]:
    return {"fabric": "iscsi", "wwn": f"iqn.2024-01.org.example:{name}", "tpgs": []}


@pytest.fixture
def system(tmp_path: Path) -> SimulatedSystem:
    """A head that has two targets saved."""
    system = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    saved = {"fabric_modules": [], "storage_objects": [], "targets": [target("a"), target("b")]}
    system.replace(SAVECONFIG, json.dumps(saved))
    return system


def wwns(system: SimulatedSystem, path: str = SAVECONFIG) -> list[str]:
    return [one["wwn"].rsplit(":", 1)[-1] for one in json.loads(system.read(path))["targets"]]


def test_what_this_operation_took_out_goes_and_the_version_before_is_kept(system: SimulatedSystem) -> None:
    saved = SaveConfig(system)
    saved.drop("targets", "iscsi", target("a")["wwn"])
    saved.put({"targets": [target("c")]})
    saved.write()

    assert wwns(system) == ["b", "c"]
    assert wwns(system, BACKUP) == ["a", "b"]


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(system: SimulatedSystem) -> None:
    saved = SaveConfig(system)
    saved.put({"targets": [target("c")]})
    system.replace(SAVECONFIG, json.dumps({"targets": [target("a"), target("b"), target("d")]}))

    with pytest.raises(ItemError, match="was changed by another program"):
        saved.write()

    assert wwns(system) == ["a", "b", "d"]
    assert not system.exists(BACKUP)


def test_an_object_that_nobody_took_out_is_never_lost(system: SimulatedSystem) -> None:
    saved = SaveConfig(system)
    saved._value["targets"] = [target("c")]  # as a bug of ours, or a state that was only half read, would have it

    with pytest.raises(ItemError, match=r"would have erased iscsi iqn.2024-01.org.example:a, iscsi .*:b"):
        saved.write()

    assert wwns(system) == ["a", "b"]


def test_no_file_before_means_no_backup(tmp_path: Path) -> None:
    system = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    saved = SaveConfig(system)
    saved.put({"targets": [target("c")]})
    saved.write()

    assert wwns(system) == ["c"]
    assert not system.exists(BACKUP)
