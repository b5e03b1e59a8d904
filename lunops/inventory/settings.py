"""The variables that are settings of ours: their names, Ansible's names for them, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lunops.errors import BadValueError, InventoryError
from lunops.inventory.raw import PRIORITY, Given
from lunops.model import Json
from lunops.names import Dataset, Portal
from lunops.near import hint, nearest
from lunops.typed import typed
from lunops.yaml_source import Vaulted

CONNECTIONS: Final = ("ssh", "local", "sim")
LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_ANSIBLE_CONNECTIONS = {"smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NO_PASSWORD = (
    "leave it out: give the password with -K (--ask-become-pass), allow it in the head's sudoers without one "
    "(NOPASSWD), or log in as root"
)
_ONLY_SUDO = "leave it out: lunops finds sudo by the PATH of the user who logs in, and needs no flags"
_IN_SSH_CONFIG = "put it into ~/.ssh/config, which lunops reads"
# What people bring along from Ansible, and what to do instead.
_REFUSED = {
    "ansible_become_password": _NO_PASSWORD,
    "ansible_become_pass": _NO_PASSWORD,
    "ansible_sudo_pass": _NO_PASSWORD,
    "become_password": _NO_PASSWORD,
    "ansible_become_exe": _ONLY_SUDO,
    "ansible_become_flags": _ONLY_SUDO,
    "ansible_password": "leave it out: lunops logs in with a key or an ssh agent; see private_key",
    "ansible_ssh_pass": "leave it out: lunops logs in with a key or an ssh agent; see private_key",
    "ansible_ssh_common_args": _IN_SSH_CONFIG,
    "ansible_ssh_extra_args": _IN_SSH_CONFIG,
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting: what its value becomes, and how it is written in INI."""

    convert: Callable[[Json], Any]
    aliases: tuple[str, ...] = ()
    is_text: bool = False  # in INI, 007 is the text 007
    is_list: bool = False
    is_path: bool = False


def value_of(name: str, text: str) -> Json:
    """Return the value of a variable in INI: JSON where it is JSON, but a setting that is text stays text."""
    setting = SETTINGS.get(CANONICAL.get(name, ""))
    value = typed(text)
    if setting is not None and (setting.is_text or (setting.is_list and not isinstance(value, list))):
        return text
    return value


def settings_in(
    whose: str, variables: Mapping[str, tuple[Given, ...]]
) -> tuple[dict[str, Given], list[InventoryError]]:
    """Return the settings among variables by our names for them, and what is wrong with their names."""
    found: dict[str, Given] = {}
    names: dict[str, str] = {}
    errors: list[InventoryError] = []
    for name, all_given in variables.items():
        given = all_given[-1]
        setting = CANONICAL.get(name)
        if setting is None:
            if error := _refused(name, given):
                errors.append(error)
            continue
        other = found.get(setting)
        if other is not None and other.source == given.source and other.value != given.value:
            errors.append(
                InventoryError(
                    f"{whose} has both {names[setting]!r} and {name!r}, and they differ",
                    where=given.where,
                    fix="keep one of them",
                )
            )
        if other is None or other.source <= given.source:
            found[setting], names[setting] = given, name
    return found, errors


def _refused(name: str, given: Given) -> InventoryError | None:
    """Return the error for a variable of Ansible's that would have an effect there and none here."""
    if name == PRIORITY:
        fix = "give it in the inventory itself, as Ansible wants it too: it has no effect in group_vars"
        return InventoryError(f"{name} stands in a file of variables", where=given.where, fix=fix)
    if name == "ansible_become_method":
        if given.value == "sudo":
            return None
        return InventoryError(f"{name} is {given.value!r}", where=given.where, fix="lunops knows sudo only")
    if not name.startswith("ansible_") and name not in _REFUSED:
        return None
    near = nearest(name, (known for known in CANONICAL if known.startswith("ansible_")))
    aliases = ", ".join(each for setting in SETTINGS.values() for each in setting.aliases[:1])
    fix = f"did you mean {near!r}?" if near else f"lunops takes {aliases}, {PRIORITY}, and ~/.ssh/config"
    return InventoryError(f"the variable {name!r} is not known here", where=given.where, fix=_REFUSED.get(name, fix))


def file_of(given: Given) -> Path:
    """Return the path that a setting gives, starting at the folder of its file."""
    try:
        return given.folder / Path(_word(given.value)).expanduser()
    except RuntimeError as error:
        raise BadValueError(f"{given.value!r} begins with a user who is not known", fix="write the path") from error


def _text(value: Json) -> str:
    if isinstance(value, Vaulted):
        raise BadValueError("it is encrypted, and a setting has to be known at once", fix="write it in clear")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise BadValueError(f"{value!r} is no text", fix="put it in quotes")


def _word(value: Json) -> str:
    text = _text(value)
    if not text.strip() or any(ord(letter) < 32 for letter in text):
        raise BadValueError(f"{text!r} is empty or no text", fix="give it a value, or leave the variable out")
    if "{{" in text or "{%" in text:
        raise BadValueError(f"{text!r} is an expression", fix="write the value: an inventory's settings are plain")
    return text


def _connection(value: Json) -> str:
    text = _text(value)
    found = _ANSIBLE_CONNECTIONS.get(text, text)
    if found not in CONNECTIONS:
        raise BadValueError(f"{text!r} is no kind of connection", fix=hint(text, CONNECTIONS, "connections"))
    return found


def _digits(value: Json, most: int) -> int:
    """Return a whole number from 1 to `most`, or 0."""
    text = "" if isinstance(value, bool) else str(value)
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return int(text) if is_number and int(text) <= most else 0


def _port(value: Json) -> int:
    if not (port := _digits(value, 65535)):
        raise BadValueError(f"{value!r} is not a port", fix="write a number from 1 to 65535")
    return port


def _seconds(value: Json) -> float:
    if not (seconds := _digits(value, 99999)):
        raise BadValueError(f"{value!r} is no number of seconds", fix="write a whole number from 1 to 99999")
    return float(seconds)


def _number(value: Json) -> int:
    if not (number := _digits(value, 1000)):
        raise BadValueError(f"{value!r} is no number of jobs", fix="write a whole number from 1 to 1000")
    return number


def _label(value: Json) -> str:
    text = _word(value)
    if not LABEL.match(text):
        raise BadValueError(f"{text!r} is no label", fix="write letters, digits and - _ . only, such as rack1")
    return text


def _milliseconds(value: Json) -> float:
    milliseconds = _digits(value, 99999)
    if not milliseconds and str(value) != "0":
        raise BadValueError(f"{value!r} is no number of milliseconds", fix="write a whole number from 0 to 99999")
    return milliseconds / 1000


def _truth(value: Json) -> bool:
    found = _TRUTH.get(str(value).lower()) if isinstance(value, bool | int | str) else None
    if found is None:
        raise BadValueError(f"{value!r} is neither true nor false", fix="write true or false")
    return found


def _python(value: Json) -> str:
    text = _word(value)
    return "python3" if text.startswith("auto") else text  # Ansible's word for "find it out"


def _pools(value: Json) -> tuple[str, ...]:
    names = _list(value)
    for name in names:
        if Dataset.parse(name).pool != name:
            raise BadValueError(f"{name!r} is a dataset, not a pool", fix=f"write {name.split('/')[0]}")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise BadValueError(f"the pool {twice[0]!r} is given twice", fix="give each once")
    return tuple(names)


def _portals(value: Json) -> tuple[Portal, ...]:
    return tuple(Portal.parse(word) for word in _list(value))


def _list(value: Json) -> list[str]:
    """Return the words of `a,b` or of a list."""
    words = [_text(word) for word in value] if isinstance(value, list) else _text(value).split(",")
    words = words if isinstance(value, list) else [word.strip() for word in words]
    if not all(words) or not words:
        raise BadValueError(f"{value!r} has an empty word", fix="write A,B, or a list")
    return words


SETTINGS: Final[Mapping[str, Setting]] = {
    "connection": Setting(convert=_connection, aliases=("ansible_connection",), is_text=True),
    "host": Setting(convert=_word, aliases=("ansible_host", "ansible_ssh_host"), is_text=True),
    "port": Setting(convert=_port, aliases=("ansible_port", "ansible_ssh_port")),
    "user": Setting(convert=_word, aliases=("ansible_user", "ansible_ssh_user"), is_text=True),
    "private_key": Setting(
        convert=_word,
        aliases=("ansible_ssh_private_key_file", "ansible_private_key_file"),
        is_text=True,
        is_path=True,
    ),
    "known_hosts": Setting(convert=_word, is_text=True, is_path=True),
    "become": Setting(convert=_truth, aliases=("ansible_become",)),
    "become_user": Setting(convert=_word, aliases=("ansible_become_user",), is_text=True),
    "python": Setting(convert=_python, aliases=("ansible_python_interpreter",), is_text=True),
    "pools": Setting(convert=_pools, is_list=True),
    "portals": Setting(convert=_portals, is_list=True),
    "state": Setting(convert=_word, is_text=True, is_path=True),
    "delay_ms": Setting(convert=_milliseconds),
    "sim_process": Setting(convert=_truth),
    "hang_s": Setting(convert=_seconds),
    "jobs_at_once": Setting(convert=_number),
    "worker_label": Setting(convert=_label, is_text=True),
}
CANONICAL: Final[Mapping[str, str]] = {
    alias: name for name, setting in SETTINGS.items() for alias in (name, *setting.aliases)
}
