"""The service's settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.errors import SettingsError
from lunops.settings import parse, read

FILE = Path("/etc/lunops/lunops.toml")
LEAST = """
certificate = "tls/server.crt"
key = "tls/server.key"
client_ca = "/etc/ca.crt"
inventory = "inventory"
"""


def test_paths_are_relative_to_the_file_and_the_rest_has_defaults() -> None:
    settings = parse(LEAST, FILE)
    assert settings.certificate == Path("/etc/lunops/tls/server.crt")
    assert settings.client_ca == Path("/etc/ca.crt")
    assert settings.listen == ("127.0.0.1", 8443)
    assert (settings.poll_s, settings.stop_s) == (0.5, 30.0)


def test_the_default_store_is_beside_the_file_too() -> None:
    assert parse(LEAST, FILE).store == "sqlite:////etc/lunops/lunops.db"


def test_a_store_is_a_sqlite_address_relative_to_the_file_or_absolute() -> None:
    assert parse(LEAST + 'store = "sqlite:///a.db"', FILE).store == "sqlite:////etc/lunops/a.db"
    assert parse(LEAST + 'store = "sqlite:////var/a.db"', FILE).store == "sqlite:////var/a.db"


def test_a_store_may_be_a_database_of_postgresql_and_its_password_is_not_told() -> None:
    address = "postgresql://lunops:secret@db/lunops"
    assert parse(f'{LEAST}store = "{address}"', FILE).store == address
    with pytest.raises(SettingsError) as caught:
        parse(f'{LEAST}store = "mysql://lunops:secret@db/lunops"', FILE)
    assert "secret" not in str(caught.value)


def test_labels_and_priorities_are_read_and_checked() -> None:
    found = parse(LEAST + 'labels = ["rack1"]\n[priorities]\nalice = 5\n', FILE)
    assert (found.labels, found.priorities) == (("rack1",), {"alice": 5})
    for line in ('labels = "rack1"', 'labels = ["a b"]', 'priorities = {alice = "high"}'):
        with pytest.raises(SettingsError, match=line.split()[0] + r"|labels|priorities"):
            parse(f"{LEAST}{line}", FILE)


def test_it_listens_on_ipv6_and_on_a_port_that_the_system_chooses() -> None:
    assert parse(LEAST + 'listen = "[::1]:0"', FILE).listen == ("::1", 0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('invetory = "x"', "did you mean 'inventory'"),
        ('listen = "8443"', "not an address to listen on"),
        ('listen = "127.0.0.1:99999"', "not an address to listen on"),
        ('listen = "localhost:1"', "not an address to listen on"),
        ('store = "postgres://x"', "not a store"),
        ('store = "sqlite:///"', "not a store"),
        ("poll_s = 0", "poll_s"),
        ("poll_s = nan", "poll_s"),
        ("poll_s = true", "poll_s"),
        ("workers = 1.5", "write a whole number"),
        ("workers = ", "not TOML"),
    ],
)
def test_a_wrong_line_is_refused_with_its_file_and_remedy(line: str, says: str) -> None:
    with pytest.raises(SettingsError, match=str(FILE)) as caught:
        parse(LEAST + line, FILE)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca", "inventory"])
def test_what_has_no_default_must_be_there(name: str) -> None:
    text = "\n".join(line for line in LEAST.splitlines() if not line.startswith(name))
    with pytest.raises(SettingsError, match=f"'{name}' is missing"):
        parse(text, FILE)


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(SettingsError, match="not a path"):
        parse(LEAST.replace('"inventory"', "7"), FILE)


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.toml"):
        read(tmp_path / "nothing.toml")
