"""Turn templates and the expressions of a playbook into text and values, in Jinja's sandbox.

Only what the author of a playbook or template wrote is ever a template: the values of variables are data, and
braces in them stay braces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from traceback import walk_tb
from typing import Any

from jinja2 import BaseLoader, FunctionLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2 import Template as JinjaTemplate
from jinja2 import nodes as jinja_nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from lunops.errors import BadValueError, LunopsError, TemplateError
from lunops.model import Json
from lunops.names import Dataset
from lunops.near import hint

Filter = Callable[..., Any]

_NO_VARIABLE = re.compile(r"there is no variable '(.*)'\Z", re.DOTALL)
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class _Missing(StrictUndefined):
    """What a name without a value is: any use of it says which name that was."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"there is no variable {name!r}"
        there = self._undefined_obj
        if isinstance(there, Mapping):
            return f"there is no {name!r} in it ({hint(str(name), map(str, there), 'keys')})"
        return f"{there!r} has no {name!r}"


def environment(loader: BaseLoader | None = None, filters: Mapping[str, Filter] | None = None) -> Any:
    """Return the sandboxed Jinja environment with our filters; nothing in it is random or reads a clock."""
    made = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=_Missing,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=loader is not None,  # a file ends as its template does
        autoescape=False,  # JSON, not HTML: the json filter does the quoting
    )
    for name in ("lipsum", "cycler", "joiner"):
        del made.globals[name]
    del made.filters["random"]
    made.filters |= {"json": to_json, "pool": pool_of, "bool": to_bool, **(filters or {})}
    return made


def to_json(value: object) -> str:
    """Filter `json`: return the value as JSON, quotes and all; whatever the value, it stays one JSON value."""
    return json.dumps(settle(value), ensure_ascii=True, allow_nan=False, sort_keys=True)


def pool_of(value: object) -> str:
    """Filter `pool`: return the pool of a dataset or snapshot."""
    return Dataset.parse(str(value).partition("@")[0]).pool


def to_bool(value: object) -> bool:
    """Filter `bool`: return true for true, 1, yes, on, and false for false, 0, no, off; anything else is an error."""
    found = _BOOLEANS.get(str(value).lower())
    if found is None:
        raise BadValueError(f"{value!r} is neither true nor false", fix="write true or false")
    return found


class Templates:
    """The template files at hand, by name."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = dict(sources)
        self._environment = environment(FunctionLoader(self._load))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all templates, sorted."""
        return tuple(sorted(self._sources))

    def render(self, name: str, variables: Mapping[str, Json]) -> str:
        """Return the template's text with the variables filled in; raises `TemplateError` with file and line."""
        try:
            template: JinjaTemplate = self._environment.get_template(name)
            return template.render(variables)
        except TemplateNotFound as error:
            missing_name = str(error.name or name)
            raise TemplateError(
                f"there is no template {missing_name!r}",
                where="" if missing_name == name else name,
                fix=hint(missing_name, self._sources, "templates"),
            ) from error
        except Exception as error:
            raise _explained(error, variables, name, self._sources) from error

    def _load(self, name: str) -> tuple[str, str, Callable[[], bool]] | None:
        source = self._sources.get(name)
        return None if source is None else (source, name, lambda: True)


class Expressions:
    """The `{{ }}` of playbooks, compiled once each; a text that is one expression gives a value of its own type."""

    def __init__(self, filters: Mapping[str, Filter] | None = None) -> None:
        self._environment = environment(filters=filters)
        self._compiled: dict[str, Callable[[Mapping[str, Json]], object]] = {}
        self._conditions: dict[str, TemplateExpression] = {}

    def value(self, source: Json, variables: Mapping[str, Json], where: str) -> Json:
        """Return the source with every text in it filled in; raises `TemplateError` that names a missing variable."""
        if isinstance(source, str):
            if "{" not in source:
                return source
            try:
                if source not in self._compiled:
                    self._compiled[source] = self._compile(source)
                return settle(self._compiled[source](variables))
            except Exception as error:
                raise _explained(error, variables, where, ()) from error
        if isinstance(source, Mapping):
            return {key: self.value(value, variables, f"{where}.{key}") for key, value in source.items()}
        if isinstance(source, list | tuple):
            return [self.value(value, variables, f"{where}[{index}]") for index, value in enumerate(source)]
        return source

    def condition(self, expression: str, variables: Mapping[str, Json], where: str) -> bool:
        """Return the truth of a bare expression, which must be true or false and nothing else."""
        try:
            if expression not in self._conditions:
                self._conditions[expression] = self._environment.compile_expression(expression, undefined_to_none=False)
            result = settle(self._conditions[expression](variables))
        except Exception as error:
            raise _explained(error, variables, where, ()) from error
        if not isinstance(result, bool):
            raise TemplateError(
                f"the condition {expression!r} gives {result!r}, which is neither true nor false",
                where=where,
                fix="compare it with something (==, in, is defined), or use the filter `bool`",
            )
        return result

    def _compile(self, source: str) -> Callable[[Mapping[str, Json]], object]:
        body = self._environment.parse(source).body
        if len(body) == 1 and isinstance(body[0], jinja_nodes.Output) and len(body[0].nodes) == 1:
            only = body[0].nodes[0]
            if not isinstance(only, jinja_nodes.TemplateData):
                result = jinja_nodes.Assign(jinja_nodes.Name("result", "store"), only, lineno=1)
                template = self._environment.from_string(jinja_nodes.Template([result], lineno=1))
                return TemplateExpression(template, undefined_to_none=False)
        render: Callable[[Mapping[str, Json]], object] = self._environment.from_string(source).render
        return render


def settle(value: object) -> Json:
    """Return the value as plain JSON data; a name without a value, and what is not data, are errors."""
    if isinstance(value, _Missing):
        str(value)  # raises, naming it
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(settle(key)): settle(each) for key, each in value.items()}
    if isinstance(value, list | tuple | range | Iterator | KeysView | ValuesView | ItemsView):
        return [settle(each) for each in value]
    raise TypeError(f"{value!r} is no data, but a {type(value).__name__}")


def _explained(error: Exception, variables: Mapping[str, Json], where: str, files: object) -> LunopsError:
    """Return a `TemplateError` for whatever went wrong in a template; `files` are the names of template files."""
    if isinstance(error, TemplateSyntaxError):
        place = f"{error.name or where}:{error.lineno}" if files else where
        return TemplateError(f"the template has a syntax error: {error.message}", where=place)
    if files:
        assert isinstance(files, Mapping)
        lines = [
            (frame.f_code.co_filename, line)
            for frame, line in walk_tb(error.__traceback__)
            if frame.f_code.co_filename in files
        ]
        where = "{}:{}".format(*lines[-1]) if lines else where
    if isinstance(error, LunopsError):
        return TemplateError(error.what, where=where, fix=error.fix)
    if isinstance(error, UndefinedError):
        what = error.message or "a variable is missing"
        name = _NO_VARIABLE.match(what)
        return TemplateError(what, where=where, fix=hint(name[1], variables, "variables") if name else "")
    return TemplateError(f"the template cannot be filled in: {type(error).__name__}: {error}", where=where)
