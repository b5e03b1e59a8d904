"""docs/service.md is held to the code: every setting stands there with its default."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from lunops.settings import Settings
from lunops.store.heads import BACK_OFF_S

PAGE = (Path(__file__).parent.parent / "docs/service.md").read_text("utf-8")
TABLE = PAGE[PAGE.index("## Settings") :]


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_is_described(name: str) -> None:
    assert re.search(rf"`\[?{name}\]?`", TABLE), f"docs/service.md says nothing of {name}"


@pytest.mark.parametrize(
    ("name", "default"),
    [(each.name, each.default) for each in fields(Settings) if each.default is not MISSING and each.name != "listen"],
)
def test_its_default_is_the_one_that_is_said(name: str, default: object) -> None:
    (row,) = [line for line in TABLE.splitlines() if re.search(rf"`{name}`", line.split("|")[1] if "|" in line else "")]
    said = row.split("|")[2].strip()
    assert said == ("`[]`" if default == () else f"{default:g}".replace("1.04858e+06", "1048576"))


def test_the_waits_for_a_head_are_those_of_the_code() -> None:
    said = re.search(r"tried again after ([\d, ]+), then every (\d+) s", PAGE)
    assert said is not None
    assert [float(each) for each in (*said[1].split(","), said[2])] == list(BACK_OFF_S)
