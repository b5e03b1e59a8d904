"""Get the passphrases that open encrypted files: from files, programs and the terminal; and read such files with them.

The options are Ansible's: `--vault-password-file SOURCE`, `--vault-id LABEL@SOURCE` and `--ask-vault-pass`. A SOURCE is
a file, an executable whose standard output is the passphrase, or `prompt`.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lunops.errors import InputError, LunopsError, VaultError
from lunops.mask import Mask
from lunops.model import Json
from lunops.vault import DEFAULT_LABEL, VaultKey, check_label, decrypt, is_vault
from lunops.yaml_source import Vaulted, read

PROMPT: Final = "prompt"
_CLIENT: Final = "-client"  # a program of such a name is told the label, as Ansible does
_FIX: Final = "name a file with the passphrase in it, or an executable that prints it"

Ask = Callable[[str], str]  # asks on the terminal and shows no letter; raises `LunopsError` where there is none


@dataclass(frozen=True, kw_only=True)
class KeySources:
    """Where the passphrases are to come from, as the options say."""

    vault_ids: tuple[str, ...] = ()  # LABEL@SOURCE, or SOURCE
    password_files: tuple[str, ...] = ()
    ask: bool = False

    def __bool__(self) -> bool:
        return bool(self.vault_ids or self.password_files or self.ask)


def load_keys(sources: KeySources, ask: Ask) -> tuple[VaultKey, ...]:
    """Return the keys, in the order of the options; raises `VaultError` naming the source that gave none."""
    keys = [_key(*_split(word), ask, confirm=False) for word in sources.vault_ids]
    keys += [_key(DEFAULT_LABEL, word, ask, confirm=False) for word in sources.password_files]
    if sources.ask:
        keys.append(_key(DEFAULT_LABEL, PROMPT, ask, confirm=False))
    return tuple(keys)


def new_key(word: str, ask: Ask) -> VaultKey:
    """Return the key of one [LABEL@]SOURCE that is to encrypt; one that is typed is asked for twice."""
    return _key(*_split(word), ask, confirm=True)


class VaultReader:
    """Reads files and values, encrypted or not, and adds what was encrypted to the mask."""

    def __init__(self, keys: Sequence[VaultKey], mask: Mask) -> None:
        self._keys = tuple(keys)
        self._mask = mask

    def read_bytes(self, path: Path) -> bytes:
        """Return what is in a file, decrypted if need be; raises `InputError` naming it."""
        return self._opened(read_raw(path), path)

    def text_of(self, data: bytes, path: Path) -> str:
        """Return the text of what was read from a file, decrypted if need be; raises `InputError` naming it."""
        return _text(self._opened(data, path), str(path))

    def _opened(self, data: bytes, path: Path) -> bytes:
        if not is_vault(data):
            return data
        plain = decrypt(data.decode("utf-8", "replace"), self._keys, where=str(path))
        self._taint(plain)
        return plain

    def read_text(self, path: Path) -> str:
        """Return a file's text, decrypted if need be; raises `InputError` naming it."""
        return _text(self.read_bytes(path), str(path))

    def reveal(self, value: Json, where: str = "") -> Json:
        """Return plain data with every `Vaulted` text in it decrypted; `where` is for messages."""
        if isinstance(value, Vaulted):
            plain = _text(decrypt(value, self._keys, where=where), where)
            self._mask.add(plain)
            return plain
        if isinstance(value, Mapping):
            return {key: self.reveal(each, f"{where}, {key}" if where else key) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.reveal(each, where) for each in value]
        return value

    def _taint(self, plain: bytes) -> None:
        """Mask the values if it is YAML, as files of variables are; else all of it."""
        text = plain.decode("utf-8", "replace")
        try:
            value: Json = read(text, "", InputError).value
        except LunopsError:
            value = text
        self._mask.add(value if isinstance(value, dict | list) else text)


def read_raw(path: Path) -> bytes:
    """Return what is in a file as it is; raises `InputError` naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read this: {error.strerror or error}", where=str(path)) from error


def _split(word: str) -> tuple[str, str]:
    """Return label and source of [LABEL@]SOURCE."""
    label, at, source = word.partition("@")
    if not at:
        return DEFAULT_LABEL, word
    check_label(label, word)
    return label, source


def _key(label: str, source: str, ask: Ask, *, confirm: bool) -> VaultKey:
    if source == PROMPT:
        shown = "Vault password" if label == DEFAULT_LABEL else f"Vault password ({label})"
        typed = ask(f"New {shown}" if confirm else shown)
        if confirm and ask(f"Confirm new {shown}") != typed:
            raise VaultError("the two passphrases are not the same", fix="try again; nothing was done")
        passphrase, source = typed.encode(), "typed"
    else:
        passphrase = _from_path(Path(source).expanduser(), label)
    if not passphrase:
        raise VaultError("the passphrase is empty", where=source, fix=_FIX)
    return VaultKey(passphrase=passphrase, label=label, source=source)


def _from_path(path: Path, label: str) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise VaultError("this is a folder, not a passphrase", where=str(path), fix=_FIX)
        is_program = stat.S_ISREG(mode) and os.access(path, os.X_OK) and bool(mode & 0o111)
        _check_mode(path, mode, is_program=is_program)
        # As Ansible: of a file all white space around it goes, of a program's output the line's end alone.
        return _from_program(path, label) if is_program else path.read_bytes().strip()
    except OSError as error:
        raise VaultError(
            f"cannot get a passphrase of this: {error.strerror or error}", where=str(path), fix=_FIX
        ) from error


def _check_mode(path: Path, mode: int, *, is_program: bool) -> None:
    """Refuse what anyone may read or exchange, as ssh refuses such a private key; a program may be read."""
    others = stat.S_IWOTH if is_program else stat.S_IROTH | stat.S_IWOTH
    if mode & others:
        raise VaultError(
            f"every user of this machine may {'change' if is_program else 'read or change'} this, its mode is "
            f"{stat.S_IMODE(mode):04o}",
            where=str(path),
            fix=f"chmod {'755' if is_program else '600'} {path}",
        )


def _from_program(path: Path, label: str) -> bytes:
    """Run it, with the label if it is one of Ansible's vault clients; it may ask on the terminal."""
    more = ("--vault-id", label) if path.stem.endswith(_CLIENT) and label != DEFAULT_LABEL else ()
    try:
        done = subprocess.run([str(path.absolute()), *more], stdout=subprocess.PIPE, check=False)
    except OSError as error:
        raise VaultError(
            f"this cannot be run: {error.strerror or error}",
            where=str(path),
            fix="give it a #! line; or, if the passphrase itself is in it, chmod 600",
        ) from error
    if done.returncode:
        raise VaultError(
            f"this gave no passphrase, and exit code {done.returncode}", where=str(path), fix="run it by hand"
        )
    return done.stdout.strip(b"\r\n")


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text: {error}", where=where) from error
