"""Filters between values and their text: JSON, YAML, base 64, checksums."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from lunops.errors import BadValueError, TemplateError
from lunops.model import Json
from lunops.near import hint
from lunops.render.bounds import check_widths
from lunops.render.held import settle
from lunops.yaml_source import read

_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
# Texts that a reader of YAML 1.1 (Ansible, many tools on a head) would take for something else.
_OTHER_IN_1_1 = re.compile(r"(yes|no|on|off)\Z|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z|0[0-7_]+\Z", re.I)


def json_of(value: object) -> str:
    """Filter `json`: return the value as JSON, quotes and all; whatever the value, it stays one JSON value."""
    return json.dumps(settle(value), ensure_ascii=True, allow_nan=False, sort_keys=True)


def to_json(
    value: object,
    indent: int | None = None,
    sort_keys: bool = False,
    ensure_ascii: bool = True,
    separators: Any = None,
) -> str:
    """Return the value as JSON, its keys as they stand."""
    return _dumped(value, indent, sort_keys, ensure_ascii, separators)


def to_nice_json(value: object, indent: int = 4, sort_keys: bool = True, ensure_ascii: bool = True) -> str:
    """Return the value as JSON over many lines, its keys sorted."""
    return _dumped(value, indent, sort_keys, ensure_ascii, (",", ": "))


def from_json(text: object) -> Json:
    """Return what a JSON text stands for."""
    try:
        return json.loads(_text(text, "JSON"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadValueError(
            f"this is not JSON: {error.msg} in line {error.lineno}, column {error.colno}: {text!r:.80}",
            fix="see what gave it: a command may have written a warning into its output",
        ) from error


def to_yaml(value: object, indent: int = 2, default_flow_style: bool | None = None, sort_keys: bool = True) -> str:
    """Return the value as YAML, its innermost lists and dicts on one line."""
    check_widths([indent])
    data = settle(value)
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = default_flow_style
    yaml.encoding = None
    yaml.allow_unicode = True
    yaml.width = 80
    yaml.indent(mapping=indent, sequence=indent, offset=0)
    yaml.Representer = _Representer
    yaml.sort_base_mapping_type_on_output = sort_keys
    pieces = _Pieces()
    yaml.dump(data, pieces)
    return "".join(pieces).removesuffix("...\n")


def to_nice_yaml(value: object, indent: int = 4, sort_keys: bool = True) -> str:
    """Return the value as YAML over many lines."""
    return to_yaml(value, indent, False, sort_keys)


def from_yaml(text: object) -> Json:
    """Return what a YAML 1.2 text stands for."""
    if text is None:
        return None
    return read(_text(text, "YAML"), "the text", TemplateError).value


def b64encode(value: object, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Return the text in base 64."""
    raw = _encoded(value, encoding)
    return (base64.urlsafe_b64encode(raw) if urlsafe else base64.b64encode(raw)).decode("ascii")


def b64decode(value: object, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Return the text that stands in base 64."""
    text = _text(value, "base 64")
    try:
        raw = base64.urlsafe_b64decode(text) if urlsafe else base64.b64decode(text)
        return raw.decode(encoding)
    except (binascii.Error, UnicodeError, LookupError, ValueError) as error:
        raise BadValueError(f"this is no text in base 64: {error}: {text!r:.80}", fix="see what gave it") from error


def hash_of(value: object, hashtype: str = "sha1") -> str:
    """Return the checksum of a text, in hexadecimal digits."""
    if hashtype not in _HASHES:
        raise BadValueError(f"there is no hash {hashtype!r}", fix=hint(str(hashtype), _HASHES, "hashes"))
    return hashlib.new(hashtype, _encoded(value, "utf-8"), usedforsecurity=False).hexdigest()


def checksum(value: object) -> str:
    """Return the SHA-1 checksum of a text."""
    return hash_of(value)


def md5(value: object) -> str:
    """Return the MD5 checksum of a text."""
    return hash_of(value, "md5")


class _Pieces(list[str]):
    """Where YAML is written to."""

    def write(self, text: str) -> None:
        self.append(text)


class _Representer(SafeRepresenter):
    def represent_text(self, text: str) -> Any:
        """Write a text, in quotes where YAML 1.1 would take it for another type."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="'" if _OTHER_IN_1_1.match(text) else None)

    def ignore_aliases(self, _data: object) -> bool:
        return True


_Representer.add_representer(str, _Representer.represent_text)


def _dumped(value: object, indent: int | None, sort_keys: bool, ensure_ascii: bool, separators: Any) -> str:
    check_widths([indent])
    return json.dumps(
        settle(value),
        indent=indent,
        sort_keys=sort_keys,
        ensure_ascii=ensure_ascii,
        allow_nan=False,
        separators=tuple(separators) if separators else None,
    )


def _text(value: object, kind: str) -> str:
    if not isinstance(value, str):
        raise BadValueError(
            f"{settle(value)!r:.80} is no text, so it cannot be read as {kind}", fix="it may be read already"
        )
    return str(value)


def _no_constant(word: str) -> None:
    raise BadValueError(f"{word} is no JSON", fix="write a number or null")


def _encoded(value: object, encoding: str) -> bytes:
    return str(settle(value)).encode(encoding, "surrogateescape")


DATA_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "json": json_of,
    "to_json": to_json,
    "to_nice_json": to_nice_json,
    "from_json": from_json,
    "to_yaml": to_yaml,
    "to_nice_yaml": to_nice_yaml,
    "from_yaml": from_yaml,
    "b64encode": b64encode,
    "b64decode": b64decode,
    "hash": hash_of,
    "checksum": checksum,
    "sha1": checksum,
    "md5": md5,
}
