"""`lunops vault`: make, look at and change encrypted files, as `ansible-vault` does."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from lunops.cli.files import secret_folder, write_atomically
from lunops.errors import InputError, LunopsError, VaultError
from lunops.near import hint
from lunops.vault import DEFAULT_LABEL, SALT_BYTES, VaultKey, decrypt, decrypt_with, encrypt, is_vault
from lunops.vault_keys import KeySources, load_keys, new_key

_INDENT = " " * 10  # as ansible-vault writes it


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The passphrases that the command line gives; asked for on the terminal if it gives none."""

    sources: KeySources
    encrypt_with: str = ""  # the label of the one to encrypt with

    def all(self) -> tuple[VaultKey, ...]:
        """Return the keys to open with."""
        return load_keys(self.sources or KeySources(ask=True), ask)

    def one(self) -> VaultKey:
        """Return the key to encrypt with; raises `VaultError` where it is not clear which."""
        if not self.sources:
            return new_key("prompt", ask)
        return _chosen(load_keys(self.sources, ask), self.encrypt_with)


def ask(question: str) -> str:
    """Ask on the terminal, showing nothing of the answer; raises `VaultError` where there is none."""
    if not sys.stdin.isatty():
        raise VaultError(
            "there is no terminal to ask for the passphrase on",
            fix="give --vault-password-file FILE, or set LUNOPS_VAULT_PASSWORD_FILE",
        )
    answer: str = click.prompt(question, hide_input=True, err=True, default="", show_default=False)
    return answer


def encrypt_files(keys: Keys, paths: Sequence[Path]) -> int:
    """Encrypt files in their places; nothing is written if one of them is encrypted already."""
    contents = {path: _read(path) for path in paths}
    for path, data in contents.items():
        if is_vault(data):
            raise VaultError("this is encrypted already", where=str(path), fix="see `lunops vault rekey` and `edit`")
    key = keys.one()
    for path, data in contents.items():
        write_atomically(path, _sealed(data, key))
        click.echo(f"encrypted {path}", err=True)
    return 0


def decrypt_files(keys: Keys, paths: Sequence[Path]) -> int:
    """Decrypt files in their places; nothing is written if one of them cannot be."""
    for path, (data, _, _) in _opened(keys.all(), paths).items():
        write_atomically(path, data)
        click.echo(f"decrypted {path}", err=True)
    return 0


def view_files(keys: Keys, paths: Sequence[Path]) -> int:
    """Print what is in files, and nothing else."""
    for data, _, _ in _opened(keys.all(), paths).values():
        sys.stdout.buffer.write(data)
    return 0


def rekey_files(keys: Keys, new: str, paths: Sequence[Path]) -> int:
    """Encrypt files anew, with another passphrase; nothing is written if one of them cannot be opened."""
    opened = _opened(keys.all(), paths)
    key = new_key(new or "prompt", ask)
    for path, (data, _, _) in opened.items():
        write_atomically(path, _sealed(data, key))
        click.echo(f"rekeyed {path}", err=True)
    return 0


def edit_files(keys: Keys, paths: Sequence[Path]) -> int:
    """Let $EDITOR change files; one that was not changed is not touched, one that is not there is made."""
    for path in paths:
        is_new = not path.exists()
        if is_new:
            key, label, data = keys.one(), None, b""
        else:
            data, key, label = _opened(keys.all(), [path])[path]
        changed = _edited(path, data)
        if changed == data:
            click.echo(f"unchanged {path}", err=True)
            continue
        write_atomically(path, _sealed(changed, key, label))
        click.echo(f"{'made' if is_new else 'changed'} {path}", err=True)
    return 0


def encrypt_string(keys: Keys, name: str) -> int:
    """Print what is read from standard input, or typed, as an encrypted YAML value; one newline at its end goes."""
    key = keys.one()
    if sys.stdin.isatty():
        data = ask("Value to encrypt").encode()
    else:
        data = sys.stdin.buffer.read().removesuffix(b"\n").removesuffix(b"\r")
    if not data:
        raise InputError("there is nothing to encrypt", where="standard input", fix="printf %s VALUE | lunops vault …")
    lines = _sealed(data, key).decode().splitlines()
    click.echo("\n".join((f"{name}: !vault |" if name else "!vault |", *(_INDENT + line for line in lines))))
    return 0


def _opened(keys: Sequence[VaultKey], paths: Sequence[Path]) -> dict[Path, tuple[bytes, VaultKey, str]]:
    """Return for each file what is in it, the key that opened it, and its label."""
    return {path: decrypt_with(_read(path).decode("utf-8", "replace"), keys, where=str(path)) for path in paths}


def _sealed(data: bytes, key: VaultKey, label: str | None = None) -> bytes:
    """Return the data encrypted, and seen to be readable again before anything is written in place of it."""
    text = encrypt(
        data, key.passphrase, salt=secrets.token_bytes(SALT_BYTES), label=key.label if label is None else label
    )
    if decrypt(text, [key]) != data:
        raise LunopsError("what was encrypted does not come out the same", fix="this is a bug: nothing was written")
    return text.encode()


def _chosen(keys: Sequence[VaultKey], label: str) -> VaultKey:
    if not label and len(keys) == 1:
        return keys[0]
    labels = [key.label for key in keys]
    if not label and labels.count(DEFAULT_LABEL) == 1:
        return keys[labels.index(DEFAULT_LABEL)]
    if not label:
        raise VaultError(
            f"it is not clear which passphrase to encrypt with: {', '.join(map(str, keys))}",
            where="--vault-id",
            fix="name one by its label: --encrypt-vault-id LABEL",
        )
    if label not in labels:
        raise VaultError(
            f"no passphrase has the label {label!r}", where="--encrypt-vault-id", fix=hint(label, labels, "labels")
        )
    return keys[labels.index(label)]


def _edited(path: Path, data: bytes) -> bytes:
    """Return what the editor makes of the data."""
    with secret_folder() as folder:
        plain = folder / path.name  # its own name, so that the editor knows the kind of file
        plain.touch(mode=0o600)
        plain.write_bytes(data)
        click.edit(filename=str(plain), editor=os.environ.get("EDITOR") or None)
        return _read(plain)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read this: {error.strerror or error}", where=str(path), fix="see that it is there, and readable"
        ) from error
