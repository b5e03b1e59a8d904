"""The page on secrets names every command and option, and no other; its messages are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from lunops.cli.vault_group import vault

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "secrets.md").read_text()


def first_cells(pattern: str) -> set[str]:
    return set(re.findall(rf"^\| `{pattern}", PAGE, re.MULTILINE))


def test_every_command_and_option_is_told_and_no_other() -> None:
    assert first_cells(r"lunops vault ([a-z-]+)") == set(vault.commands)
    options = {
        option.opts[-1]
        for command in vault.commands.values()
        for option in command.params
        if isinstance(option, click.Option) and "vault" in option.opts[-1]
    }
    assert first_cells(r"(--[a-z-]+)") | {"--new-vault-id", "--new-vault-password-file"} == options
    assert all(f"`{option}" in PAGE for option in options)


@pytest.mark.parametrize(
    "message",
    [
        "none of the passphrases given opens this",
        "the encrypted text is damaged",
        "is of a version that is not known",
        "every user of this machine may",
    ],
)
def test_its_messages_are_those_of_the_code(message: str) -> None:
    assert f"| `{message}" in PAGE
    assert any(message in (ROOT / "lunops" / name).read_text() for name in ("vault.py", "vault_keys.py"))
