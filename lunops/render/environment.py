"""Jinja's sandbox as we use it: our filters and tests, native values, bounds, and nothing random or with a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, wraps
from typing import Any

from jinja2 import BaseLoader
from jinja2 import nodes as jinja_nodes
from jinja2.environment import TemplateModule
from jinja2.lexer import Lexer
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lunops.errors import TemplateError
from lunops.near import hint
from lunops.render.bounds import at_most, check_call, check_format, check_operation
from lunops.render.filters import FILTERS, WIDTHS
from lunops.render.globals import GLOBALS
from lunops.render.held import Held, Missing, settle, trip
from lunops.render.tests import TESTS
from lunops.render.untaken import UNTAKEN

Filter = Callable[..., Any]

# What may be given a value that is missing; and what passes on arguments that it does not look at.
_TAKES_MISSING = frozenset({"default", "d", "mandatory", "defined", "undefined"})
_PASSES_ON = frozenset({"default", "d", "mandatory", "ternary"})
_NOT_TAKEN_FILTERS = frozenset({"random"})
_NOT_TAKEN_GLOBALS = frozenset({"lipsum", "cycler", "joiner"})


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of template files."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Do an operation that could be made to give a huge value."""
        trip(left)
        trip(right)
        check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up `obj.attribute`."""
        if isinstance(obj, Held):
            obj.trip()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up `obj[argument]`."""
        if isinstance(obj, Held):
            obj.trip()
        trip(argument)
        return super().getitem(obj, argument)

    def call(__self, __context: Any, __obj: Any, *args: Any, **named: Any) -> Any:
        """Call what an expression calls; the names leave room for any argument's."""
        trip(__obj)
        check_call(getattr(__obj, "__name__", ""), getattr(__obj, "__self__", None), args)
        return super().call(__context, __obj, *args, **named)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return what stands for the methods `format` of texts, with their widths checked."""
        found: Callable[..., str] | None = super().wrap_str_format(value)
        if found is not None:
            check_format(value.__self__)
        return found

    def _parse(self, source: str, name: str | None, filename: str | None) -> jinja_nodes.Template:
        """Return the source's tree; a filter or test that is not there is an error also where it is never come by."""
        tree = super()._parse(source, name, filename)
        check_names(self, tree, name or "")
        return tree


class _NativeCode(NativeCodeGenerator):
    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return repr(Native.concat(group))


class _PlainBackslashes(Lexer):
    """Takes backslashes in texts for themselves, as Ansible does: YAML has had its turn at them already."""

    def tokeniter(self, *args: Any, **named: Any) -> Iterator[tuple[int, str, str]]:
        for line, token, text in super().tokeniter(*args, **named):
            yield line, token, text.replace("\\", "\\\\") if token == "string" else text


class Native(Sandbox):
    """The environment of expressions: one that stands alone gives a value of its own type."""

    code_generator_class = _NativeCode

    @property
    def lexer(self) -> Lexer:
        """The lexer."""
        return _lexer(self)

    @staticmethod
    def concat(values: Iterable[Any]) -> Any:
        """Return the one value there is, or the text of all; nulls are left out."""
        found = list(_flat(values))
        if len(found) == 1:
            return found[0]
        return _joined(settle(each) for each in found) if found else None


def environment(loader: BaseLoader | None = None, filters: Mapping[str, Filter] | None = None) -> Any:
    """Return the sandboxed Jinja environment of template files, with our filters and tests."""
    made = Sandbox(
        loader=loader,
        undefined=Missing,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # a file ends as its template does
        autoescape=False,  # JSON, not HTML: the json filter does the quoting
        finalize=lambda value: "" if value is None else value,
    )
    return _furnished(made, filters)


def native_environment(filters: Mapping[str, Filter] | None = None) -> Any:
    """Return the sandboxed Jinja environment of a playbook's expressions."""
    made = Native(undefined=Missing, trim_blocks=True, autoescape=False, optimized=False)
    return _furnished(made, filters)


def check_names(of: Any, tree: jinja_nodes.Node, file: str = "") -> None:
    """Raise `TemplateError` for a filter or test that there is not, with the nearest or what to use instead."""
    for kind, node_type, known in (("filter", jinja_nodes.Filter, of.filters), ("test", jinja_nodes.Test, of.tests)):
        for node in tree.find_all(node_type):
            if node.name and node.name not in known:
                raise no_such(kind, node.name, known, f"{file}:{node.lineno}" if file else "")


def no_such(kind: str, name: str, known: Iterable[str], where: str = "") -> TemplateError:
    """Return the error for a filter or test that there is not."""
    fix = UNTAKEN.get(name) or hint(name, filter(str.isidentifier, known), f"{kind}s")
    return TemplateError(f"there is no {kind} {name!r}", where=where, fix=fix)


def _furnished(made: Any, filters: Mapping[str, Filter] | None) -> Any:
    for name in _NOT_TAKEN_GLOBALS:
        del made.globals[name]
    for name in _NOT_TAKEN_FILTERS:
        del made.filters[name]
    made.globals |= GLOBALS
    found = {**made.filters, **FILTERS, **(filters or {})}
    made.filters = {name: _guarded(name, each) for name, each in found.items()}
    made.tests = {name: _guarded(name, each) for name, each in {**made.tests, **TESTS}.items()}
    return made


def _guarded(name: str, function: Filter) -> Filter:
    """Return a filter or test that uses no value that must not be used, and gives lists instead of iterators."""
    takes_missing, passes_on, fills = name in _TAKES_MISSING, name in _PASSES_ON, name in WIDTHS
    first = 1 if hasattr(function, "jinja_pass_arg") else 0  # before it stands the context, or the environment

    @wraps(function)
    def guarded(*args: Any, **named: Any) -> Any:
        for value in args[first : first + 1] if passes_on else (*args[first:], *named.values()):
            if isinstance(value, Held):
                value.trip()
            if not takes_missing:
                trip(value)
        if fills:
            WIDTHS[name](*args, **named)
        result = function(*args, **named)
        return at_most(result) if isinstance(result, Iterator) else result

    return guarded


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for each in values:
        if isinstance(each, TemplateModule):
            yield from _flat(each._body_stream)
        elif each is not None:
            yield each


def _joined(values: Iterable[Any]) -> str:
    return "".join(map(str, values))


@lru_cache(maxsize=16)
def _lexer(made: Native) -> Lexer:
    return _PlainBackslashes(made)
