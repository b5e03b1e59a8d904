"""A node boots diskless from its clone: the reason for all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import lab
from tests.lab.access import Access
from tests.lab.nodes import boot_node
from tests.support.service import Service

pytestmark = pytest.mark.lab

NODES = ("iqn.2024-01.org.example:node1", "iqn.2024-01.org.example:node2")
DISKS = ("iqn.2024-01.org.example:boot.node1", "iqn.2024-01.org.example:boot.node2")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, heads: dict[str, Access]) -> Iterator[str]:
    """Two disks made by one request, each for one node."""
    head = heads["jbod-01"]
    service = Service(tmp_path_factory.mktemp("nodes"), lab("inventory")).start()
    clones = [
        {
            "src": head.golden,
            "dst": f"{head.pool}/boot/node{number}",
            "wwn": DISKS[number],
            "initiators": [NODES[number]],
            "createParent": True,
        }
        for number in (0, 1)
    ]
    made = service.finished(service.submit("POST", clones))
    assert made["status"] == "complete", made
    yield head.portal
    gone = [{"dst": one["dst"], "wwn": one["wwn"], "deleteClones": True} for one in clones]
    removed = service.finished(service.submit("DELETE", gone))
    assert removed["status"] == "complete", removed
    service.stop()


def test_the_second_boot_finds_what_the_first_one_wrote_and_another_node_does_not(portal: str) -> None:
    first = boot_node(portal, DISKS[0], NODES[0], mark="first")
    second = boot_node(portal, DISKS[0], NODES[0], mark="second")
    other = boot_node(portal, DISKS[1], NODES[1], mark="other")

    assert first.booted, first.console[-3000:]
    assert first.marks == ("first",)
    assert second.marks == ("first", "second"), second.console[-3000:]
    assert other.marks == ("other",), other.console[-3000:]


def test_a_node_with_a_foreign_initiator_name_is_refused(portal: str) -> None:
    stranger = boot_node(portal, DISKS[0], NODES[1])

    assert not stranger.booted
    assert "uthoriz" in stranger.console or "514" in stranger.console, stranger.console[-3000:]
