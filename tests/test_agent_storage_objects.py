"""Where storage objects are on a head, and where a new one goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.agent.lio import CORE
from lunops.agent.storage_objects import StorageObjects
from lunops.sim.head import SimulatedSystem


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    system = SimulatedSystem(tmp_path / "h.sim", pools=["p"])
    for folder in ("iblock_0", "iblock_0/a", "iblock_1", "iblock_3", "iblock_3/b", "fileio_0", "fileio_0/f"):
        system.mkdir(f"{CORE}/{folder}")
    yield system
    system.close()


def test_each_is_found_and_what_has_gone_since_is_not(head: SimulatedSystem) -> None:
    objects = StorageObjects(head)
    found = [objects.folder(name) for name in ("a", "b", "f", "x")]
    head.rmdir(f"{CORE}/iblock_3/b")

    assert found == [f"{CORE}/iblock_0/a", f"{CORE}/iblock_3/b", f"{CORE}/fileio_0/f", ""]
    assert objects.folder("b") == ""


def test_new_ones_get_the_lowest_places_an_empty_one_included_and_none_gets_anothers(head: SimulatedSystem) -> None:
    objects = StorageObjects(head)
    head.mkdir(f"{CORE}/iblock_4")
    head.mkdir(f"{CORE}/iblock_4/late")  # by another program, after the look

    places = [objects.place(name, "block") for name in ("n", "o", "p")]

    assert places == [f"{CORE}/iblock_1/n", f"{CORE}/iblock_2/o", f"{CORE}/iblock_5/p"]
    assert objects.place("g", "fileio") == f"{CORE}/fileio_1/g"


def test_a_place_is_anothers_only_if_nothing_was_made_there(head: SimulatedSystem) -> None:
    objects = StorageObjects(head)
    made, missed = objects.place("n", "block"), objects.place("o", "block")
    head.mkdir(made)

    objects.give_back("n", "block")
    objects.give_back("o", "block")
    objects.give_back("unknown", "block")

    assert objects.folder("n") == made
    assert objects.place("p", "block") == missed.replace("/o", "/p")
