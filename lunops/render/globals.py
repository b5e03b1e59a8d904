"""The functions of expressions, and those of Ansible that are refused with what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

from lunops.errors import TemplateError
from lunops.inventory_range import expand
from lunops.render.held import OMIT


def node_range(pattern: str) -> list[str]:
    """Return the names that a pattern such as `node-[001:120]` stands for."""
    return expand(str(pattern), "")


def _refused(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_named: Any) -> NoReturn:
        raise TemplateError(f"{name}() is not for the expressions here", fix=instead)

    return refuse


_LOOKUP = (
    "use vars_files for files of variables, the module `template` for files, -e for values of the environment, "
    "and `loop` with filters (dict2items, subelements, product) for the loops"
)

GLOBALS: Final[dict[str, Any]] = {
    "omit": OMIT,
    "node_range": node_range,
    "lookup": _refused("lookup", _LOOKUP),
    "query": _refused("query", _LOOKUP),
    "q": _refused("q", _LOOKUP),
    "now": _refused("now", "an expression reads no clock: register the output of `date`, or give the time with -e"),
    "undef": _refused("undef", "use the filter `mandatory`"),
}
