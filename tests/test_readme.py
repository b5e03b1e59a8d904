"""The README's session is a true one: its commands are run, and say what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def session() -> list[tuple[str, str]]:
    """Return the commands of the README's console session, each with the output shown."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    steps = re.split(r"^\$ ", block[1], flags=re.M)[1:]
    return [(step.split("\n", 1)[0], step.split("\n", 1)[1]) for step in steps]


def plain(text: str) -> list[str]:
    """Return the lines without what differs from run to run: times, what they pad, and the order of the slowest."""
    text = text.partition("\nWHERE THE TIME WENT")[0]  # there on a slow machine alone
    body, _, slowest = re.sub(r" +", " ", re.sub(r"\d+\.\d(\d\d)?(?!\d)", "#", text)).partition("SLOWEST")
    body = re.sub(r"(in #s) \(.*\)", r"\1", body)  # which parts of a time are shown depends on the times
    return body.splitlines() + sorted(slowest.splitlines())


def test_the_session_of_the_readme_is_what_lunops_does(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    steps = session()
    for command, shown in steps:
        if command.startswith("cat "):
            (tmp_path / command.removeprefix("cat ")).write_text(shown)
            continue
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert plain(done.stdout) == plain(shown), command

    assert sum(command.startswith("lunops run") for command, _ in steps) == 3


def test_every_file_that_the_readme_points_at_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())

    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
