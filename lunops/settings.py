"""Read the service's settings: one TOML file, whose paths are relative to it."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from lunops.errors import SettingsError
from lunops.inventory.settings import LABEL
from lunops.near import hint

_SQLITE = "sqlite:///"
_POSTGRESQL = "postgresql://"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `lunops serve` needs to know. Those without a default must be given."""

    certificate: Path  # PEM, the server's, with what stands between it and its CA
    key: Path  # PEM
    client_ca: Path  # PEM: who issues the certificates of clients
    inventory: Path
    store: str  # `sqlite:///FILE` (by default lunops.db; the engine keeps a file beside it), or `postgresql://…`
    listen: tuple[str, int] = ("127.0.0.1", 8443)  # port 0: one that is free
    poll_s: float = 0.5  # how long work waits, at most, that another process queued or left; costs idle CPU
    heads_at_once: int = 16  # parts of jobs that one worker does side by side
    jobs_per_head: int = 2  # jobs on one head side by side; the host variable jobs_at_once says another number
    labels: tuple[str, ...] = ()  # the worker does jobs on heads with these worker_label; none: on heads without one
    deadline_s: float = 900.0  # how long after its acceptance a job tries again to reach a head
    queue_max: int = 10_000  # jobs that are not over; one more is refused for the time being
    queue_max_per_client: int = 0  # 0: no limit but that
    lease_s: float = 20.0  # a worker that was not heard of for so long has lost its jobs to others
    keep_days: int = 0  # jobs that ended longer ago are removed; 0: never
    keep_jobs: int = 0  # of the jobs that are over only the latest so many are kept; 0: all
    priorities: Mapping[str, int] = field(default_factory=dict)  # by a client's common name; the higher goes first
    items_max: int = 1000  # clones in one request
    body_max_bytes: int = 1024 * 1024
    workers: int = 10  # threads that answer requests
    stop_s: float = 30.0  # how long a stop waits for the tasks that run


_REQUIRED = ("certificate", "key", "client_ca", "inventory")
_PATHS = frozenset({"certificate", "key", "client_ca", "inventory"})
_LEAST: dict[str, float] = {
    "poll_s": 0.005,
    "heads_at_once": 1,
    "jobs_per_head": 1,
    "deadline_s": 0,
    "queue_max": 0,
    "queue_max_per_client": 0,
    "lease_s": 2,
    "keep_days": 0,
    "keep_jobs": 0,
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


def check_store(settings: Settings, path: Path) -> None:
    """Raise SettingsError if there is no folder for the store's file; `path` is the settings' own."""
    folder = Path(settings.store.removeprefix(_SQLITE)).parent
    if settings.store.startswith(_SQLITE) and not folder.is_dir():
        raise SettingsError(f"there is no folder {folder} for the store", where=f"{path}: store", fix="make it first")


def parse(text: str, path: Path) -> Settings:
    """Return the settings in `text`; `path` is where it stands: for errors, and for its relative paths."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"not TOML: {error}", where=str(path), fix='write lines of KEY = "VALUE"') from error
    known = [each.name for each in fields(Settings)]
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
    if name == "labels":
        return _labels(value, where)
    if name == "priorities":
        return _priorities(value, where)
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


def _store(value: object, folder: Path, where: str) -> str:
    if isinstance(value, str) and value.startswith(_SQLITE) and value != _SQLITE:
        return f"{_SQLITE}{folder / Path(value.removeprefix(_SQLITE)).expanduser()}"
    if isinstance(value, str) and value.startswith(_POSTGRESQL) and value != _POSTGRESQL:
        return value
    shown = "what is given" if isinstance(value, str) and "@" in value else repr(value)  # it may hold a password
    raise SettingsError(
        f"{shown} is not a store",
        where=where,
        fix='write "sqlite:///lunops.db", "sqlite:////var/lib/lunops/lunops.db" for an absolute path,'
        ' or "postgresql://USER@HOST/DATABASE"',
    )


def _labels(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and LABEL.match(each) for each in value):
        raise SettingsError(f"{value!r} is not a list of labels", where=where, fix='write ["rack1", "rack2"]')
    return tuple(value)


def _priorities(value: object, where: str) -> Mapping[str, int]:
    if not isinstance(value, dict) or not all(type(each) is int and abs(each) <= 1000 for each in value.values()):
        raise SettingsError(
            f"{value!r} does not give priorities", where=where, fix="write a table of NAME = NUMBER, -1000 to 1000"
        )
    return value


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
