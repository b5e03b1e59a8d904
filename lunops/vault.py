"""Read and write what `ansible-vault` reads and writes: a text that holds data under a passphrase.

The first line is `$ANSIBLE_VAULT;1.1;AES256`, or `$ANSIBLE_VAULT;1.2;AES256;LABEL`; the rest, in lines of 80, is the
hexadecimal form of three lines that are hexadecimal themselves: salt, HMAC, ciphertext. PBKDF2 (HMAC-SHA256, 10,000
rounds) makes of passphrase and salt the key of the cipher (AES-256 in counter mode), that of the HMAC (SHA-256, over
the ciphertext) and the first counter; the plaintext is padded to whole blocks. Source: ansible-core 2.19,
`lib/ansible/parsing/vault/__init__.py`, class VaultAES256.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import pbkdf2_hmac
from typing import Final

from lunops.errors import VaultError, VaultKeyError

SALT_BYTES: Final = 32
DEFAULT_LABEL: Final = "default"  # what Ansible calls a key without a label; never written into a file
_MAGIC: Final = "$ANSIBLE_VAULT;"
_ROUNDS: Final = 10_000
_KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 16
_WIDTH: Final = 80
_LABEL: Final = re.compile(r"[^\s;@]+\Z")
_DAMAGED_FIX: Final = "take the file from a backup or from version control"


@dataclass(frozen=True, kw_only=True)
class VaultKey:
    """A passphrase, the label under which it is meant, and where it came from."""

    passphrase: bytes = field(repr=False)
    label: str = DEFAULT_LABEL
    source: str = ""  # for messages

    def __str__(self) -> str:
        return f"{self.label} ({self.source})" if self.source else self.label


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    label: str
    salt: bytes
    digest: bytes
    ciphertext: bytes


def is_vault(text: str | bytes) -> bool:
    """Return whether this is an encrypted text, by how it begins."""
    return text.startswith(_MAGIC) if isinstance(text, str) else text.startswith(_MAGIC.encode())


def decrypt(text: str, keys: Sequence[VaultKey], *, where: str = "") -> bytes:
    """Return what is inside; raises `VaultKeyError` if no key fits, `VaultError` if it is damaged or not of ours."""
    return decrypt_with(text, keys, where=where)[0]


def decrypt_with(text: str, keys: Sequence[VaultKey], *, where: str = "") -> tuple[bytes, VaultKey, str]:
    """Return what is inside, the key that fitted, and the text's own label, which is empty if it has none.

    A key of the text's label is tried before the others, as Ansible does. Nothing is decrypted before its HMAC fits.
    """
    envelope = _open(text, where)
    wanted = envelope.label or DEFAULT_LABEL
    for key in sorted(keys, key=lambda key: key.label != wanted):
        cipher_key, hmac_key, counter = _derive(key.passphrase, envelope.salt)
        if hmac.compare_digest(hmac.digest(hmac_key, envelope.ciphertext, "sha256"), envelope.digest):
            return _unpad(_apply(cipher_key, counter, envelope.ciphertext), where), key, envelope.label
    labelled = f" with the label {envelope.label!r}" if envelope.label else ""
    if not keys:
        raise VaultKeyError(
            f"this is encrypted{labelled}, and no passphrase was given",
            where=where,
            fix="give one: --vault-password-file FILE, --vault-id LABEL@FILE or --ask-vault-pass",
        )
    raise VaultKeyError(
        f"none of the passphrases given opens this{labelled}; tried: {', '.join(map(str, keys))}",
        where=where,
        fix="give the one that it was encrypted with; if that is among them, the file was changed since",
    )


def encrypt(data: bytes, passphrase: bytes, *, salt: bytes, label: str = "") -> str:
    """Return the data as an encrypted text, with a newline at its end; the salt must be random, and used once."""
    if not passphrase:
        raise VaultError("the passphrase is empty", fix="use one that is hard to guess")
    check_label(label or DEFAULT_LABEL)
    cipher_key, hmac_key, counter = _derive(passphrase, salt)
    from cryptography.hazmat.primitives.padding import PKCS7  # dear, and most runs open nothing

    padder = PKCS7(8 * _BLOCK_BYTES).padder()
    ciphertext = _apply(cipher_key, counter, padder.update(data) + padder.finalize())
    digest = hmac.digest(hmac_key, ciphertext, "sha256")
    body = b"\n".join(map(binascii.hexlify, (salt, digest, ciphertext))).hex()
    is_labelled = label not in ("", DEFAULT_LABEL)
    header = f"{_MAGIC}1.2;AES256;{label}" if is_labelled else f"{_MAGIC}1.1;AES256"
    return "\n".join((header, *(body[at : at + _WIDTH] for at in range(0, len(body), _WIDTH)), ""))


def check_label(label: str, where: str = "") -> None:
    """Raise `VaultError` for a label that cannot stand in a header or in LABEL@SOURCE."""
    if not _LABEL.match(label):
        raise VaultError(f"{label!r} cannot be a label", where=where, fix="use letters, digits, _ and -")


def _open(text: str, where: str) -> _Envelope:
    """Return the parts of an encrypted text; raises `VaultError`."""
    header, *lines = text.strip().splitlines() or [""]
    words = header.strip().split(";")
    if not is_vault(header) or len(words) < 3:
        raise VaultError(
            "this is not encrypted: it does not begin with $ANSIBLE_VAULT;VERSION;CIPHER",
            where=where,
            fix="encrypt it: `lunops vault encrypt FILE`",
        )
    version, cipher = words[1], words[2]
    if version not in ("1.1", "1.2") or len(words) != (3 if version == "1.1" else 4):
        raise VaultError(
            f"{header.strip()!r} is of a version that is not known",
            where=where,
            fix="1.1, and 1.2 with a label, are; open it with the program that wrote it and encrypt it anew",
        )
    if cipher != "AES256":
        raise VaultError(
            f"the cipher {cipher!r} is not known", where=where, fix="AES256 is: `ansible-vault rekey` writes it"
        )
    body = "".join(line.strip() for line in lines)
    parts = [_unhex(part, where) for part in _unhex(body.encode("ascii", "replace"), where).split(b"\n")]
    if len(parts) != 3 or len(parts[1]) != 32 or not parts[2] or len(parts[2]) % _BLOCK_BYTES:
        raise VaultError("the encrypted text is damaged: parts of it are missing", where=where, fix=_DAMAGED_FIX)
    return _Envelope(label=words[3] if version == "1.2" else "", salt=parts[0], digest=parts[1], ciphertext=parts[2])


def _unhex(text: bytes, where: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except binascii.Error as error:
        raise VaultError(
            f"the encrypted text is damaged: {str(error).lower()}", where=where, fix=_DAMAGED_FIX
        ) from error


def _derive(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the cipher's key, the HMAC's key and the first counter."""
    made = pbkdf2_hmac("sha256", passphrase, salt, _ROUNDS, 2 * _KEY_BYTES + _BLOCK_BYTES)
    return made[:_KEY_BYTES], made[_KEY_BYTES : 2 * _KEY_BYTES], made[2 * _KEY_BYTES :]


def _apply(key: bytes, counter: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt: counter mode is its own inverse."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    context = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return context.update(data) + context.finalize()


def _unpad(data: bytes, where: str) -> bytes:
    from cryptography.hazmat.primitives.padding import PKCS7  # dear, and most runs open nothing

    unpadder = PKCS7(8 * _BLOCK_BYTES).unpadder()
    try:
        return unpadder.update(data) + unpadder.finalize()
    except ValueError as error:
        raise VaultError("the encrypted text is damaged: its padding is wrong", where=where) from error
