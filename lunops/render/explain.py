"""Say what went wrong in a template or expression, and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from traceback import walk_tb
from typing import Any

from jinja2 import TemplateRuntimeError, TemplateSyntaxError, UndefinedError

from lunops.errors import LunopsError, NotYetKnownError, TemplateError
from lunops.near import hint
from lunops.render.environment import no_such

_NO_VARIABLE = re.compile(r"there is no variable '([^']*)'")
_NO_PLUGIN = re.compile(r"No (filter|test) named '([^']*)'")
_BRACES = re.compile(r"\{[{%]")


def explained(
    error: Exception, variables: Iterable[str], where: str, of: Any, files: Mapping[str, str] | None = None
) -> LunopsError:
    """Return a `TemplateError` for whatever went wrong, in words of ours; `files` are template files by name.

    A `NotYetKnownError` stays one.
    """
    if isinstance(error, NotYetKnownError):
        return error if error.where else error.at(where)
    if isinstance(error, TemplateSyntaxError):
        place = f"{error.name or where}:{error.lineno}" if files else where
        return TemplateError(f"the template has a syntax error: {error.message}", where=place)
    if files:
        lines = [
            (frame.f_code.co_filename, line)
            for frame, line in walk_tb(error.__traceback__)
            if frame.f_code.co_filename in files
        ]
        where = "{}:{}".format(*lines[-1]) if lines else where
    if isinstance(error, LunopsError):
        inner = error.where if isinstance(error, TemplateError) else ""
        if files and inner:
            return error
        return TemplateError(error.what, where=f"{where}: {inner}" if inner else where, fix=error.fix)
    if isinstance(error, UndefinedError):
        what = error.message or "a variable is missing"
        name = _NO_VARIABLE.match(what)
        return TemplateError(what, where=where, fix=hint(name[1], variables, "variables") if name else "")
    if isinstance(error, TemplateRuntimeError) and (found := _NO_PLUGIN.match(error.message or "")):
        missing = no_such(found[1], found[2], of.filters if found[1] == "filter" else of.tests)
        return TemplateError(missing.what, where=where, fix=missing.fix)
    if isinstance(error, RecursionError):
        return TemplateError("the template is nested too deeply, or calls itself without end", where=where)
    return TemplateError(f"the template cannot be filled in: {type(error).__name__}: {error}", where=where)


def bare_hint(expression: str) -> str:
    """Return what to say of a condition that is written with braces."""
    return "a condition is a bare expression: write it without {{ }}" if _BRACES.search(expression) else ""
