"""Where passphrases come from, and what is read with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.errors import InputError, LunopsError, VaultError
from lunops.mask import MASKED, Mask
from lunops.vault import VaultKey, encrypt
from lunops.vault_keys import KeySources, VaultReader, load_keys, new_key
from lunops.yaml_source import read

KEY = VaultKey(passphrase=b"open sesame")
SALT = bytes(range(32))


def nobody(question: str) -> str:
    raise LunopsError(f"nobody answers {question}")


def file(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_file_gives_its_text_without_the_space_around_it_and_a_program_what_it_prints(tmp_path: Path) -> None:
    plain = file(tmp_path / "plain", "  open sesame\n\n")
    program = file(tmp_path / "program", "#!/bin/sh\necho ' from a program '\n", 0o755)
    keys = load_keys(KeySources(vault_ids=(f"rack2@{program}", plain), password_files=(plain,)), nobody)
    assert [(key.label, key.passphrase) for key in keys] == [
        ("rack2", b" from a program "),
        ("default", b"open sesame"),
        ("default", b"open sesame"),
    ]
    assert [key.source for key in keys] == [program, plain, plain]


def test_a_program_that_is_a_vault_client_is_told_the_label(tmp_path: Path) -> None:
    client = file(tmp_path / "pass-client.sh", '#!/bin/sh\necho "for $*"\n', 0o755)
    (key,) = load_keys(KeySources(vault_ids=(f"rack2@{client}",)), nobody)
    assert key.passphrase == b"for --vault-id rack2"


def test_a_typed_passphrase_is_asked_for_once_to_open_and_twice_to_encrypt() -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "typed" if len(asked) < 5 else "mistyped"

    assert load_keys(KeySources(vault_ids=("rack2@prompt",)), answer)[0].passphrase == b"typed"
    assert new_key("rack2@prompt", answer).label == "rack2"
    with pytest.raises(VaultError, match="not the same"):
        new_key("prompt", answer)
    assert asked == [
        "Vault password (rack2)",
        "New Vault password (rack2)",
        "Confirm new Vault password (rack2)",
        "New Vault password",
        "Confirm new Vault password",
    ]


@pytest.mark.parametrize(
    ("mode", "text", "what", "fix"),
    [
        (0o604, "x", "every user of this machine may read or change this, its mode is 0604", "chmod 600"),
        (0o602, "x", "may read or change this", "chmod 600"),
        (0o757, "#!/bin/sh\necho x\n", "every user of this machine may change this", "chmod 755"),
        (0o700, "no program\n", "this cannot be run", "chmod 600"),
        (0o700, "#!/bin/sh\necho x; exit 3\n", "gave no passphrase, and exit code 3", "run it by hand"),
        (0o700, "#!/bin/sh\necho\n", "the passphrase is empty", "name a file"),
        (0o600, " \n", "the passphrase is empty", "name a file"),
    ],
)
def test_a_source_that_is_no_good_says_why_and_how_to_mend_it(
    tmp_path: Path, mode: int, text: str, what: str, fix: str
) -> None:
    source = file(tmp_path / "source", text, mode)
    with pytest.raises(VaultError, match=what) as caught:
        load_keys(KeySources(password_files=(source,)), nobody)
    assert caught.value.where == source
    assert fix in caught.value.fix


def test_a_source_that_is_not_there_or_is_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="No such file"):
        load_keys(KeySources(password_files=(str(tmp_path / "none"),)), nobody)
    with pytest.raises(VaultError, match="a folder"):
        load_keys(KeySources(password_files=(str(tmp_path),)), nobody)
    with pytest.raises(VaultError, match="cannot be a label"):
        load_keys(KeySources(vault_ids=("a b@prompt",)), nobody)


def test_files_are_read_whether_encrypted_or_not_and_what_was_encrypted_is_masked(tmp_path: Path) -> None:
    mask = Mask()
    reader = VaultReader([KEY], mask)
    (tmp_path / "plain.yml").write_text("pool: tank-one\n")
    (tmp_path / "secret.yml").write_text(encrypt(b"chap: {password: 'correct horse'}\n", b"open sesame", salt=SALT))
    (tmp_path / "note.txt").write_text(encrypt(b"a: b: not YAML at all\n", b"open sesame", salt=SALT))
    assert reader.read_text(tmp_path / "plain.yml") == "pool: tank-one\n"
    assert reader.read_text(tmp_path / "secret.yml") == "chap: {password: 'correct horse'}\n"
    reader.read_text(tmp_path / "note.txt")
    assert mask.text("tank-one, correct horse, password") == f"tank-one, {MASKED}, password"
    assert mask.text("a: b: not YAML at all") == MASKED


def test_values_under_the_tag_vault_are_revealed_wherever_they_stand_and_masked() -> None:
    mask = Mask()
    text = Path(__file__).parent.joinpath("scenarios/vault/string.yml").read_text()
    value = read(f"plain: 1\nin:\n  list:\n    - 2\n{text}", "v.yml", InputError).value
    value["in"]["list"].append(value["chap_password"])
    revealed = VaultReader([KEY], mask).reveal(value, "v.yml")
    assert revealed == {"plain": 1, "in": {"list": [2, "correct horse 12"]}, "chap_password": "correct horse 12"}
    assert type(revealed["chap_password"]) is str
    assert mask.text("password=correct horse 12") == f"password={MASKED}"
    with pytest.raises(VaultError, match=r"v\.yml, in, list"):
        VaultReader([], mask).reveal(value, "v.yml")


def test_what_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    reader = VaultReader([KEY], Mask())
    with pytest.raises(InputError, match="cannot read this") as caught:
        reader.read_text(tmp_path / "none")
    assert caught.value.where == str(tmp_path / "none")
    (tmp_path / "binary").write_text(encrypt(b"\xff\xfe", b"open sesame", salt=SALT))
    with pytest.raises(InputError, match="not UTF-8"):
        reader.read_text(tmp_path / "binary")
    assert reader.read_bytes(tmp_path / "binary") == b"\xff\xfe"
