"""docs/inventory.md is true: its files are read, its commands are run, its tables have every name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from lunops.cli import run
from lunops.inventory import parse
from lunops.inventory.settings import SETTINGS
from lunops.model import Host

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/inventory.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.S)
FILES = {block.split("\n")[0].removeprefix("# "): block for kind, block in BLOCKS if kind in ("ini", "yaml")}
SESSIONS = [block.partition("\n") for kind, block in BLOCKS if kind == "console"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("command", "shown"), [(line, shown) for line, _, shown in SESSIONS])
def test_what_the_page_shows_is_what_lunops_says(command: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(command.removeprefix("$ lunops ").split())

    told = capsys.readouterr()
    assert told.out + told.err == shown


def test_the_two_inventories_of_the_page_are_the_same() -> None:
    def bare(name: str) -> dict[str, Host]:
        found = parse(FILES[name], Path("/etc") / name).hosts
        return {head: dataclasses.replace(host, variables={}) for head, host in found.items()}

    assert bare("inventory") == bare("inventory.yml")
    assert len(bare("inventory")) == 4


def test_the_page_has_every_setting_by_all_its_names() -> None:
    for name, setting in SETTINGS.items():
        [row] = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]

        assert all(f"`{alias}`" in row for alias in setting.aliases)


def test_the_example_that_ships_is_valid() -> None:
    example = (ROOT / "inventory.example").read_text("utf-8")
    real = re.sub(r"^# (?=\[rack2|jbod-|known_hosts=)", "", example, flags=re.M)

    assert len(parse(example, ROOT / "inventory.example").hosts) == 2
    assert parse(real, ROOT / "inventory.example").groups["rack2"] == ("jbod-03", "jbod-04")
