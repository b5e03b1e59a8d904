"""The `{{ }}` of playbooks and their bare conditions, compiled once each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateSyntaxError
from jinja2 import nodes as jinja_nodes
from jinja2.parser import Parser

from lunops.errors import TemplateError
from lunops.model import Json
from lunops.render.environment import Filter, Native, check_names, native_environment
from lunops.render.explain import bare_hint, explained
from lunops.render.held import OMIT, settle
from lunops.render.lazy import Lazy, is_template
from lunops.render.scope import result_of, run

_MOST_KEPT = 100_000


class Expressions:
    """The expressions of playbooks; a text that is one expression gives a value of its own type."""

    def __init__(self, filters: Mapping[str, Filter] | None = None) -> None:
        self._environment = native_environment(filters)
        self._compiled: dict[str, Callable[[Mapping[str, Json]], object]] = {}
        self._conditions: dict[str, JinjaTemplate] = {}
        self._holds: dict[int, tuple[Json, bool]] = {}

    def value(self, source: Json, variables: Mapping[str, Json], where: str) -> Json:
        """Return the source with every text in it filled in; raises `TemplateError` that names a missing variable.

        What is `omit` is left out of dicts and lists; where the source itself is, the result is `OMIT`. A value
        that is not known yet raises `NotYetKnownError`.
        """
        if isinstance(variables, Lazy):
            variables._bind(self)
        return self._value(source, variables, where)

    def condition(self, expression: str, variables: Mapping[str, Json], where: str) -> bool:
        """Return the truth of a bare expression, which must be true or false and nothing else."""
        if isinstance(variables, Lazy):
            variables._bind(self)
        try:
            if expression not in self._conditions:
                self._conditions[expression] = self._bare(expression)
            result = settle(result_of(self._conditions[expression], variables))
        except Exception as error:
            told = explained(error, variables, where, self._environment)
            if isinstance(told, TemplateError) and not told.fix:
                told = TemplateError(told.what, where=told.where, fix=bare_hint(expression))
            raise told from error
        if not isinstance(result, bool):
            raise TemplateError(
                f"the condition {expression!r} gives {result!r:.200}, which is neither true nor false",
                where=where,
                fix="compare it with something (==, in, is defined), or use the filter `bool`",
            )
        return result

    def raw(self, source: str, variables: Mapping[str, Json]) -> object:
        """Return what a text with expressions gives, whatever that is, and raise what goes wrong as it comes."""
        if source not in self._compiled:
            compiler = self._with_its_newlines if source.endswith("\n") else self._compile
            self._compiled[source] = compiler(source)
        return self._compiled[source](variables)

    def holds(self, source: Json) -> bool:
        """Whether there is anything to fill in in a value; remembered for dicts and lists, which must not change."""
        if isinstance(source, str):
            return is_template(source)
        if not isinstance(source, dict | list | tuple):
            return False
        known = self._holds.get(id(source))
        if known is None:
            found = any(map(self.holds, source.values() if isinstance(source, dict) else source))
            if len(self._holds) >= _MOST_KEPT:
                self._holds.clear()
            known = self._holds[id(source)] = (source, found)  # holding the value keeps its id its own
        return known[1]

    def explained(self, error: Exception, variables: Mapping[str, Json], where: str) -> Exception:
        """Return what `raw` raised in words for the reader."""
        return explained(error, variables, where, self._environment)

    def _value(self, source: Json, variables: Mapping[str, Json], where: str) -> Json:
        if isinstance(source, str):
            if not is_template(source):
                return source
            try:
                return settle(self.raw(source, variables))
            except Exception as error:
                raise explained(error, variables, where, self._environment) from error
        if isinstance(source, Mapping):
            found = {key: self._value(value, variables, f"{where}.{key}") for key, value in source.items()}
            return {key: value for key, value in found.items() if value is not OMIT}
        if isinstance(source, list | tuple):
            each = (self._value(value, variables, f"{where}[{index}]") for index, value in enumerate(source))
            return [value for value in each if value is not OMIT]
        return source

    def _compile(self, source: str) -> Callable[[Mapping[str, Json]], object]:
        body = self._environment.parse(source).body
        if len(body) == 1 and isinstance(body[0], jinja_nodes.Output) and len(body[0].nodes) == 1:
            only = body[0].nodes[0]
            if not isinstance(only, jinja_nodes.TemplateData):
                alone = self._storing(only)
                return lambda variables: result_of(alone, variables)
        template = self._environment.from_string(source)
        return lambda variables: Native.concat(run(template, variables))

    def _with_its_newlines(self, source: str) -> Callable[[Mapping[str, Json]], object]:
        """Return what fills in a text that ends in line breaks, which Jinja drops: a text keeps them, as in Ansible."""
        fill = self._compile(source)
        wanted = len(source) - len(source.rstrip("\n"))

        def filled(variables: Mapping[str, Json]) -> object:
            found = fill(variables)
            if not isinstance(found, str):
                return found
            return found + "\n" * max(0, wanted - (len(found) - len(found.rstrip("\n"))))

        return filled

    def _bare(self, expression: str) -> JinjaTemplate:
        parser = Parser(self._environment, expression, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("something follows the expression", parser.stream.current.lineno)
        tree.set_environment(self._environment)
        check_names(self._environment, jinja_nodes.Output([tree]))
        return self._storing(tree)

    def _storing(self, expression: Any) -> JinjaTemplate:
        result = jinja_nodes.Assign(jinja_nodes.Name("result", "store"), expression, lineno=1)
        template: JinjaTemplate = self._environment.from_string(jinja_nodes.Template([result], lineno=1))
        return template
