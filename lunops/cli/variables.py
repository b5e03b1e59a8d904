"""Read the variables that `-e` gives: NAME=VALUE, a JSON object, or @FILE (YAML or JSON)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from lunops.errors import InputError, PlaybookError
from lunops.model import Json
from lunops.typed import typed
from lunops.yaml_source import read


def extra_variables(
    words: Iterable[str],
    read_file: Callable[[Path], str] | None = None,
    reveal: Callable[[Json, str], Json] = lambda value, _where: value,
) -> dict[str, Json]:
    """Return the variables; a later word wins over an earlier one. Raises `InputError`.

    `read_file` gives a file's text, and `reveal` its values with what is encrypted in them decrypted.
    """
    variables: dict[str, Json] = {}
    for word in words:
        variables |= _one(word, read_file or read_text, reveal)
    return variables


def _one(word: str, read_file: Callable[[Path], str], reveal: Callable[[Json, str], Json]) -> dict[str, Json]:
    if word.startswith("@"):
        path = Path(word[1:]).expanduser()
        return object_of(reveal(read(read_file(path), str(path), PlaybookError).value, str(path)), str(path))
    if word.lstrip().startswith("{"):
        try:
            return object_of(json.loads(word), "-e")
        except ValueError as error:
            raise InputError(f"this is not JSON: {error}", where="-e", fix="quote it for the shell: '{…}'") from error
    try:
        parts = shlex.split(word)
    except ValueError as error:
        raise InputError(f"{word!r} does not end: {error}".lower(), where="-e", fix="close the quote") from error
    variables: dict[str, Json] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"{part!r} sets no variable", where="-e", fix="write NAME=VALUE, a JSON object, or @FILE")
        variables[name] = typed(value)
    return variables


def object_of(value: Json, where: str) -> dict[str, Json]:
    """Return names and values; raises `InputError` where it is something else."""
    if not isinstance(value, dict):
        raise InputError(f"this holds a {type(value).__name__}", where=where, fix="give an object of names and values")
    return value


def read_text(path: Path) -> str:
    """Return a file's text; raises `InputError` naming it."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise InputError(f"cannot read this: {error.strerror or error}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8 text: {error}", where=str(path)) from error
