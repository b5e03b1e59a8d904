"""Blot out secrets wherever they appear: as they are, and as JSON, Python, shells, URLs, HTML and base64 write them.

What is masked inside of a longer text has four characters at least: shorter ones are in every other word, so they are
masked where they are a whole value, and nowhere else. Of a text of several lines each line of eight characters or more
is a secret, too, since output is often shown line by line. `true`, `false` and `null` are nobody's secret. Not found
is a secret that is cut in two, in another case, compressed, in base64 that is broken into lines, or, where it has four
letters only, in the middle of other base64.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, quote_plus

from lunops.model import Json

MASKED: Final = "********"
_INSIDE_MIN: Final = 4
_LINE_MIN: Final = 8
_BASE64_MIN: Final = 6  # of base64 in the middle of other base64, where fewer letters come about by chance
_SHARED: Final = 4  # how many letters deep the pattern branches
if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
_SHELL: Final = re.compile(r"([^\w@%+=:,./-])", re.ASCII)


class Mask:
    """The secrets of a run. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._whole: set[str] = set()  # too short to be looked for inside of texts
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: Json) -> None:
        """Take a text, a number, or all of those in a list or mapping, for secret; a mapping's keys are not."""
        with self._lock:
            for secret in _leaves(value):
                if secret in self._known:
                    continue
                self._known.add(secret)
                if len(secret) < _INSIDE_MIN:
                    self._whole.add(secret)
                else:
                    self._forms.update(forms(secret))
                    self._pattern = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no secret so far."""
        return not self._known

    def finds(self, value: Json) -> bool:
        """Return whether a secret is in JSON data: in a text of it, a key, or a number."""
        if not self._known:
            return False
        if isinstance(value, str):
            return self.text(value) != value
        if isinstance(value, Mapping):
            return any(self.finds(str(key)) or self.finds(each) for key, each in value.items())
        if isinstance(value, list | tuple):
            return any(map(self.finds, value))
        return bool(self.value(value) != value)

    def text(self, text: str) -> str:
        """Return the text with every secret in it replaced, the longest first."""
        if text in self._whole:
            return MASKED
        pattern = self._compiled()
        return text if pattern is None else pattern.sub(MASKED, text)

    def value(self, value: Json) -> Json:
        """Return JSON data with every secret in it replaced, keys of objects included; numbers that are secret, too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return MASKED if is_number and len(str(value)) >= _INSIDE_MIN and str(value) in self._known else value

    def record(self, record: R) -> R:
        """Return a frozen dataclass, such as a `TaskResult`, with every text in it and in what it holds masked.

        Its own numbers (seconds, counts) are nobody's secret; those in JSON data are masked as `value` does.
        """
        changes = {each.name: self._member(getattr(record, each.name)) for each in fields(record)}
        return replace(record, **changes)

    def _member(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return self.text(value)
        if is_dataclass(value) and not isinstance(value, type):
            return self.record(value)
        if isinstance(value, tuple):
            return tuple(self._member(each) for each in value)
        return self.value(value) if isinstance(value, Mapping | list) else value

    def _compiled(self) -> re.Pattern[str] | None:
        with self._lock:
            if self._pattern is None and self._forms:
                self._pattern = re.compile(_branches(sorted(self._forms, key=lambda form: (-len(form), form)), 0))
            return self._pattern


def forms(secret: str) -> Iterator[str]:
    """Give the ways in which a secret may be written."""
    escaped = [_json(secret, ascii_only=True), _json(secret, ascii_only=False)]
    twice = [_json(text, ascii_only=True) for text in escaped]  # JSON that stands in a text of JSON
    shell = [
        shlex.quote(secret),
        secret.replace("'", "'\"'\"'"),
        secret.replace("'", r"'\''"),
        _SHELL.sub(r"\\\1", secret),
    ]
    python = [repr(secret)[1:-1], repr(secret + "'\"")[1:-4], secret.replace("\\", "\\\\")]
    yield secret
    yield from (*escaped, *twice, *python)
    yield from (*shell, *(_json(text, ascii_only=True) for text in shell))
    raw = secret.encode("utf-8", "surrogatepass")
    for url in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield url
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), url)
    yield from (html.escape(secret), html.escape(secret, quote=False), html.escape(secret).replace("&#x27;", "&#39;"))
    yield from (raw.hex(), raw.hex().upper())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw).decode()
        yield from (whole, whole.rstrip("="))
        # Inside of longer data it begins at the first, second or third byte of a group; what it shares is left out.
        for offset, skipped in enumerate((0, 2, 3)):
            part = encode(bytes(offset) + raw).decode()[skipped : (offset + len(raw)) * 8 // 6]
            if len(part) >= _BASE64_MIN:
                yield part


def _leaves(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        for text in dict.fromkeys((value, value.strip())):
            if text.strip():
                yield text
        lines = value.strip().splitlines()
        if len(lines) > 1:
            yield from (line.strip() for line in lines if len(line.strip()) >= _LINE_MIN)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _json(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _branches(words: Iterable[str], depth: int) -> str:
    """Return a pattern for words that begin alike, the longest first, which need not try each word at each letter.

    It branches by the first letters only: a branch for every letter would nest deeper than `re` can go.
    """
    by_letter: dict[str, list[str]] = {}
    is_end = False
    for word in words:
        if word:
            by_letter.setdefault(word[0], []).append(word[1:])
        else:
            is_end = True
    choices = []
    for letter, rest in by_letter.items():
        if len(rest) == 1 or depth >= _SHARED:
            tail = rest[0] if len(rest) == 1 else ""
            after = re.escape(tail) if len(rest) == 1 else f"(?:{'|'.join(map(re.escape, rest))})"
        else:
            after = _branches(rest, depth + 1)
        choices.append(re.escape(letter) + after)
    return f"(?:{'|'.join(choices)}){'?' if is_end else ''}" if choices else ""
