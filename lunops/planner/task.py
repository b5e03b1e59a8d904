"""What both doors of the planner share: a task made of items, and names that must not come twice."""

from __future__ import annotations

from collections.abc import Sequence

from lunops.errors import BadValueError, LunopsError
from lunops.model import Item, Task

_BASE_S = 600.0
_ITEM_S = 2.0  # far more than an item was ever seen to need; a task that hangs still ends


def make_task(
    number: int,
    name: str,
    module: str,
    items: Sequence[Item],
    timeout_s: float | None = None,
    play: int = 0,
    *,
    run: str = "",
    is_handler: bool = False,
) -> Task:
    """Return the task at this place of the plan, with time for as many items as it has."""
    longest_s = max((float(item.args.get("timeout_s", 0)) for item in items), default=0.0)
    return Task(
        id=f"{number:02}:{module}",
        name=name,
        module=module,
        items=tuple(items),
        timeout_s=timeout_s or _BASE_S + longest_s + _ITEM_S * len(items),
        play=play,
        run=run,
        is_handler=is_handler,
    )


def refuse_twice(key: str, names: Sequence[str], errors: list[LunopsError]) -> None:
    """Note an error for every name of a batch that is in it already."""
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if (other := first.setdefault(name, place)) != place:
            what = f"{name!r} is given twice: clones[{other}].{key} is the same"
            errors.append(BadValueError(what, where=f"clones[{place}].{key}", fix="give each once"))
