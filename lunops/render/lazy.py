"""Variables whose values are expressions themselves, filled in when something first asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from jinja2 import UndefinedError

from lunops.errors import NotYetKnownError, TemplateError
from lunops.model import Json
from lunops.render.held import Broken, Missing, settle

_OPENINGS: Final = ("{{", "{%", "{#")
_NOT_YET: Final = object()


class Filler(Protocol):
    """What fills in the texts; `Expressions` is it."""

    def raw(self, source: str, variables: Mapping[str, Json]) -> object:
        """Return what a text gives."""

    def holds(self, source: Json) -> bool:
        """Whether there is anything to fill in in a value."""

    def explained(self, error: Exception, variables: Mapping[str, Json], where: str) -> Exception:
        """Return the error in words for the reader."""


class Late:
    """A plain variable that is made when it is asked for."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Json]) -> None:
        self.make = make


class Lazy(Mapping[str, Json]):
    """Variables of which some were written with expressions, and others are data whose braces stay braces.

    `trusted` are those that someone wrote: in the playbook, its files of variables, the inventory, with -e. `plain`
    are results, facts and what the engine sets; a name in both is the plain one's. `where` has the FILE:LINE of
    trusted ones. Neither may change while this is in use, since each value is filled in once: make another one, which
    costs next to nothing. Not for more than one thread at a time.

    A value that cannot be filled in stands as one that tells its error where it is used.
    """

    __slots__ = ("_by", "_filled", "_path", "_plain", "_trusted", "_where")

    def __init__(
        self,
        trusted: Mapping[str, Json],
        plain: Mapping[str, Json],
        where: Mapping[str, str] | None = None,
        expressions: Filler | None = None,
    ) -> None:
        self._trusted = trusted
        self._plain = plain
        self._where = where or {}
        self._by = expressions
        self._filled: dict[str, Json] = {}
        self._path: list[str] = []  # what is being filled in just now, the outermost first

    def __getitem__(self, name: str) -> Json:
        if name in self._plain:
            plain = self._plain[name]
            return plain.make() if type(plain) is Late else plain
        found = self._filled.get(name, _NOT_YET)
        if found is _NOT_YET:
            found = self._filled[name] = self._fill(self._trusted[name], name, self._where.get(name, ""))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._plain or name in self._trusted

    def __iter__(self) -> Iterator[str]:
        yield from self._trusted
        yield from (name for name in self._plain if name not in self._trusted)

    def __len__(self) -> int:
        return len(self._trusted.keys() | self._plain.keys())

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"

    def _bind(self, expressions: Filler) -> None:
        """Take these expressions to fill in with, unless there are others already."""
        if self._by is None:
            self._by = expressions

    @property
    def _filler(self) -> Filler:
        if self._by is None:
            raise TypeError("variables are filled in by the Expressions that they are given to")
        return self._by

    def _fill(self, source: Json, path: str, where: str) -> Json:
        if isinstance(source, str):
            return self._text(source, path, where) if is_template(source) else source
        if not isinstance(source, Mapping | list | tuple) or not self._filler.holds(source):
            return source
        if isinstance(source, Mapping):
            return LazyDict(self, source, path, where)
        if path in self._path:
            return self._circle(path, where)
        self._path.append(path)
        try:
            return [self._fill(each, f"{path}[{index}]", where) for index, each in enumerate(source)]
        finally:
            self._path.pop()

    def _circle(self, path: str, where: str) -> Broken:
        circle = " > ".join([*self._path[self._path.index(path) :], path])
        fix = "take one of them out of the circle"
        return Broken(TemplateError(f"the variable {path!r} needs itself: {circle}", where=where, fix=fix))

    def _text(self, source: str, path: str, where: str) -> Json:
        filler = self._filler
        if path in self._path:
            return self._circle(path, where)
        self._path.append(path)
        try:
            found: Any = filler.raw(source, self)
            return found.needed_by(path, where) if isinstance(found, Missing) else found
        except UndefinedError as error:
            return Missing(hint=error.message).needed_by(path, where)
        except NotYetKnownError as error:
            return Broken(error)
        except Exception as error:
            told = filler.explained(error, self, f"{where}, the variable {path!r}".removeprefix(", "))
            return Broken(told if isinstance(told, TemplateError) else TemplateError(str(told)))
        finally:
            self._path.pop()


class LazyDict(Mapping[str, Json]):
    """A dict with expressions in it, each filled in when it is asked for, so that one may use another."""

    __slots__ = ("_lunops_filled", "_lunops_of", "_lunops_path", "_lunops_source", "_lunops_where")

    def __init__(self, of: Lazy, source: Mapping[str, Json], path: str, where: str) -> None:
        self._lunops_of = of
        self._lunops_source = source
        self._lunops_path = path
        self._lunops_where = where
        self._lunops_filled: dict[str, Json] = {}

    def __getitem__(self, key: str) -> Json:
        found = self._lunops_filled.get(key, _NOT_YET)
        if found is _NOT_YET:
            path = f"{self._lunops_path}.{key}"
            found = self._lunops_of._fill(self._lunops_source[key], path, self._lunops_where)
            self._lunops_filled[key] = found
        return found

    def __contains__(self, key: object) -> bool:
        return key in self._lunops_source

    def __iter__(self) -> Iterator[str]:
        return iter(self._lunops_source)

    def __len__(self) -> int:
        return len(self._lunops_source)

    def __repr__(self) -> str:
        return repr(settle(self))

    def copy(self) -> dict[str, Json]:
        """Return it as a dict, as the method of dict does."""
        return dict(self)


def is_template(text: str) -> bool:
    """Whether there is anything to fill in in a text of a playbook."""
    return "{" in text and any(opening in text for opening in _OPENINGS)
