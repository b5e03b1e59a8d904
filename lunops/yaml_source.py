"""Read YAML 1.2 into plain values, and remember in which line and column each key stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lunops.errors import InputError
from lunops.model import Json

_VAULT = "!vault"
_MEND = "look at the line and the one before it: quotes, brackets, spaces at its start"
_DEEPEST = 50
_MOST_VALUES = 1_000_000  # aliases can make a short text stand for a huge value

Key = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, both from 1


class Vaulted(str):
    """The text of a scalar with the tag `!vault`: encrypted, for whoever holds the password."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A YAML text's value, and where in the text that stands which is at each path in it."""

    value: Json
    places: Mapping[Key, Place]
    path: str

    def where(self, *key: str | int) -> str:
        """Return `FILE:LINE:COLUMN` of a place, or of the nearest place around it."""
        return where(self.path, self.places, key)


def where(path: str, places: Mapping[Key, Place], key: Key) -> str:
    """Return `FILE:LINE:COLUMN` of a place, or of the nearest place around it."""
    while key and key not in places:
        key = key[:-1]
    line, column = places.get(key, (1, 1))
    return f"{path}:{line}:{column}"


def read(text: str, path: str, error: type[InputError]) -> Source:
    """Return the one document in a text; `yes` and `012` are text and twelve, as in YAML 1.2.

    A scalar with the tag `!vault` is a `Vaulted`. Raises `error` naming line and column for what is no YAML, for a key
    given twice, and for any other tag.
    """
    loader = YAML(typ="rt", pure=True)
    try:
        node = loader.load(text)
    except DuplicateKeyError as problem:
        what = str(problem.problem).split(" with value")[0]
        raise error(f"a key is given twice: {what}", where=_mark(problem, path), fix="keep one of them") from problem
    except MarkedYAMLError as problem:
        said = " ".join(str(part) for part in (problem.context, problem.problem) if part)
        raise error(f"this is not YAML: {said}", where=_mark(problem, path), fix=_MEND) from problem
    except (YAMLError, ValueError, RecursionError) as problem:
        raise error(f"this is not YAML: {problem}", where=path, fix=_MEND) from problem
    reader = _Reader(path, error)
    value = reader.plain(node, ())
    return Source(value=value, places=reader.places, path=path)


class _Reader:
    def __init__(self, path: str, error: type[InputError]) -> None:
        self.places: dict[Key, Place] = {(): (1, 1)}
        self._path = path
        self._error = error
        self._count = 0

    def plain(self, node: Any, key: Key) -> Json:
        """Return the node as plain data."""
        self._count += 1
        if len(key) > _DEEPEST or self._count > _MOST_VALUES:
            raise self._error("the YAML is too deep or too large, or an alias is in itself", where=self._where(key))
        if tag := getattr(getattr(node, "tag", None), "value", None):
            if tag == _VAULT and isinstance(node, TaggedScalar):
                return Vaulted(node.value)
            raise self._error(f"the tag {tag} is not known", where=self._where(key), fix="leave tags out")
        if isinstance(node, Mapping):
            return {self._key(name, key, node): self.plain(each, (*key, str(name))) for name, each in node.items()}
        if isinstance(node, list):
            for index in range(len(node)):
                self._note((*key, index), node, index)
            return [self.plain(each, (*key, index)) for index, each in enumerate(node)]
        if node is None or isinstance(node, bool):
            return node
        for kind in (int, float, str):
            if isinstance(node, kind):
                return kind(node)
        raise self._error(f"{node} is read as a {type(node).__name__}", where=self._where(key), fix="put it in quotes")

    def _key(self, name: object, key: Key, node: Any) -> str:
        self._note((*key, str(name)), node, name)
        if not isinstance(name, str):
            raise self._error(f"the key {name!r} is no text", where=self._where((*key, str(name))), fix="quote it")
        return str(name)

    def _note(self, key: Key, node: Any, name: object) -> None:
        position = (getattr(getattr(node, "lc", None), "data", None) or {}).get(name)
        if position:
            self.places[key] = int(position[0]) + 1, int(position[1]) + 1

    def _where(self, key: Key) -> str:
        return where(self._path, self.places, key)


def _mark(problem: MarkedYAMLError, path: str) -> str:
    mark = problem.problem_mark or problem.context_mark
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else path
