"""Completion: the words that are offered, and the scripts in the shells that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from lunops.cli import run
from lunops.cli.completion import (
    SHELLS,
    complete_head,
    complete_limit,
    complete_module,
    complete_playbook,
    complete_tags,
)
from lunops.cli.root import root

ROOT = Path(__file__).resolve().parent.parent
INVENTORY = "[rack1]\njbod-01 connection=local\njbod-02 connection=local\n[rack2]\nhead-03 connection=local\n"


@click.group()
def group() -> None:
    """A command line of the completers' own."""


@group.command("run")
@click.argument("plan", shell_complete=complete_playbook)
@click.option("-i", "--inventory", multiple=True)
@click.option("-l", "--limit", shell_complete=complete_limit)
@click.option("-t", "--tags", shell_complete=complete_tags)
def run_it(plan: str, inventory: tuple[str, ...], limit: str, tags: str) -> None:
    """Do nothing."""


@group.command("doc")
@click.argument("module", shell_complete=complete_module)
def doc(module: str) -> None:
    """Do nothing."""


@group.command("trust")
@click.argument("head", shell_complete=complete_head)
@click.option("-i", "--inventory")
def trust(head: str, inventory: str) -> None:
    """Do nothing."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an inventory and a playbook, and nothing configured."""
    for name in ("LUNOPS_CONFIG", "LUNOPS_INVENTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir(mode=0o755)
    monkeypatch.chdir(work)
    (work / "hosts").write_text(INVENTORY)
    (work / "mine.yml").write_text(
        "- hosts: all\n  tags: [rack]\n  tasks:\n    - {debug: {}, tags: 'slow, disks'}\n"
        "    - block: [{debug: {}, tags: [deep]}]\n"
    )
    return work


def offered(*words: str) -> list[str]:
    """Return what completes the last of the words."""
    found = ShellComplete(group, {}, "lunops", "_X").get_completions(list(words[:-1]), words[-1])
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


def test_playbooks_of_the_folder_and_of_lunops_are_offered_and_files_where_a_folder_is_meant(here: Path) -> None:
    assert offered("run", "") == [
        "mine.yml",
        *sorted(path.name for path in (ROOT / "playbooks").glob("*-*.yml")),
    ]
    assert offered("run", "del") == ["delete-batch.yml"]
    assert offered("run", "plays/x") == ["<file>"]
    (here / "deep").mkdir()
    assert offered("run", "de") == ["delete-batch.yml", "<file>"]


def test_heads_and_groups_of_the_inventory_are_offered_for_a_limit(here: Path) -> None:
    assert offered("run", "mine.yml", "-l", "") == []
    assert offered("run", "mine.yml", "-i", "hosts", "-l", "jb") == ["jbod-01", "jbod-02"]
    assert offered("run", "-i", "hosts", "mine.yml", "-l", "jbod-01,ra") == ["jbod-01,rack1", "jbod-01,rack2"]
    assert offered("run", "-i", "hosts", "mine.yml", "-l", "all,!h") == ["all,!head-03"]
    assert offered("trust", "-i", "hosts", "r") == []
    assert offered("trust", "-i", "hosts", "h") == ["head-03"]
    (here / "lunops-cli.toml").write_text('inventory = "hosts"\n')
    assert offered("run", "mine.yml", "-l", "rack") == ["rack1", "rack2"]


@pytest.mark.usefixtures("here")
def test_modules_and_tags_are_offered() -> None:
    assert offered("doc", "zfs_cl") == ["zfs_clone"]
    assert offered("run", "mine.yml", "-t", "") == [
        "deep",
        "disks",
        "rack",
        "slow",
        "all",
        "tagged",
        "untagged",
        "always",
        "never",
    ]
    assert offered("run", "mine.yml", "-t", "deep,sl") == ["deep,slow"]
    assert "all" in offered("run", "create-batch.yml", "-t", "")


def test_what_cannot_be_read_completes_to_nothing(here: Path) -> None:
    (here / "broken").write_text("[rack1\n")
    (here / "mine.yml").write_text("a: [")
    assert offered("run", "mine.yml", "-i", "broken", "-l", "") == []
    assert offered("run", "mine.yml", "-i", "none", "-l", "") == []
    assert offered("run", "mine.yml", "-t", "") == []


def test_a_script_is_printed_for_every_shell_and_for_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in SHELLS:
        assert run(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert f"_LUNOPS_COMPLETE={shell}_complete" in script
        assert "lunops" in script
    assert run(["completion", "tcsh"]) == 5


@pytest.fixture
def shell_environment(here: Path) -> Mapping[str, str]:
    """An environment whose `lunops` is this one."""
    (here / "bin").mkdir()
    (here / "bin" / "lunops").write_text(f'#!/bin/sh\nexec {sys.executable} -m lunops "$@"\n')
    (here / "bin" / "lunops").chmod(0o755)
    return {**os.environ, "PATH": f"{here}/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def shell(environment: Mapping[str, str], *words: str) -> list[str]:
    done = subprocess.run(
        words, env=dict(environment), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_commands_playbooks_and_heads(shell_environment: Mapping[str, str]) -> None:
    def bash(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        script = (
            "source <(lunops completion bash) && complete -p lunops > /dev/null && "
            f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1} && _lunops_completion lunops; "
            "printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        return shell(shell_environment, "bash", "--norc", "-c", script)

    assert bash("lunops", "tr") == ["trust"]
    assert bash("lunops", "vault", "re") == ["rekey"]
    assert bash("lunops", "run", "create-") == ["create-batch.yml"]
    assert bash("lunops", "run", "create-batch.yml", "-i", "hosts", "-l", "jbod-") == ["jbod-01", "jbod-02"]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_commands_playbooks_and_heads(shell_environment: Mapping[str, str]) -> None:
    def fish(line: str) -> list[str]:
        found = shell(shell_environment, "fish", "-N", "-c", f"lunops completion fish | source; complete -C '{line}'")
        return [each.split("\t")[0] for each in found]

    assert fish("lunops tru") == ["trust"]
    assert fish("lunops run create-") == ["create-batch.yml"]
    assert fish("lunops run create-batch.yml -i hosts -l jbod-") == ["jbod-01", "jbod-02"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_takes_the_script(shell_environment: Mapping[str, str]) -> None:
    script = "autoload -Uz compinit && compinit -D -u && source <(lunops completion zsh) && print $_comps[lunops]"
    assert shell(shell_environment, "zsh", "-f", "-c", script) == ["_lunops_completion"]


def test_zsh_and_fish_are_answered_as_their_scripts_ask(shell_environment: Mapping[str, str]) -> None:
    words = {"COMP_WORDS": "lunops trust -i hosts jb", "COMP_CWORD": "4"}
    zsh = shell({**shell_environment, **words, "_LUNOPS_COMPLETE": "zsh_complete"}, "lunops")
    assert zsh == ["plain", "jbod-01", "_", "plain", "jbod-02", "_"]
    fish_words = {"COMP_WORDS": "lunops trust -i hosts ", "COMP_CWORD": "jb"}
    fish = shell({**shell_environment, **fish_words, "_LUNOPS_COMPLETE": "fish_complete"}, "lunops")
    assert fish[0].startswith("plain")
    assert "jbod-01" in " ".join(fish)


def test_the_commands_of_lunops_have_their_completers() -> None:
    assert isinstance(root, click.Group)
    done = ShellComplete(root, {}, "lunops", "_X").get_completions(["run"], "create-")
    assert [item.value for item in done] == ["create-batch.yml"]
