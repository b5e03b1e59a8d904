"""Check the expressions of a playbook without a single value: their syntax, and the names of what they call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser

from lunops.model import Json
from lunops.near import hint
from lunops.render.environment import native_environment, no_such
from lunops.yaml_source import Vaulted

HEAD_FILTERS: Final = ("head", "pools")  # those that ask the inventory, so that whoever runs the playbook adds them
_OPENERS = ("{{", "{%", "{#")
_LOOK_UP = "values come from the inventory, `vars`, `vars_files`, -e @FILE or what a task registers"
_NOW = "register the output of `date`, or give the time with -e"
_NO_FUNCTIONS = {"lookup": _LOOK_UP, "query": _LOOK_UP, "q": _LOOK_UP, "now": _NOW}  # those of Ansible
_OF_JINJA = frozenset(("caller", "loop", "self", "super"))  # names that Jinja gives a value in its own places

Problem = tuple[str, str]  # what is wrong, and how to mend it


def has_expression(value: Json) -> bool:
    """Tell whether any text in the value has yet to be filled in, or to be decrypted."""
    if isinstance(value, str):
        return isinstance(value, Vaulted) or any(each in value for each in _OPENERS)
    if isinstance(value, dict):
        return any(has_expression(each) for each in value.values())
    return isinstance(value, list) and any(has_expression(each) for each in value)


class Grammar:
    """What an expression may be made of: Jinja's syntax, and the filters, tests and functions that there are."""

    def __init__(self, filters: Iterable[str] = HEAD_FILTERS) -> None:
        self._environment: Any = native_environment(dict.fromkeys(filters, str))
        self.text = lru_cache(maxsize=None)(self._text)
        self.condition = lru_cache(maxsize=None)(self._condition)

    # Neither computes anything, as Jinja's own compiling does with what is constant: 9**9**9 would take for ever.

    def _text(self, text: str) -> tuple[Problem, ...]:
        """Return the problems of a text with `{{ }}` in it."""
        if not has_expression(text) or isinstance(text, Vaulted):
            return ()
        try:
            tree = Parser(self._environment, text).parse()  # as Environment.parse, which stops at the first name
        except Exception as error:  # also what the lexer makes of a number of 5000 digits, or of a thousand brackets
            return ((_said(error), "write it as {{ NAME | FILTER }}"),)
        return tuple(self._names(tree))

    def _condition(self, text: str) -> tuple[Problem, ...]:
        """Return the problems of a bare expression."""
        try:
            parser = Parser(self._environment, text, state="variable")
            tree = parser.parse_expression()
            if not parser.stream.eos:
                return ((f"the expression ends before {parser.stream.current.value!r}", "join its parts by and, or"),)
        except Exception as error:
            return ((_said(error), "write it as within {{ }}, without the braces"),)
        return tuple(self._names(nodes.Output([tree])))  # find_all looks below a node alone

    def _names(self, tree: nodes.Node) -> Iterator[Problem]:
        known = self._environment
        for kind, node_type, there in (("filter", nodes.Filter, known.filters), ("test", nodes.Test, known.tests)):
            for node in tree.find_all(node_type):
                if node.name not in there:
                    error = no_such(kind, node.name, there)
                    yield error.what, error.fix
        own = {each.name for each in tree.find_all(nodes.Macro)} | _OF_JINJA
        own |= {each.name for each in tree.find_all(nodes.Name) if each.ctx != "load"}
        for call in tree.find_all(nodes.Call):
            name = call.node.name if isinstance(call.node, nodes.Name) else None
            if name is not None and (name in _NO_FUNCTIONS or name not in known.globals) and name not in own:
                yield (
                    f"there is no function {name!r}",
                    _NO_FUNCTIONS.get(name) or hint(name, known.globals, "functions"),
                )


def _said(error: Exception) -> str:
    """Return an error of Jinja's parser as one line."""
    said = error.message if isinstance(error, TemplateSyntaxError) else f"{type(error).__name__}: {error}"
    return f"the expression has a syntax error: {' '.join(str(said).split())}"
