"""Read the service's settings: one TOML file, whose paths are relative to it."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lunops.errors import SettingsError
from lunops.near import hint

_SQLITE = "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `lunops serve` needs to know. Those without a default must be given."""

    certificate: Path  # PEM, the server's, with what stands between it and its CA
    key: Path  # PEM
    client_ca: Path  # PEM: who issues the certificates of clients
    inventory: Path
    store: Path  # `sqlite:///FILE`, by default lunops.db; the engine keeps a file of its own beside it
    listen: tuple[str, int] = ("127.0.0.1", 8443)  # port 0: one that is free
    poll_s: float = 0.5  # how long work waits, at most, that another process queued or left; costs idle CPU
    heads_at_once: int = 16
    items_max: int = 1000  # clones in one request
    body_max_bytes: int = 1024 * 1024
    workers: int = 10  # threads that answer requests
    stop_s: float = 30.0  # how long a stop waits for the tasks that run


_REQUIRED = ("certificate", "key", "client_ca", "inventory")
_PATHS = frozenset({"certificate", "key", "client_ca", "inventory"})
_LEAST: dict[str, float] = {
    "poll_s": 0.005,
    "heads_at_once": 1,
    "items_max": 1,
    "body_max_bytes": 1024,
    "workers": 1,
    "stop_s": 0,
}


def read(path: Path) -> Settings:
    """Read the file. Raises SettingsError that names the file and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the settings cannot be read: {error}", where=str(path), fix="name a TOML file that may be read"
        ) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Settings:
    """Return the settings in `text`; `path` is where it stands: for errors, and for its relative paths."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"not TOML: {error}", where=str(path), fix='write lines of KEY = "VALUE"') from error
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            raise SettingsError(f"there is no setting {name!r}", where=str(path), fix=hint(name, known, "settings"))
    for name in _REQUIRED:
        if name not in values:
            raise SettingsError(f"the setting {name!r} is missing", where=str(path), fix=f'add {name} = "FILE"')
    values.setdefault("store", f"{_SQLITE}lunops.db")  # beside the settings, wherever the service is started
    return Settings(**{name: _value(name, value, path) for name, value in values.items()})


def _value(name: str, value: object, path: Path) -> Any:
    where = f"{path}: {name}"
    if name == "listen":
        return _listen(value, where)
    if name == "store":
        return _store(value, path.parent, where)
    if name in _PATHS:
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{value!r} is not a path", where=where, fix='write "FILE"')
        return path.parent / Path(value).expanduser()
    return _number(value, _LEAST, name, where)


def _listen(value: object, where: str) -> tuple[str, int]:
    address, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    try:
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ValueError
        return str(ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        raise SettingsError(
            f"{value!r} is not an address to listen on", where=where, fix='write "127.0.0.1:8443" or "[::1]:8443"'
        ) from None


def _store(value: object, folder: Path, where: str) -> Path:
    if not isinstance(value, str) or not value.startswith(_SQLITE) or value == _SQLITE:
        raise SettingsError(
            f"{value!r} is not a store",
            where=where,
            fix='write "sqlite:///lunops.db", or "sqlite:////var/lib/lunops/lunops.db" for an absolute path',
        )
    return folder / Path(value.removeprefix(_SQLITE)).expanduser()


def _number(value: object, least: Mapping[str, float], name: str, where: str) -> float:
    whole = not name.endswith("_s")
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least[name] <= value <= 1e9:
        raise SettingsError(
            f"{value!r} is not a setting of {name}",
            where=where,
            fix=f"write a {'whole ' if whole else ''}number from {least[name]} on",
        )
    return value if whole else float(value)
