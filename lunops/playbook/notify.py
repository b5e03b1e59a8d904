"""Check that each handler that a task notifies is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lunops.errors import LunopsError, PlaybookError
from lunops.near import hint
from lunops.playbook.expressions import has_expression
from lunops.playbook.model import Node, TaskSpec
from lunops.playbook.walk import tasks_in


def check_notify(errors: list[LunopsError], tasks: Iterable[Node], handlers: Sequence[TaskSpec]) -> None:
    """Note each name that a task or handler notifies and that no handler of the play has or listens to."""
    known = {name for handler in handlers for name in (handler.name, *handler.listen)}
    if any(has_expression(name) for name in known):
        return  # what they come to is not known yet
    for spec in (*tasks_in(tasks), *handlers):
        for index, name in enumerate(spec.notify):
            if name and name not in known and not has_expression(name):
                key = f"notify.{index}" if f"notify.{index}" in spec.where else "notify"
                fix = hint(name, known, "handlers of this play")
                errors.append(PlaybookError(f"there is no handler {name!r}", where=spec.place(key), fix=fix))
