"""The words of `lunops vault` on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lunops.cli.vault import Keys

F = TypeVar("F", bound=Callable[..., Any])
_PATHS = click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
_ENCRYPTING = click.option("--encrypt-vault-id", default="", help="Of several passphrases, encrypt with this label's.")


def key_options(command: F) -> F:
    """Give a command the options by which passphrases come in: vault_id, vault_password_file, ask_vault_pass."""
    for option in (
        click.option("--ask-vault-pass", is_flag=True, help="Ask for the passphrase of encrypted files."),
        click.option(
            "--vault-password-file",
            multiple=True,
            metavar="FILE",
            help="A file with the passphrase, or an executable that prints it.",
        ),
        click.option(
            "--vault-id", multiple=True, metavar="LABEL@SOURCE", help="SOURCE: a file, an executable, or `prompt`."
        ),
    ):
        command = option(command)
    return command


def _keys(
    vault_id: tuple[str, ...], vault_password_file: tuple[str, ...], ask_vault_pass: bool, encrypt_with: str = ""
) -> Keys:
    from lunops.cli.config import key_sources
    from lunops.cli.vault import Keys

    sources = key_sources(click.get_current_context(), vault_id, vault_password_file, ask=ask_vault_pass)
    return Keys(sources=sources, encrypt_with=encrypt_with)


@click.group()
def vault() -> None:
    """Keep secrets in encrypted files, which `ansible-vault` reads, too."""


@vault.command("encrypt")
@key_options
@_ENCRYPTING
@_PATHS
def encrypt_command(paths: tuple[Path, ...], encrypt_vault_id: str, **given: Any) -> int:
    """Encrypt files in their places."""
    from lunops.cli.vault import encrypt_files

    return encrypt_files(_keys(**given, encrypt_with=encrypt_vault_id), paths)


@vault.command("decrypt")
@key_options
@_PATHS
def decrypt_command(paths: tuple[Path, ...], **given: Any) -> int:
    """Decrypt files in their places."""
    from lunops.cli.vault import decrypt_files

    return decrypt_files(_keys(**given), paths)


@vault.command("edit")
@key_options
@_ENCRYPTING
@_PATHS
def edit_command(paths: tuple[Path, ...], encrypt_vault_id: str, **given: Any) -> int:
    """Change encrypted files with $EDITOR; a file that is not there is made."""
    from lunops.cli.vault import edit_files

    return edit_files(_keys(**given, encrypt_with=encrypt_vault_id), paths)


@vault.command("view")
@key_options
@_PATHS
def view_command(paths: tuple[Path, ...], **given: Any) -> int:
    """Print what is in encrypted files."""
    from lunops.cli.vault import view_files

    return view_files(_keys(**given), paths)


@vault.command("encrypt-string")
@key_options
@_ENCRYPTING
@click.option("-n", "--name", default="", help="The variable's name.")
def encrypt_string_command(name: str, encrypt_vault_id: str, **given: Any) -> int:
    """Print a value, from standard input or typed, as an encrypted one to put into a YAML file."""
    from lunops.cli.vault import encrypt_string

    return encrypt_string(_keys(**given, encrypt_with=encrypt_vault_id), name)


@vault.command("rekey")
@key_options
@click.option("--new-vault-id", "new", default="", metavar="LABEL@SOURCE", help="The new passphrase, with its label.")
@click.option("--new-vault-password-file", "new_file", default="", metavar="FILE", help="The new passphrase.")
@_PATHS
def rekey_command(paths: tuple[Path, ...], new: str, new_file: str, **given: Any) -> int:
    """Encrypt files anew with another passphrase, which is asked for if no option gives it."""
    from lunops.cli.vault import rekey_files

    if new and new_file:
        raise click.UsageError("give --new-vault-id or --new-vault-password-file, not both")
    return rekey_files(_keys(**given), new or (new_file and f"default@{new_file}"), paths)
