"""Sending images between two simulated heads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.inventory import parse
from lunops.model import Status
from lunops.sim.faults import Fault, Faults
from tests.conformance import HEAD
from tests.operations.bench import Bench
from tests.operations.pair import MIB, Pair
from tests.operations.sim_eyes import SimEyes
from tests.operations.suite_sending import SendingSuite

_MIB_S = 0.12


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two simulated heads of the test's own."""
    names = ("jbod-01", "jbod-02")
    lines = [f"{name} connection=sim pools={name}-p01 state={tmp_path}/{name}.sim sim_process=true" for name in names]
    inventory = parse("\n".join(["[heads]", *lines, ""]), tmp_path / "inventory")
    test = re.sub(r"[^a-z0-9]", "", request.node.name.removeprefix("test_"))[:24]
    eyes = {name: SimEyes(inventory.hosts[name]) for name in names}
    source, destination = (
        Bench(host=inventory.hosts[name], eyes=eyes[name], inventory=inventory, test=test) for name in names
    )
    request.node.user_properties.append((HEAD, "simulated"))
    source.seen = request.node.user_properties
    # Both ends, for what the source has given already cannot be killed any more.
    slowly = {f"zfs {side} stream": _MIB_S for side in ("send", "receive")}

    def slow() -> None:
        for each in eyes.values():
            each.system.set_faults(Faults(delays_s=slowly))

    def fast() -> None:
        for each in eyes.values():
            each.system.set_faults(Faults())

    def kill(head: str, side: str) -> None:
        fault = Fault(on=f"zfs {side} stream", code=-9, stderr=" ")
        eyes[head].system.set_faults(Faults(faults=(fault,), delays_s=slowly))

    yield Pair(source=source, destination=destination, inventory=inventory, slow=slow, fast=fast, kill=kill)
    source.close()
    destination.close()


class TestBetweenSimulatedHeads(SendingSuite):
    @pytest.mark.parametrize(
        ("side", "said"), [("send", "jbod-01: zfs send gave nothing"), ("receive", "jbod-02: zfs receive took nothing")]
    )
    def test_the_side_that_stands_still_is_named(self, pair: Pair, side: str, said: str) -> None:
        # Not in the suite: a real zfs that hangs would have to be stopped in the kernel.
        image, destination = pair.image(8 * MIB), f"{pair.folder}/img"
        stuck = pair.source if side == "send" else pair.destination
        assert isinstance(stuck.eyes, SimEyes)
        stuck.eyes.system.set_faults(Faults(delays_s={f"zfs {side} stream": 6.0}))

        (item,) = pair.send(pair.args(f"{image}@1", destination, stall_s=1)).items

        assert item.status is Status.FAILED
        assert item.error.startswith(f"{said} for 1 s, after "), item

    def test_an_exported_copy_is_not_changed_under_its_initiators(self, pair: Pair) -> None:
        image, destination = pair.image(MIB), f"{pair.folder}/img"
        pair.send(pair.args(f"{image}@1", destination))
        there = pair.destination
        wwn = "iqn.2024-01.org.example:copy"
        there.do("lio_target", {"dataset": destination, "wwn": wwn, "initiators": ["iqn.2024-01.org.example:init"]})
        there.close()  # another run, which would hold the copy's name
        pair.source.eyes.write_data(image, MIB)
        pair.snapshot(image, "2")
        args = pair.args(f"{image}@2", destination)

        with there.eyes.log_in(wwn, "iqn.2024-01.org.example:init"):
            (refused,) = pair.send(args).items
            (half,) = pair.send({**args, "force": ["exported"]}).items
        (forced,) = pair.send({**args, "force": ["exported"]}).items

        assert "iqn.2024-01.org.example:init from 10.0.0.2 is logged in" in refused.error
        assert "force: [sessions, exported]" in refused.fix
        assert "is logged in" in half.error
        assert forced.status is Status.CHANGED, forced
