"""Filters of texts: regular expressions, paths, quoting."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable
from typing import Any, Final

from lunops.errors import BadValueError
from lunops.render.bounds import check_pattern, check_size
from lunops.render.held import settle

_GROUP = re.compile(r"\\(?:g<(\w+)>|(\d+))\Z")


def regex(pattern: object, ignorecase: bool = False, multiline: bool = False) -> re.Pattern[str]:
    """Return a compiled regular expression; raises `BadValueError` where it is none."""
    text = check_pattern(pattern)
    try:
        return re.compile(text, (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"{text!r:.80} is no regular expression: {error}",
            fix="put a \\ before a sign that stands for itself, or use the filter `regex_escape`",
        ) from error


def regex_search(
    value: object, pattern: object, *groups: str, ignorecase: bool = False, multiline: bool = False
) -> Any:
    """Return the first part that the pattern fits, or null; with '\\1' or '\\g<name>', a list of those groups."""
    match = regex(pattern, ignorecase, multiline).search(text_of(value))
    if match is None:
        return None
    return [_group(match, each) for each in groups] if groups else match[0]


def regex_findall(value: object, pattern: object, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    """Return every part that the pattern fits."""
    found = regex(pattern, ignorecase, multiline).findall(text_of(value))
    return [list(each) if isinstance(each, tuple) else each for each in found]


def regex_replace(
    value: object,
    pattern: object = "",
    replacement: object = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
    mandatory_count: int = 0,
) -> str:
    """Return the text with every part that the pattern fits (or the first `count`) replaced."""
    text = text_of(value)
    try:
        made, times = regex(pattern, ignorecase, multiline).subn(text_of(replacement), text, count=count)
    except (re.error, IndexError) as error:
        fix = "write \\1 or \\g<name> for what a group of the pattern fits"
        raise BadValueError(f"{replacement!r:.80} is no replacement: {error}", fix=fix) from error
    if mandatory_count and times != mandatory_count:
        raise BadValueError(
            f"{pattern!r:.80} fits {times} times in {text!r:.80}, and has to {mandatory_count} times",
            fix="see the text, or leave mandatory_count out",
        )
    check_size(made)
    return made


def regex_escape(value: object, re_type: str = "python") -> str:
    """Return a pattern that fits this text and nothing else."""
    if re_type == "python":
        return re.escape(text_of(value))
    if re_type == "posix_basic":
        return re.sub(r"[][.^$*\\]", r"\\\g<0>", text_of(value))
    raise BadValueError(f"there are no regular expressions of type {re_type!r}", fix="write python or posix_basic")


def basename(path: object) -> str:
    """Return the last part of a path."""
    return posixpath.basename(text_of(path))


def dirname(path: object) -> str:
    """Return a path without its last part."""
    return posixpath.dirname(text_of(path))


def splitext(path: object) -> list[str]:
    """Return a path without its extension, and the extension with its dot."""
    return list(posixpath.splitext(text_of(path)))


def normpath(path: object) -> str:
    """Return a path without `.`, `..` and double `/` in it, as far as its text tells."""
    return posixpath.normpath(text_of(path))


def path_join(parts: object) -> str:
    """Return the path that a list of parts makes."""
    return posixpath.join(*map(text_of, parts)) if isinstance(parts, list | tuple) and parts else text_of(parts)


def quote(value: object) -> str:
    """Return the text in quotes, as one word for a shell."""
    return shlex.quote("" if value is None else text_of(value))


def split(value: object, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    """Return the words of a text, or what stands between a separator."""
    if separator == "":
        raise BadValueError("split: the separator is empty", fix="use the filter `list` for the characters of a text")
    return text_of(value).split(separator, maxsplit)


def text_of(value: object) -> str:
    """Return a value as text."""
    return str(settle(value))


def _group(match: re.Match[str], name: object) -> Any:
    found = _GROUP.match(str(name))
    if found is None:
        raise BadValueError(f"{name!r:.80} names no group", fix="write '\\1' or '\\g<name>'")
    try:
        return match[found[1] if found[1] and not found[1].isdigit() else int(found[1] or found[2])]
    except (IndexError, OverflowError):
        raise BadValueError(
            f"the pattern has no group {name!r:.80}", fix="put ( ) around what is to be taken"
        ) from None


TEXT_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "regex_search": regex_search,
    "regex_findall": regex_findall,
    "regex_replace": regex_replace,
    "regex_escape": regex_escape,
    "basename": basename,
    "dirname": dirname,
    "splitext": splitext,
    "normpath": normpath,
    "path_join": path_join,
    "quote": quote,
    "split": split,
}
