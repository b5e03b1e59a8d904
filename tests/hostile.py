"""Hostile values, and every place in a module's arguments to which they can be given.

A new field needs nothing here if its type is one of ours. If it is not, `places` raises `UnknownFieldError`: give
the field a type that is parsed at the border, or say below what it is. That is what this file is for.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lunops.modules.texts import ADDRESS, FREE, MODE, NAME, ONE_LINE, OWNER, PATH
from lunops.names import Dataset, HoldTag, Iqn, LunName, Portal, Size, Snapshot, SnapshotTag

# -- what is hostile ------------------------------------------------------------------------------------------------

# Refused wherever in a name they stand.
NEVER = (
    *("'", '"', "`", ";", "|", "&", "<", ">", "*", "?", "~", "!", "(", ")", "{", "}", "^", "=", ",", "+"),
    *("\\", "%", "%s", "$", "$(reboot)", "`reboot`", "${IFS}", "{{ 7 * 7 }}", "{% raw %}", "'; rm -rf / #"),
    *("\n", "\r", "\t", "\0", "\x1b[2J", "\x7f", "a b", "x\nreboot", "x\0y", "\r\nX-Header: 1"),
    *("\u212a", "\uff41", "\u0430", "\u2044", "\u2215", "\u200b", "\u202e", "\u00a0", "\u0130", "\u00e9", "\U0001f4a9"),
    "\ud800",
)
# Refused as a whole.
WHOLE = (
    *("", " ", ".", "..", "/", "//", "-", "--", "-x", "-r", "--help", "@", "#", "@x", "#x", "x@", ":", "~root"),
    *("/etc/passwd", "../../etc/passwd", "/dev/zd0", "tank/", "/tank/x", "tank//x", "tank/../x", "tank/./x", "tank/.."),
    *("tank/-x", "tank/x@", "tank/x@a@b", "tank/x@a/b", "tank/x@..", "tank@1/x", "tank/x#b", "tank/x%a", "tank/x@a%b"),
    *("tank/x@a,b", "x" * 300, "tank/" + "x" * 300, "t/" * 200 + "x", "\u00e9" * 150),
)
# Refused as a whole where an IQN is wanted; a dataset may be called so.
NO_IQN = (
    *("iqn", "iqn.2024-01", "iqn.2024-13.org.example:x", "iqn.2024-01.org.example:", "iqn.2024-01.org.example:a/b"),
    *("eui.0", "iqn.2024-01.org.example:../../core", "iqn.2024-01.org.example:" + "x" * 300, "tank/n1", "n1"),
)


def hostile(valid: str) -> Iterator[str]:
    """Give what no name is: as a whole, and before, in and behind a valid one."""
    yield from WHOLE
    yield from NO_IQN if valid.startswith("iqn.") else ()
    for bad in NEVER:
        yield bad
        yield valid + bad
        yield bad + valid
        yield valid[:-1] + bad + valid[-1:]


# -- where it can be given ------------------------------------------------------------------------------------------

# A valid value of each type that is parsed or chosen at the border; hostile text is none of them.
VALID: Mapping[Any, Any] = {
    Dataset: "tank/n1",
    Snapshot: "tank/golden@1",
    SnapshotTag: "1",
    HoldTag: "keep",
    LunName: "tank/n1",
    Iqn: "iqn.2024-01.org.example:n1",
    Portal: "10.0.0.1:3260",
    Size: "10G",
    bool: True,
    int: 1,
    float: 1.5,
}
# Text with a pattern, by the pattern: a valid one. Hostile text must not fit it.
NAME_PATTERNS: Mapping[str, str] = {
    r"\A[a-z0-9][a-z0-9:_.@-]*\z": "compression",  # of a property; @ is zfs's own, as in userquota@name
    NAME: "NAME",  # of an environment's variable
    MODE: "0644",
    OWNER: "root",
    ADDRESS: "10.0.0.1",
    r"\A[a-z0-9][A-Za-z0-9:_.@#-]*\z": "used",  # of a property to tell; # as in written#BOOKMARK
}
# Text that is no name and may be what it likes, but for control characters: one argument of a command, a whole word.
TEXT_PATTERNS: Mapping[str, str] = {
    r"\A[^\x00-\x1f\x7f]*\z": "lz4",  # the value of a property
    r"\A[!-~]([ -~]*[!-~])?\z": "lunops",  # CHAP's names and secrets
    PATH: "/srv/file",
    ONE_LINE: "some text",
}
# Text that may be anything that a process can be given: no NUL. It is an argument, or a file's content, as it is.
FREE_PATTERNS: Mapping[str, str] = {FREE: "some text"}
# JSON of its own kind, by MODULE.FIELD: what is in it is gone through in tests/test_hostile_fragments.py; `vars` reach
# a fragment only through a template, which makes JSON of them.
JSON_FIELDS = ("lio_fragment.fragment", "lio_fragment.vars", "debug.msg", "copy.content")  # debug shows any value
# Plain text that is looked up among what is there, by MODULE.FIELD.
LOOKED_UP: Mapping[str, str] = {
    "lio_target.template": "lun.json.j2",
    "lio_fragment.template": "lun.json.j2",
    "zfs_send.to": "jbod-02",
    "template.src": "lun.json.j2",
    "lun.template": "lun.json.j2",
}


class UnknownFieldError(Exception):
    """A field whose type nobody has said anything about."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the arguments of a module a value stands, and what would be a valid one there."""

    module: str
    path: tuple[str | int, ...]
    valid: str
    is_text: bool = False  # no name: only control characters are hostile
    is_free: bool = False  # not even those, but NUL, and what is no Unicode
    is_key: bool = False  # the last of the path is the key of a mapping, and it is that which is given

    def __str__(self) -> str:
        return f"{self.module}.{'.'.join(map(str, self.path))}{' (key)' if self.is_key else ''}"

    def filled(self, args: Mapping[str, Any], model: type[BaseModel], value: str) -> dict[str, Any]:
        """Return valid arguments with the value at this place, and what it needs around it."""
        return {**args, str(self.path[0]): _built(self, model, value)}


def places(module: str, model: type[BaseModel]) -> Iterator[Place]:
    """Give every place of the model's fields, nested ones included; raises UnknownFieldError."""
    for name, field in model.model_fields.items():
        if f"{module}.{name}" not in JSON_FIELDS:
            yield from _of(module, (name,), field.annotation, _metadata(field))


def _metadata(field: FieldInfo) -> tuple[Any, ...]:
    return tuple(field.metadata)


def _of(module: str, path: tuple[str | int, ...], kind: Any, metadata: tuple[Any, ...]) -> Iterator[Place]:
    origin, inside = get_origin(kind), get_args(kind)
    name = f"{module}.{'.'.join(str(part) for part in path if not isinstance(part, int))}"
    if origin is Annotated:
        yield from _of(module, path, inside[0], (*inside[1:], *metadata))
    elif origin in (Union, types.UnionType):
        # What is hostile to all of a union's parts: text is the widest of them, so it alone is asked for.
        found = [place for part in inside if part is not type(None) for place in _of(module, path, part, metadata)]
        text = [place for place in found if place.is_text or place.is_free]
        yield from text or found
    elif origin in (list, tuple, set, frozenset):
        yield from _of(module, (*path, 0), inside[0], ())
    elif origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        for place in _of(module, (*path, "KEY"), inside[0], ()):
            yield replace(place, is_key=True)
        yield from _of(module, (*path, "KEY"), inside[1], ())
    elif origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        yield Place(module=module, path=path, valid=str(inside[0] if inside else next(iter(kind)).value))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for field_name, field in kind.model_fields.items():
            yield from _of(module, (*path, field_name), field.annotation, _metadata(field))
    elif kind in VALID:
        yield Place(module=module, path=path, valid=str(VALID[kind]))
    elif kind is str:
        yield _text(module, path, name, metadata)
    else:
        raise UnknownFieldError(f"{name} is a {kind}: give it a type of lunops.names, or say what it is in {__name__}")


def _text(module: str, path: tuple[str | int, ...], name: str, metadata: tuple[Any, ...]) -> Place:
    patterns = [found for each in metadata if (found := _pattern(each))]
    for pattern in patterns:
        if pattern in NAME_PATTERNS:
            return Place(module=module, path=path, valid=NAME_PATTERNS[pattern])
        if pattern in TEXT_PATTERNS:
            return Place(module=module, path=path, valid=TEXT_PATTERNS[pattern], is_text=True)
        if pattern in FREE_PATTERNS:
            return Place(module=module, path=path, valid=FREE_PATTERNS[pattern], is_free=True)
    if name in LOOKED_UP:
        return Place(module=module, path=path, valid=LOOKED_UP[name])
    said = f"text that fits {patterns}" if patterns else "any text at all"
    raise UnknownFieldError(f"{name} takes {said}: parse it by a type of lunops.names, or say what it is in {__name__}")


def _pattern(metadata: Any) -> str:
    if isinstance(metadata, FieldInfo):
        return next((found for each in metadata.metadata if (found := _pattern(each))), "")
    return str(getattr(metadata, "pattern", "") or getattr(getattr(metadata, "func", None), "pattern", ""))


def _built(place: Place, model: type[BaseModel], value: str) -> Any:
    """Return the value of the first field on a place's path, with the given value at the end of it."""
    field = model.model_fields[str(place.path[0])]
    return _inside(place, field.annotation, 1, value)


def _inside(place: Place, kind: Any, depth: int, value: str) -> Any:
    origin, inside = get_origin(kind), get_args(kind)
    if depth == len(place.path) and not (place.is_key and origin in (dict, Mapping)):
        return value
    if origin is Annotated:
        return _inside(place, inside[0], depth, value)
    if origin in (Union, types.UnionType):
        part = next(each for each in inside if each is not type(None) and _holds(each))
        return _inside(place, part, depth, value)
    if origin in (list, tuple, set, frozenset):
        return [_inside(place, inside[0], depth + 1, value)]
    if origin in (dict, Mapping):
        if place.is_key and depth + 1 == len(place.path):
            return {value: example(inside[1])}
        return {example(inside[0]): _inside(place, inside[1], depth + 1, value)}
    assert isinstance(kind, type)
    assert issubclass(kind, BaseModel)
    name = str(place.path[depth])
    return {**example(kind), name: _inside(place, kind.model_fields[name].annotation, depth + 1, value)}


def _holds(kind: Any) -> bool:
    """Return whether further places are inside a type."""
    if get_origin(kind) is Annotated:
        return _holds(get_args(kind)[0])
    return get_origin(kind) in (list, tuple, set, frozenset, dict, Mapping) or (
        isinstance(kind, type) and issubclass(kind, BaseModel)
    )


def example(kind: Any, metadata: tuple[Any, ...] = ()) -> Any:
    """Return a valid value of a type: of a model, one with what it requires."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return example(inside[0], (*inside[1:], *metadata))
    if origin in (Union, types.UnionType):
        return example(next(each for each in inside if each is not type(None)), metadata)
    if origin in (list, tuple, set, frozenset):
        return [example(inside[0])]
    if origin in (dict, Mapping):
        return {example(inside[0]): example(inside[1])}
    if origin is Literal:
        return inside[0]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {
            name: example(field.annotation, _metadata(field))
            for name, field in kind.model_fields.items()
            if field.is_required()
        }
    if kind is str:
        return _text("", (), "", metadata).valid
    return VALID[kind]
