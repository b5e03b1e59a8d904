"""Turn the variables of one head into a `Host`: known names are checked, all others are the templates'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunops.errors import BadValueError, InventoryError
from lunops.inventory_ini import Given
from lunops.model import Host, Json
from lunops.names import Dataset, Portal
from lunops.near import hint, nearest
from lunops.typed import typed

CONNECTIONS = ("ssh", "local", "sim")
_ANSIBLE_CONNECTIONS = {"smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh"}
# our name for a setting → Ansible's names for it
_ALIASES = {
    "connection": ("ansible_connection",),
    "host": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "private_key": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "known_hosts": (),
    "become": ("ansible_become",),
    "python": ("ansible_python_interpreter",),
    "pools": (),
    "portals": (),
    "state": (),
    "delay_ms": (),
    "sim_process": (),
    "hang_s": (),
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the variables of a host come from, the weakest first: its groups, then its own line."""

    name: str
    groups: tuple[str, ...]
    layers: tuple[tuple[str, Mapping[str, Given]], ...]  # (whose, variables)


def build(source: Source, path: Path) -> Host:
    """Return the host; `path` is the inventory's, from which relative paths start.

    Raises `InventoryError` that names the line of the variable that is wrong.
    """
    settings, variables = _merge(source, path)
    folder = path.parent

    def get(name: str, convert: Callable[[str], Any], default: Any) -> Any:
        given = settings.get(name)
        if given is None:
            return default
        try:
            return convert(given.text)
        except BadValueError as error:
            raise InventoryError(error.what, where=f"{path}:{given.line}, {name}", fix=error.fix) from error

    def file(text: str) -> Path:
        return folder / Path(_word(text)).expanduser()

    pools = get("pools", _pools, ())
    return Host(
        name=source.name,
        connection=get("connection", _connection, "ssh"),
        address=get("host", _word, source.name),
        port=get("port", _port, None),
        user=get("user", _word, ""),
        private_key=get("private_key", file, None),
        known_hosts=get("known_hosts", file, None),
        become=get("become", _truth, False),
        python=get("python", _python, "python3"),
        pools=pools,
        portals=get("portals", _portals, (Portal(address="0.0.0.0", port=3260),)),
        state=get("state", file, folder / f"{source.name}.sim"),
        delay_s=get("delay_ms", _milliseconds, 0.0),
        sim_process=get("sim_process", _truth, False),
        hang_s=get("hang_s", _seconds, 120.0),
        groups=source.groups,
        variables={
            **variables,
            "pools": list(pools),
            "inventory_hostname": source.name,
            "group_names": list(source.groups),
        },
    )


def _merge(source: Source, path: Path) -> tuple[dict[str, Given], dict[str, Json]]:
    """Return the settings by our names for them, and every variable as it was named."""
    settings: dict[str, Given] = {}
    variables: dict[str, Json] = {}
    for whose, layer in source.layers:
        here: dict[str, str] = {}
        for name, given in layer.items():
            variables[name] = typed(given.text)
            where = f"{path}:{given.line}"
            setting = _CANONICAL.get(name)
            if setting is None:
                _refuse_ansible(name, where)
                continue
            if (other := here.setdefault(setting, name)) != name and layer[other].text != given.text:
                raise InventoryError(
                    f"{whose} has both {other!r} and {name!r}, and they differ", where=where, fix="keep one of them"
                )
            settings[setting] = given
    return settings, variables


def _refuse_ansible(name: str, where: str) -> None:
    """Refuse a connection variable of Ansible's that would have an effect there and none here."""
    if name.startswith("ansible_"):
        near = nearest(name, (known for known in _CANONICAL if known.startswith("ansible_")))
        raise InventoryError(
            f"the variable {name!r} is not known here",
            where=where,
            fix=f"did you mean {near!r}? " * bool(near) + f"lunops takes {', '.join(_ALIASES)}, and ~/.ssh/config",
        )


def _word(text: str) -> str:
    if not text.strip() or any(ord(letter) < 32 for letter in text):
        raise BadValueError(f"{text!r} is empty or no text", fix="give it a value, or leave the variable out")
    return text


def _connection(text: str) -> str:
    found = _ANSIBLE_CONNECTIONS.get(text, text)
    if found not in CONNECTIONS:
        raise BadValueError(f"{text!r} is no kind of connection", fix=hint(text, CONNECTIONS, "connections"))
    return found


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise BadValueError(f"{text!r} is not a port", fix="write a number from 1 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise BadValueError(f"{text!r} is no number of seconds", fix="write a whole number from 1 to 99999")
    return float(text)


def _milliseconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise BadValueError(f"{text!r} is no number of milliseconds", fix="write a whole number from 0 to 99999")
    return int(text) / 1000


def _truth(text: str) -> bool:
    found = _TRUTH.get(text.lower())
    if found is None:
        raise BadValueError(f"{text!r} is neither true nor false", fix="write true or false")
    return found


def _python(text: str) -> str:
    return "python3" if text.startswith("auto") else _word(text)  # Ansible's word for "find it out"


def _pools(text: str) -> tuple[str, ...]:
    names = _list(text)
    for name in names:
        if Dataset.parse(name).pool != name:
            raise BadValueError(f"{name!r} is a dataset, not a pool", fix=f"write {name.split('/')[0]}")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise BadValueError(f"the pool {twice[0]!r} is given twice", fix="give each once")
    return tuple(names)


def _portals(text: str) -> tuple[Portal, ...]:
    return tuple(Portal.parse(word) for word in _list(text))


def _list(text: str) -> list[str]:
    """Return the words of `a,b` or of `["a", "b"]`."""
    value = typed(text)
    words = [str(word) for word in value] if isinstance(value, list) else [word.strip() for word in text.split(",")]
    if not all(words) or not words:
        raise BadValueError(f"{text!r} has an empty word", fix="write A,B")
    return words
