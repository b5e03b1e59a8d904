"""Go through all tasks of a play or playbook, whatever blocks they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lunops.playbook.model import Block, Node, Play, Playbook, TaskSpec


def tasks_in(nodes: Iterable[Node]) -> Iterator[TaskSpec]:
    """Give the tasks in order, those of a block's `tasks`, `rescue` and `always`."""
    for node in nodes:
        if isinstance(node, Block):
            for part in (node.tasks, node.rescue, node.always):
                yield from tasks_in(part)
        else:
            yield node


def tasks_of(play: Play) -> Iterator[TaskSpec]:
    """Give a play's tasks, then its handlers."""
    yield from tasks_in(play.tasks)
    yield from play.handlers


def numbers(playbook: Playbook) -> dict[str, int]:
    """Return the number of every task by its id, from 1 through all plays; what only steers has none."""
    found: dict[str, int] = {}
    for play in playbook.plays:
        for spec in tasks_of(play):
            if spec.module != "meta":
                found[spec.id] = len(found) + 1
    return found
