"""The variables as Jinja sees them: looked up one by one, so that none is filled in that nothing asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunops.model import Json


class Scope(Mapping[str, Json]):
    """Variables, and behind them the functions of expressions."""

    __slots__ = ("_globals", "_variables")

    def __init__(self, variables: Mapping[str, Json], functions: Mapping[str, Any]) -> None:
        self._variables = variables
        self._globals = functions

    def __contains__(self, name: object) -> bool:
        return name in self._variables or name in self._globals

    def __getitem__(self, name: str) -> Json:
        return self._variables[name] if name in self._variables else self._globals[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._variables
        yield from (name for name in self._globals if name not in self._variables)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, Json]:
        """Return nothing: Jinja asks for a copy to show it in a debugger, and that must not fill in every variable."""
        return {}


def run(template: Any, variables: Mapping[str, Json]) -> Iterator[Any]:
    """Give the pieces of a compiled template."""
    # `shared` takes the mapping as it is, where a copy would fill in every variable.
    context = template.new_context(Scope(variables, template.globals), shared=True)
    pieces: Iterator[Any] = template.root_render_func(context)
    return pieces


def result_of(template: Any, variables: Mapping[str, Json]) -> object:
    """Return what a compiled bare expression gives, which its template keeps under the name `result`."""
    context = template.new_context(Scope(variables, template.globals), shared=True)
    for _ in template.root_render_func(context):
        pass
    return context.vars["result"]
