"""`lunops vault`: files that are written whole, with their mode, and no plain text that stays anywhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lunops.cli import BAD_INPUT, BAD_OPTION, run
from lunops.cli.files import secret_folder, write_atomically
from lunops.errors import InputError
from lunops.vault import VaultKey, decrypt
from lunops.yaml_source import Vaulted, read

PLAIN = "chap_password: correct horse\n"
KEY = VaultKey(passphrase=b"open sesame")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a passphrase in `key`, named by the environment, and a file `v.yml` to encrypt."""
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    (tmp_path / "key").write_text("open sesame\n")
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("LUNOPS_VAULT_PASSWORD_FILE", str(tmp_path / "key"))
    (tmp_path / "v.yml").write_text(PLAIN)
    (tmp_path / "v.yml").chmod(0o640)
    return tmp_path


def vault(*words: object) -> int:
    return run(["vault", *map(str, words)])


def editor(folder: Path, script: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_file_is_encrypted_viewed_and_decrypted_in_its_place_and_keeps_its_mode(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = here / "v.yml"
    (here / "link").symlink_to(file)
    assert vault("encrypt", here / "link") == 0
    assert (here / "link").is_symlink()
    assert decrypt(file.read_text(), [KEY]) == PLAIN.encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    capfd.readouterr()
    assert vault("view", file) == 0
    assert capfd.readouterr().out == PLAIN
    assert vault("decrypt", file) == 0
    assert file.read_text() == PLAIN
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in here.iterdir()) == ["key", "link", "v.yml"]


def test_of_several_files_none_is_written_where_one_cannot_be(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = here / "other.yml"
    other.write_text(PLAIN)
    assert vault("encrypt", other) == 0
    assert vault("encrypt", here / "v.yml", other) == BAD_INPUT
    assert "is encrypted already" in capfd.readouterr().err
    assert (here / "v.yml").read_text() == PLAIN
    before = other.read_text()
    for command in ("decrypt", "rekey", "view"):
        assert vault(command, other, here / "v.yml") == BAD_INPUT
        said = capfd.readouterr()
        assert "is not encrypted" in said.err
        assert said.out == ""
    assert other.read_text() == before


def test_rekey_takes_the_new_passphrase_and_label(here: Path) -> None:
    (here / "new").write_text("new one\n")
    (here / "new").chmod(0o600)
    assert vault("encrypt", here / "v.yml") == 0
    assert vault("rekey", here / "v.yml", "--new-vault-id", f"rack2@{here}/new") == 0
    text = (here / "v.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;rack2\n")
    assert decrypt(text, [VaultKey(passphrase=b"new one")]) == PLAIN.encode()
    assert vault("rekey", here / "v.yml", "--new-vault-id", "a@b", "--new-vault-password-file", "c") == BAD_OPTION


def test_with_several_passphrases_the_one_to_encrypt_with_is_named(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ids = ("--vault-id", f"rack1@{here}/key", "--vault-id", f"rack2@{here}/key")
    assert vault("encrypt", here / "v.yml", *ids) == BAD_INPUT
    assert "--encrypt-vault-id LABEL" in capfd.readouterr().err
    assert vault("encrypt", here / "v.yml", *ids, "--encrypt-vault-id", "rakc2") == BAD_INPUT
    assert "did you mean 'rack2'?" in capfd.readouterr().err
    assert vault("encrypt", here / "v.yml", *ids, "--encrypt-vault-id", "rack2") == 0
    assert (here / "v.yml").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;rack2\n")


def test_edit_shows_the_plain_text_in_a_private_folder_and_writes_what_was_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vault("encrypt", here / "v.yml", "--vault-id", f"rack2@{here}/key") == 0
    seen = here / "seen"
    monkeypatch.setenv(
        "EDITOR", editor(here, f'echo "$1" > {seen}; stat -c %a "$1" "${{1%/*}}" >> {seen}; echo "b: 2" >> "$1"')
    )
    assert vault("edit", here / "v.yml") == 0
    shown, mode, folder_mode = seen.read_text().splitlines()
    assert (mode, folder_mode, Path(shown).name) == ("600", "700", "v.yml")
    assert not Path(shown).parent.exists()
    assert decrypt((here / "v.yml").read_text(), [KEY]) == f"{PLAIN}b: 2\n".encode()
    assert (here / "v.yml").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;rack2\n")


def test_edit_leaves_a_file_that_was_not_changed_and_one_whose_editor_failed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert vault("encrypt", here / "v.yml") == 0
    before = (here / "v.yml").read_text()
    monkeypatch.setenv("EDITOR", "true")
    assert vault("edit", here / "v.yml") == 0
    assert "unchanged" in capfd.readouterr().err
    monkeypatch.setenv("EDITOR", editor(here, f'echo "$1" > {here}/seen; echo b >> "$1"; exit 1'))
    assert vault("edit", here / "v.yml") != 0
    assert not Path((here / "seen").read_text().strip()).parent.exists()
    assert (here / "v.yml").read_text() == before


def test_edit_makes_a_file_that_is_not_there_for_its_owner_alone_and_none_where_nothing_was_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    assert vault("edit", here / "new.yml") == 0
    assert not (here / "new.yml").exists()
    monkeypatch.setenv("EDITOR", editor(here, 'echo "a: 1" >> "$1"'))
    assert vault("edit", here / "new.yml") == 0
    assert stat.S_IMODE((here / "new.yml").stat().st_mode) == 0o600
    assert decrypt((here / "new.yml").read_text(), [KEY]) == b"a: 1\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_plain_text_goes_where_the_edit_is_told_to_end(here: Path, number: int) -> None:
    assert vault("encrypt", here / "v.yml") == 0
    environment = {
        **os.environ,
        "EDITOR": editor(here, f'echo "$1" > {here}/seen.new; mv {here}/seen.new {here}/seen; exec sleep 20'),
    }
    process = subprocess.Popen([sys.executable, "-m", "lunops", "vault", "edit", str(here / "v.yml")], env=environment)
    deadline = time.monotonic() + 30
    while not (here / "seen").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    shown = Path((here / "seen").read_text().strip())
    assert shown.read_text() == PLAIN
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert not shown.parent.exists()


def test_encrypt_string_prints_a_value_for_a_yaml_file(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lunops", "vault", "encrypt-string", "-n", "chap_password"],
        input=b"correct horse\n",
        capture_output=True,
        check=True,
        timeout=60,
    )
    value = read(done.stdout.decode(), "x", InputError).value["chap_password"]
    assert isinstance(value, Vaulted)
    assert decrypt(value, [KEY]) == b"correct horse"
    assert (here / "key").exists()


def test_without_a_terminal_and_without_a_passphrase_the_error_says_what_to_give(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUNOPS_VAULT_PASSWORD_FILE")
    for words in (["encrypt"], ["view", "--ask-vault-pass"]):
        done = subprocess.run(
            [sys.executable, "-m", "lunops", "vault", *words, str(here / "v.yml")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == BAD_INPUT
        assert "no terminal to ask for the passphrase" in done.stderr
        assert "--vault-password-file" in done.stderr


@pytest.mark.skipif(not shutil.which("script"), reason="there is no `script` to make a terminal")
def test_on_a_terminal_a_passphrase_is_asked_for_twice_and_not_shown(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUNOPS_VAULT_PASSWORD_FILE")

    def typed(command: str, *answers: str) -> str:
        words = ["script", "-qec", f"{sys.executable} -m lunops vault {command} {here}/v.yml", "/dev/null"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            said = b""
            for answer in answers:
                while not said.rstrip().endswith(b":"):  # typed earlier, the terminal would echo it
                    said += os.read(process.stdout.fileno(), 1000)
                said += b"."
                process.stdin.write(answer.encode() + b"\n")
                process.stdin.flush()
            said += process.stdout.read()
            assert process.wait(30) == 0, said
        return said.decode()

    said = typed("encrypt", "sésame", "sésame")
    assert "New Vault password" in said
    assert "sésame" not in said
    assert decrypt((here / "v.yml").read_text(), [VaultKey(passphrase="sésame".encode())]) == PLAIN.encode()
    assert PLAIN.strip() in typed("view", "sésame")


def test_a_file_that_cannot_be_written_is_left_and_no_draft_stays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write this"):
        write_atomically(tmp_path / "none" / "file", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot write this"):
        write_atomically(tmp_path / "folder", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_private_folder_is_in_memory_where_there_is_such_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with contextlib.suppress(KeyError), secret_folder() as folder:
        assert folder.parent == tmp_path
        (folder / ".v.yml.swp").write_text("left by an editor")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
