"""Encrypted texts: those that ansible-vault wrote, those that it has to read, and those that are wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunops.errors import VaultError, VaultKeyError
from lunops.vault import VaultKey, decrypt, decrypt_with, encrypt, is_vault

RECORDED = Path(__file__).parent / "scenarios" / "vault"  # made by ansible-vault of ansible-core 2.19.14
ANSIBLE = Path(__file__).parent / "tools" / "ansible"  # prints the folder of its programs
SESAME = VaultKey(passphrase=b"open sesame", source="key")
OTHER = VaultKey(passphrase="Grüße, パス".encode(), label="rack2")
SALT = bytes(range(32))


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.vault").read_text()


@pytest.mark.parametrize("name", ["plain", "nonascii", "binary", "crlf", "empty", "block"])
def test_what_ansible_vault_encrypted_is_decrypted(name: str) -> None:
    assert is_vault(recorded(name))
    assert decrypt(recorded(name), [SESAME]) == (RECORDED / f"{name}.text").read_bytes()


def test_the_passphrase_may_be_any_text() -> None:
    assert decrypt(recorded("other"), [OTHER]) == (RECORDED / "plain.text").read_bytes()


def test_a_file_whose_lines_end_as_on_windows_is_the_same() -> None:
    crlf = (RECORDED / "crlf-envelope.vault").read_bytes().decode()
    assert "\r\n" in crlf
    assert decrypt(crlf, [SESAME]) == (RECORDED / "plain.text").read_bytes()


def test_the_lines_may_be_indented_as_in_a_yaml_file() -> None:
    indented = "\n".join(f"  {line} " for line in recorded("plain").splitlines())
    assert decrypt(indented, [SESAME]) == (RECORDED / "plain.text").read_bytes()


def test_a_label_is_told_and_its_key_is_tried_before_others_but_not_alone() -> None:
    mine = VaultKey(passphrase=b"open sesame", label="rack2")
    text = recorded("labelled")
    assert decrypt_with(text, [SESAME, mine])[1:] == (mine, "rack2")
    assert decrypt_with(text, [OTHER, SESAME])[1:] == (SESAME, "rack2")
    assert decrypt_with(recorded("plain"), [mine, SESAME])[1:] == (SESAME, "")


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(min_size=1, max_size=20), st.sampled_from(["", "rack2", "default"]))
def test_what_is_encrypted_comes_out_the_same(data: bytes, passphrase: bytes, label: str) -> None:
    text = encrypt(data, passphrase, salt=SALT, label=label)
    key = VaultKey(passphrase=passphrase)
    assert decrypt_with(text, [key]) == (data, key, "rack2" if label == "rack2" else "")
    assert max(map(len, text.splitlines())) <= 80


def test_the_text_is_the_very_one_that_ansible_vault_makes_of_the_same_salt() -> None:
    # What is recorded names its own salt: encrypting with it has to give every letter of it again.
    for name, label in (("plain", ""), ("binary", ""), ("labelled", "rack2")):
        body = bytes.fromhex("".join(recorded(name).splitlines()[1:]))
        salt = bytes.fromhex(body.split(b"\n")[0].decode())
        assert encrypt(decrypt(recorded(name), [SESAME]), b"open sesame", salt=salt, label=label) == recorded(name)


def test_a_wrong_passphrase_names_the_keys_that_were_tried_and_shows_none() -> None:
    with pytest.raises(VaultKeyError, match="none of the passphrases given opens this") as caught:
        decrypt(recorded("other"), [SESAME], where="v.yml")
    assert "tried: default (key)" in caught.value.what
    assert caught.value.where == "v.yml"
    assert "sesame" not in str(caught.value) + repr(SESAME)
    with pytest.raises(VaultKeyError, match=r"with the label 'rack2', and no passphrase .*--vault-password-file"):
        decrypt(recorded("labelled"), [])


def changed(at: int) -> str:
    """Return a recorded text with one letter of the ciphertext, counted from its end, exchanged for another."""
    text = recorded("plain").rstrip()
    return text[: len(text) - at] + ("3" if text[-at] != "3" else "4") + text[len(text) - at + 1 :]


def test_a_changed_ciphertext_is_never_decrypted() -> None:
    with pytest.raises(VaultKeyError, match="the file was changed since"):
        decrypt(changed(1), [SESAME])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is not encrypted"),
        ("password: x\n", "is not encrypted"),
        ("$ANSIBLE_VAULT\n00", "is not encrypted"),
        ("$ANSIBLE_VAULT;1.0;AES\n00", "is of a version that is not known"),
        ("$ANSIBLE_VAULT;1.3;AES256;x\n00", "is of a version that is not known"),
        ("$ANSIBLE_VAULT;1.2;AES256\n00", "is of a version that is not known"),
        ("$ANSIBLE_VAULT;1.1;ROT13\n00", "the cipher 'ROT13' is not known"),
        ("$ANSIBLE_VAULT;1.1;AES256\n", "damaged: parts of it are missing"),
        ("$ANSIBLE_VAULT;1.1;AES256\n0", "damaged: odd-length"),
        ("$ANSIBLE_VAULT;1.1;AES256\nzz", "damaged: non-hex"),
        ("$ANSIBLE_VAULT;1.1;AES256\nüü", "damaged: non-hex"),
        (recorded("plain").replace("AES256\n6", "AES256\n"), "damaged: "),
        ("\n".join(recorded("plain").splitlines()[:-1]), "damaged: "),
    ],
)
def test_what_cannot_be_an_encrypted_text_says_why(text: str, what: str) -> None:
    with pytest.raises(VaultError, match=what) as caught:
        decrypt(text, [SESAME], where="v.yml")
    assert not isinstance(caught.value, VaultKeyError)
    assert caught.value.where == "v.yml"
    assert caught.value.fix


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_makes_anything_but_an_error_of_ours(text: str) -> None:
    for damaged in (text, f"$ANSIBLE_VAULT;1.1;AES256\n{text}", f"$ANSIBLE_VAULT;{text}"):
        with pytest.raises(VaultError):
            decrypt(damaged, [SESAME])


def test_an_empty_passphrase_and_a_label_that_a_header_cannot_hold_are_refused() -> None:
    with pytest.raises(VaultError, match="empty"):
        encrypt(b"x", b"", salt=SALT)
    for label in ("a;b", "a b", "a\n", "a@b"):
        with pytest.raises(VaultError, match="cannot be a label"):
            encrypt(b"x", b"y", salt=SALT, label=label)


@pytest.mark.skipif(not ANSIBLE.exists(), reason="there is no ansible-core here to compare with")
@pytest.mark.parametrize("label", ["", "rack2"])
@pytest.mark.parametrize("data", ["Ünïcode 🔑\n".encode(), bytes(range(256)), b"", b"a\r\nb\r\n"])
def test_ansible_vault_reads_what_is_encrypted_here(tmp_path: Path, data: bytes, label: str) -> None:
    programs = subprocess.run([str(ANSIBLE)], check=True, stdout=subprocess.PIPE, text=True, timeout=600).stdout.strip()
    key, file = tmp_path / "key", tmp_path / "file"
    key.write_text("Grüße, パス\n")
    file.write_text(encrypt(data, "Grüße, パス".encode(), salt=os.urandom(32), label=label))
    done = subprocess.run(
        [f"{programs}/ansible-vault", "decrypt", "--vault-password-file", str(key), "--output", "-", str(file)],
        check=True,
        capture_output=True,
        timeout=60,
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp")},
    )
    assert done.stdout == data
