"""docs/running.md is true: it has every option and exit code, and what it shows is what lunops says."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from lunops import cli
from lunops.cli import run
from lunops.cli.root import root
from lunops.play.journal_file import KEPT, folder
from lunops.recap.counts import CHANGED_CODE

TEXT = (Path(__file__).parents[1] / "docs/running.md").read_text("utf-8")
FILES = dict(re.findall(r"```(?:ini|yaml)\n# (\S+)\n(.*?)```", TEXT, re.S))
SESSIONS = re.findall(r"```console\n\$ lunops (.*?)\n(.*?)```", TEXT, re.S)


def rows(heading: str) -> list[list[str]]:
    part = TEXT.split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines() if line[:1] == "|"]


def test_the_page_has_every_option_of_run_by_all_its_names() -> None:
    options = [each for each in root.commands["run"].params if isinstance(each, click.Option) and not each.hidden]
    known = {name for option in options for name in option.opts}

    told = [name for row in rows("## Options") for name in re.findall(r"`(-[^`]+)`", row[0])]

    assert sorted(told) == sorted(known)


def test_the_page_has_every_exit_code() -> None:
    ours = {cli.GENERAL, cli.HEAD_FAILED, cli.UNREACHABLE, cli.BAD_OPTION, cli.BAD_INPUT, cli.INTERRUPTED, cli.BUG}
    told = {int(row[0]) for row in rows("## Exit codes") if row[0].isdigit()}

    assert told == {0, *ours, CHANGED_CODE, cli.HEAD_FAILED | cli.UNREACHABLE}
    assert {int(code) for code in re.findall(r"\d+(?= \w)", (root.help or "").split("Exit codes:")[1])} <= told


def test_the_page_says_where_journals_are_and_how_many_are_kept() -> None:
    assert f"The last {KEPT} are kept" in TEXT
    assert f"{folder({'XDG_STATE_HOME': '$XDG_STATE_HOME'})}" in TEXT
    assert str(folder({})).replace(str(Path.home()), "~") in TEXT


@pytest.mark.parametrize(("command", "shown"), SESSIONS)
def test_what_the_page_shows_is_what_lunops_says(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(f"# {name}\n{text}")
    monkeypatch.chdir(tmp_path)

    run(command.split())

    told = capsys.readouterr()
    assert told.out + told.err == shown


def test_every_page_that_the_pages_point_at_is_there_and_has_the_heading() -> None:
    docs = Path(__file__).parents[1] / "docs"
    missing = []
    for page in (*docs.glob("*.md"), docs.parent / "README.md"):
        text = page.read_text("utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
            if link.startswith("http"):
                continue
            name, _, heading = link.partition("#")
            target = (page.parent / name) if name else page
            if not target.exists() or (heading and heading not in headings(target)):
                missing.append(f"{page.name}: {link}")
    assert missing == []


def headings(page: Path) -> set[str]:
    """Return the names that the headings of a page have in links."""
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}
