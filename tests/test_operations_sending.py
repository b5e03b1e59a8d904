"""Sending images between two simulated heads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.inventory import parse
from lunops.sim.faults import Fault, Faults
from tests.conformance import HEAD
from tests.operations.bench import Bench
from tests.operations.pair import Pair
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_sending import SendingSuite

_MIB_S = 0.12


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two simulated heads of the test's own."""
    names = ("jbod-01", "jbod-02")
    lines = [f"{name} connection=sim pools={name}-p01 state={tmp_path}/{name}.sim" for name in names]
    inventory = parse("\n".join(["[heads]", *lines, ""]), tmp_path / "inventory")
    test = re.sub(r"[^a-z0-9]", "", request.node.name.removeprefix("test_"))[:24]
    eyes = {name: SimEyes(inventory.hosts[name]) for name in names}
    source, destination = (
        Bench(host=inventory.hosts[name], eyes=eyes[name], inventory=inventory, test=test) for name in names
    )
    request.node.user_properties.append((HEAD, "simulated"))
    source.seen = request.node.user_properties
    slowly = {"zfs receive stream": _MIB_S}

    def slow() -> None:
        eyes["jbod-02"].system.set_faults(Faults(delays_s=slowly))

    def fast() -> None:
        eyes["jbod-02"].system.set_faults(Faults())

    def kill(head: str, side: str) -> None:
        fault = Fault(on=f"zfs {side} stream", code=-9, stderr=" ")
        eyes[head].system.set_faults(Faults(faults=(fault,), delays_s=slowly))

    yield Pair(source=source, destination=destination, inventory=inventory, slow=slow, fast=fast, kill=kill)
    source.close()
    destination.close()


class TestBetweenSimulatedHeads(SendingSuite):
    pass
