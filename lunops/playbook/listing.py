"""The texts of --list-tasks, --list-tags and --list-hosts, as ansible-playbook writes them.

Unlike there, tags are always sorted, and the tasks of `rescue` and `always` are listed, too: they may be run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lunops.playbook.model import Play, Playbook, TaskSpec
from lunops.playbook.walk import tasks_in

HeadsOf = Callable[[Play], Sequence[str]]


def tasks_text(playbook: Playbook) -> str:
    """Return the text of --list-tasks."""
    return listing_text(playbook, tasks=True)


def tags_text(playbook: Playbook) -> str:
    """Return the text of --list-tags; where no tags are chosen it is for all tasks, those tagged `never`, too."""
    return listing_text(playbook, tags=True)


def hosts_text(playbook: Playbook, heads: HeadsOf) -> str:
    """Return the text of --list-hosts; `heads` gives the names of a play's heads."""
    return listing_text(playbook, heads=heads)


def listing_text(playbook: Playbook, *, tasks: bool = False, tags: bool = False, heads: HeadsOf | None = None) -> str:
    """Return the lists that are asked for, play by play."""
    lines = ["", f"playbook: {playbook.path}"]
    for number, play in enumerate(playbook.plays, 1):
        lines += ["", f"  play #{number} ({play.hosts}): {play.name}\tTAGS: [{','.join(sorted(play.tags))}]"]
        if heads is not None:
            names = heads(play)
            lines += [f"    pattern: {play.hosts.split(',')}", f"    hosts ({len(names)}):"]
            lines += [f"      {name}" for name in names]
        if tasks:
            lines.append("    tasks:")
            lines += [f"      {_name(spec)}\tTAGS: [{_tags(spec.tags)}]" for spec in _listed(play)]
        if tags:
            found = play.tags.union(*(spec.tags for spec in _listed(play)))
            lines.append(f"      TASK TAGS: [{_tags(found)}]")
    return "\n".join(lines) + "\n"


def _listed(play: Play) -> Iterator[TaskSpec]:
    return (spec for spec in tasks_in(play.tasks) if not spec.is_implicit)


def _name(spec: TaskSpec) -> str:
    """Return a task's name, or its module's where the playbook gives it none."""
    return spec.name if "name" in spec.where else spec.module


def _tags(tags: frozenset[str]) -> str:
    return ", ".join(sorted(tags))
