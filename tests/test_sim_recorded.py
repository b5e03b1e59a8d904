"""The simulated head answers what a real head was recorded to answer, call by call."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.sim.head import SimulatedSystem
from tests.recorded import replay

RECORDED = Path(replay.__file__).parent


@pytest.mark.parametrize("name", ["configfs", "lio", "zfs"])
def test_every_recorded_call_is_answered_as_by_the_real_head(name: str, tmp_path: Path) -> None:
    head = SimulatedSystem(tmp_path / "head", pools=["jbod-01-p01"])
    with (RECORDED / f"{name}.jsonl").open(encoding="utf-8") as lines:
        calls = list(replay.calls(lines))
    different = []
    for method, arguments, real in calls:
        simulated = replay.ask(head, method, arguments)
        if simulated != real:
            different.append((method, arguments, real, simulated))
    head.close()
    assert len(calls) > 100
    assert different == []
