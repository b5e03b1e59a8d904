"""docs/plan-apply.md is true: its playbook is planned, its head is changed, and its plan is refused as shown."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from lunops.cli import run
from lunops.cli.root import root
from lunops.sim.head import SimulatedSystem

TEXT = (Path(__file__).parents[1] / "docs/plan-apply.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.S)
SESSION = "".join(block for kind, block in BLOCKS if kind == "console")


def same(text: str) -> str:
    """Return a text without the times, which are never the same."""
    return re.sub(r" in [\d.]+s( \(.*\))?$", "", text, flags=re.M).rstrip()


def test_the_session_of_the_page_goes_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inventory").write_text("jbod-01 connection=sim pools=tank\n")
    [play] = [block for kind, block in BLOCKS if kind == "yaml"]
    Path("volumes.yml").write_text(play)
    head = SimulatedSystem(tmp_path / "jbod-01.sim", pools=["tank"])
    count = 0
    for prompt, command, shown in re.findall(r"^(\$|jbod-01#) (.*)\n((?:(?!\$ |jbod-01# ).*\n)*)", SESSION, re.M):
        count += 1
        if prompt != "$":
            assert head.run(command.split()).code == 0
            continue
        run(command.removeprefix("lunops ").split())
        told = capsys.readouterr()
        begin, _, end = shown.partition("…\n")
        assert same(told.out + told.err).startswith(same(begin))
        assert same(told.out + told.err).endswith(same(end))
    head.close()
    assert count == 3


def test_every_option_of_the_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    [usage] = re.findall(r"```\n(lunops plan .*?)```", TEXT, re.S)
    for line in usage.splitlines():
        command = root.commands[line.split()[1]]
        known = {opt for each in command.params if isinstance(each, click.Option) for opt in each.opts}
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line)) <= known
    assert capsys.readouterr().err == ""
