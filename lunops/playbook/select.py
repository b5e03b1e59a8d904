"""Choose the tasks of a playbook to run: by tags, and from which one on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from lunops.errors import PlaybookError
from lunops.near import hint
from lunops.playbook.model import Node, Playbook, TaskSpec
from lunops.playbook.walk import tasks_in

ALL: Final = "all"
ALWAYS: Final = "always"
NEVER: Final = "never"
TAGGED: Final = "tagged"
UNTAGGED: Final = "untagged"
_SPECIAL: Final = (ALL, ALWAYS, NEVER, TAGGED, UNTAGGED)


def select(
    playbook: Playbook, *, tags: Sequence[str] = (), skip_tags: Sequence[str] = (), start_at: str = ""
) -> Playbook:
    """Return the playbook with the tasks to run alone; ids stay as they are, and plays stay, even with no task left.

    `tags` and `skip_tags` are texts with commas, as on the command line, with Ansible's meaning of always, never,
    tagged, untagged and all; no `tags` are `all`. `start_at` is a task's name, a glob, or a task's id, and looks
    among the tasks that the tags leave. Raises `PlaybookError` for what matches nothing.
    """
    only, skip = _split(tags), _split(skip_tags)
    known = {tag for play in playbook.plays for spec in tasks_in(play.tasks) for tag in spec.tags}
    for option, given in (("--tags", only), ("--skip-tags", skip)):
        for tag in given:
            if tag not in known and tag not in _SPECIAL:
                raise PlaybookError(
                    f"no task has the tag {tag!r}", where=f"{playbook.path}, {option}", fix=hint(tag, known, "tags")
                )
    chosen = _with_tasks(playbook, lambda spec: is_chosen(spec.tags, only or {ALL}, skip))
    if not any(play.tasks or play.gather_facts for play in chosen.plays):
        raise PlaybookError(
            "the tags leave no task",
            where=", ".join((playbook.path, *_option("--tags", only), *_option("--skip-tags", skip))),
            fix=hint("", known, "tags"),
        )
    return _start(chosen, start_at) if start_at else chosen


def is_chosen(tags: Collection[str], only: Collection[str], skip: Collection[str]) -> bool:
    """Tell whether a task with these tags is run, as ansible.playbook.taggable has it."""
    mine = set(tags) or {UNTAGGED}
    is_tagged = bool(tags)
    wanted = (
        ALWAYS in mine
        or not mine.isdisjoint(only)
        or (ALL in only and NEVER not in mine)
        or (TAGGED in only and is_tagged and NEVER not in mine)
    )
    left_out = (
        (ALL in skip and (ALWAYS not in mine or ALWAYS in skip))
        or not mine.isdisjoint(skip)
        or (TAGGED in skip and is_tagged)
    )
    return wanted and not left_out


def _option(name: str, given: Collection[str]) -> tuple[str, ...]:
    return (f"{name} {','.join(sorted(given))}",) if given else ()


def _split(given: Sequence[str]) -> set[str]:
    return {tag for text in given for part in text.split(",") if (tag := part.strip())}


def _with_tasks(playbook: Playbook, keep: Callable[[TaskSpec], bool]) -> Playbook:
    plays = []
    for play in playbook.plays:
        nodes = _kept(play.tasks, keep)
        # What the reader put in between its sections is of no use alone.
        is_empty = all(isinstance(node, TaskSpec) and node.is_implicit for node in nodes)
        plays.append(replace(play, tasks=() if is_empty else nodes))
    return replace(playbook, plays=tuple(plays))


def _kept(nodes: Sequence[Node], keep: Callable[[TaskSpec], bool]) -> tuple[Node, ...]:
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, TaskSpec):
            if node.is_implicit or keep(node):
                found.append(node)
            continue
        parts = [_kept(part, keep) for part in (node.tasks, node.rescue, node.always)]
        if any(parts):
            found.append(replace(node, tasks=parts[0], rescue=parts[1], always=parts[2]))
    return tuple(found)


def _start(playbook: Playbook, start_at: str) -> Playbook:
    """Return the playbook from the first task on that matches; facts are asked in its play and in those after it."""

    def matches(spec: TaskSpec) -> bool:
        return not spec.is_implicit and (start_at in (spec.id, spec.name) or fnmatchcase(spec.name, start_at))

    for place, play in enumerate(playbook.plays):
        tasks = _from(play.tasks, matches)
        if tasks is not None:
            before = tuple(replace(each, tasks=(), gather_facts=False) for each in playbook.plays[:place])
            return replace(playbook, plays=(*before, replace(play, tasks=tasks), *playbook.plays[place + 1 :]))
    raise _no_start(playbook, start_at, matches)


def _from(nodes: Sequence[Node], matches: Callable[[TaskSpec], bool]) -> tuple[Node, ...] | None:
    """Return the nodes from the first match on, or None; a rescue is not looked into: it is run after a failure."""
    for index, node in enumerate(nodes):
        rest = tuple(nodes[index + 1 :])
        if isinstance(node, TaskSpec):
            if matches(node):
                return (node, *rest)
        elif (tasks := _from(node.tasks, matches)) is not None:
            return (replace(node, tasks=tasks), *rest)
        elif (always := _from(node.always, matches)) is not None:
            return (replace(node, tasks=(), rescue=(), always=always), *rest)
    return None


def _no_start(playbook: Playbook, start_at: str, matches: Callable[[TaskSpec], bool]) -> PlaybookError:
    where = f"{playbook.path}, --start-at-task"
    specs = [spec for play in playbook.plays for spec in tasks_in(play.tasks) if not spec.is_implicit]
    for spec in specs:
        if matches(spec):
            said = f"{spec.name!r} is in a rescue, which is run only after a failure ({spec.where.get('', spec.id)})"
            return PlaybookError(said, where=where, fix="start at the first task of its block")
    return PlaybookError(
        f"no task is named {start_at!r}", where=where, fix=hint(start_at, (spec.name for spec in specs), "tasks")
    )
