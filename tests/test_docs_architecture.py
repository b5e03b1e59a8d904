"""docs/architecture.md names files that there are, and the layers that the code is held to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_layers import CORE_LAYERS, LAYERS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text("utf-8")
PATHS = sorted(set(re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md)|(?:lunops|tests|playbooks|docs)/[\w/.-]*)`", TEXT)))


def test_the_page_names_files() -> None:
    assert len(PATHS) > 30


@pytest.mark.parametrize("path", PATHS)
def test_each_file_that_the_page_names_is_there(path: str) -> None:
    assert any((folder / path).exists() for folder in (ROOT, ROOT / "lunops"))


def test_the_layers_of_the_page_are_those_that_imports_are_held_to() -> None:
    told = re.findall(r"^\d+\. (.*)$", TEXT.split("## Layers")[1].split("\n## ")[0], re.M)

    assert [line.split(", ") for line in told] == [list(layer) for layer in LAYERS]
    words = {8: "eight", 9: "nine", 10: "ten"}
    assert f"The first {words[len(CORE_LAYERS)]} lines are the pure core" in TEXT


def test_every_package_of_lunops_is_named() -> None:
    packages = {path.parent.name for path in (ROOT / "lunops").glob("*/__init__.py")}

    assert {name for name in packages if not re.search(rf"\b{name}\b", TEXT)} == set()
