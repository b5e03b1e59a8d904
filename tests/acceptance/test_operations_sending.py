"""Sending images between two real heads: LUNOPS_LAB_SEND=SOURCE,DESTINATION names other ones than the first two."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from lunops.inventory import Inventory
from tests.acceptance.eyes import LabEyes
from tests.conformance import HEAD
from tests.operations.bench import Bench
from tests.operations.pair import Pair
from tests.operations.suite_sending import SendingSuite

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fresh_head")]

NAMES = os.environ.get("LUNOPS_LAB_SEND", "jbod-01,jbod-02").split(",")


@pytest.fixture
def pair(request: pytest.FixtureRequest, inventory: Inventory, eyes: dict[str, LabEyes]) -> Iterator[Pair]:
    """Two real heads, with names of this test's own, which are taken away at its end."""
    test = re.sub(r"[^a-z0-9]", "", request.node.name.removeprefix("test_"))[:24]
    source, destination = (
        Bench(host=inventory.hosts[name], eyes=eyes[name], inventory=inventory, test=test) for name in NAMES
    )
    request.node.user_properties.append((HEAD, "real"))
    source.seen = request.node.user_properties

    def kill(head: str, side: str) -> None:
        eyes[head].run(["pkill", "-9", "-f", f"^zfs {side} "])

    def nothing() -> None:
        """Streams between real heads are slow enough, and cannot be made faster."""

    yield Pair(source=source, destination=destination, inventory=inventory, slow=nothing, fast=nothing, kill=kill)
    for bench in (source, destination):
        mine = f"zfs list -H -o name -d 1 {bench.pool}/suite 2>/dev/null | grep -E '^{bench.folder}(-|$)'"
        eyes[bench.host.name].shell(
            f"for i in 1 2 3 4 5; do left=$({mine}) || exit 0; "
            "for each in $left; do zfs destroy -r $each || sleep 1; done; done; exit 1"
        )
        bench.close()


class TestBetweenRealHeads(SendingSuite):
    pass
