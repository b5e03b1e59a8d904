"""What the options of `lunops run` are where the command line does not say: the environment, or lunops-cli.toml.

The environment beats the file, and the command line both. What a run does (`--check`, `--limit`, …) is not to be set
here: it belongs to the command line, where whoever starts the run sees it.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lunops.errors import SettingsError
from lunops.near import hint

FILE: Final = "lunops-cli.toml"
NAMES_FILE: Final = "LUNOPS_CONFIG"
COLOURS: Final = ("auto", "always", "never")
Value = str | int | float | bool | tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class RunSetting:
    """A setting: its key in the file, the type of its value, and what it is where nothing sets it."""

    name: str  # also that of the option, with - for _
    kind: Literal["paths", "path", "text", "switch", "number", "colour"]
    default: Value
    meaning: str
    also: tuple[str, ...] = ()  # variables of the environment that Ansible's users have set already

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in the environment, the first that is set wins."""
        return (f"LUNOPS_{self.name.upper()}", *self.also)


SETTINGS: Final = {
    setting.name: setting
    for setting in (
        RunSetting(name="inventory", kind="paths", default=(), meaning="the inventory: a path, or a list of paths"),
        RunSetting(name="forks", kind="number", default=8, meaning="heads at once"),
        RunSetting(name="timeout", kind="number", default=10, meaning="seconds for a connection to be made"),
        RunSetting(name="user", kind="text", default=None, meaning="log in as this user"),
        RunSetting(name="private_key", kind="path", default=None, meaning="log in with this key"),
        RunSetting(name="become", kind="switch", default=False, meaning="do the tasks as root, by sudo"),
        RunSetting(
            name="vault_password_file",
            kind="path",
            default=None,
            meaning="the passphrase of encrypted files: a file, or a program that prints it",
            also=("ANSIBLE_VAULT_PASSWORD_FILE",),
        ),
        RunSetting(name="diff", kind="switch", default=False, meaning="show every change"),
        RunSetting(name="retry_files", kind="switch", default=False, meaning="write the heads that failed to a file"),
        RunSetting(name="colour", kind="colour", default="auto", meaning="`auto` (on a terminal), `always` or `never`"),
    )
}
_SWITCH: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_MOST: Final = {"forks": 1000, "timeout": 86400}
_TOML_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\Z")


@dataclass(frozen=True, kw_only=True)
class Effective:
    """What a setting is, and where that comes from: FILE:LINE, a variable's name, or `default`."""

    value: Value
    source: str


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """All settings by name, what to tell the user, and the file that was read."""

    settings: Mapping[str, Effective]
    warnings: tuple[str, ...] = ()
    file: Path | None = None

    def given(self) -> dict[str, Effective]:
        """Return the settings that something sets."""
        return {name: each for name, each in self.settings.items() if each.source != "default"}


def run_defaults(env: Mapping[str, str], cwd: Path) -> Defaults:
    """Return the settings; reads the file that LUNOPS_CONFIG names, else one of the usual places.

    Raises `SettingsError` naming file, line and key, or the variable.
    """
    file, warnings = _find(env, cwd)
    found: dict[str, Effective] = {}
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"the configuration cannot be read: {error}", where=str(file), fix="name a TOML file that may be read"
            ) from error
        found |= parse_file(text, file)
    found |= parse_environment(env, cwd)
    unset = {name: Effective(value=each.default, source="default") for name, each in SETTINGS.items()}
    return Defaults(settings=unset | found, warnings=warnings, file=file)


def parse_file(text: str, path: Path) -> dict[str, Effective]:
    """Return what the file sets; paths in it are relative to its folder."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        at = f"{path}:{place[1]}:{place[2]}" if place and place[1] else str(path)
        what = _TOML_PLACE.sub("", str(error))
        raise SettingsError(f"this is not TOML: {what}", where=at, fix='write lines of key = "value"') from error
    found: dict[str, Effective] = {}
    for name, value in values.items():
        where = f"{path}:{_line(text, name)}"
        if name not in SETTINGS:
            raise SettingsError(f"there is no setting {name!r}", where=where, fix=hint(name, SETTINGS, "settings"))
        found[name] = Effective(value=_typed(SETTINGS[name], value, f"{where}, {name}", path.parent), source=where)
    return found


def parse_environment(env: Mapping[str, str], cwd: Path) -> dict[str, Effective]:
    """Return what the environment sets; an empty variable sets nothing. Its lists are separated by colons."""
    found: dict[str, Effective] = {}
    for setting in SETTINGS.values():
        variable = next((name for name in setting.variables if env.get(name)), "")
        if not variable:
            continue
        text = env[variable]
        value: object = text
        if setting.kind == "switch":
            value = _SWITCH.get(text.lower(), text)
        elif setting.kind == "number":
            value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text
        elif setting.kind == "paths":
            value = [part for part in text.split(":") if part]
        found[setting.name] = Effective(value=_typed(setting, value, variable, cwd), source=variable)
    return found


def _find(env: Mapping[str, str], cwd: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Return the file to read, and warnings about one that is passed over."""
    if named := env.get(NAMES_FILE):
        return cwd / Path(named).expanduser(), ()
    warnings: tuple[str, ...] = ()
    here = cwd / FILE
    if here.is_file():
        # Anyone could have put it there, or changed it: it names programs to run and hosts to log in to.
        open_to_all = next((path for path in (cwd, here) if path.stat().st_mode & stat.S_IWOTH), None)
        if open_to_all is None:
            return here, ()
        warnings = (f"{here} is ignored: every user may write to {open_to_all}; chmod o-w {open_to_all}",)
    home = Path(env["XDG_CONFIG_HOME"]) if env.get("XDG_CONFIG_HOME") else Path(env.get("HOME") or "/") / ".config"
    mine = home / "lunops" / FILE
    return (mine if mine.is_file() else None), warnings


def _typed(setting: RunSetting, value: object, where: str, folder: Path) -> Value:
    made = _READ[setting.kind](setting, value, folder)
    if made is None:
        raise SettingsError(f"{value!r} is not a value of {setting.name}", where=where, fix=f"write {_fix(setting)}")
    return made


def _fix(setting: RunSetting) -> str:
    if setting.kind in _WORDS:
        return _WORDS[setting.kind]
    return f"a whole number from 1 to {_MOST[setting.name]}"


_WORDS: Final = {
    "paths": 'a path, "FILE", or a list of them',
    "path": 'a path, "FILE"',
    "text": 'a text, "TEXT"',
    "switch": "true or false",
    "colour": " or ".join(COLOURS),
}


def _paths(_: RunSetting, value: object, folder: Path) -> Value:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(isinstance(each, str) and each for each in words):
        return None
    # `head-01,head-02,` is a list of heads, as after -i, and no path.
    return tuple(each if "," in each else str(folder / Path(each).expanduser()) for each in words)


def _path(_: RunSetting, value: object, folder: Path) -> Value:
    return str(folder / Path(value).expanduser()) if isinstance(value, str) and value else None


def _text(_: RunSetting, value: object, __: Path) -> Value:
    return value if isinstance(value, str) and value else None


def _switch(_: RunSetting, value: object, __: Path) -> Value:
    return value if isinstance(value, bool) else None


def _number(setting: RunSetting, value: object, _: Path) -> Value:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST[setting.name]
    return value if is_number and isinstance(value, int) else None


def _colour(_: RunSetting, value: object, __: Path) -> Value:
    return value if isinstance(value, str) and value in COLOURS else None


_READ: Final[Mapping[str, Callable[[RunSetting, object, Path], Value]]] = {
    "paths": _paths,
    "path": _path,
    "text": _text,
    "switch": _switch,
    "number": _number,
    "colour": _colour,
}


def _line(text: str, name: str) -> int:
    """Return the line in which a key or table stands; tomllib does not tell."""
    key = re.compile(rf"\s*\[*\s*([\"']?){re.escape(name)}\1\s*[=.\]]")
    return next((number for number, line in enumerate(text.splitlines(), 1) if key.match(line)), 1)
