"""Decrypt the values of a playbook that were written with the tag `!vault`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from lunops.model import Json
from lunops.playbook.model import Block, Node, Play, Playbook, TaskSpec

Reveal = Callable[[Json, str], Json]  # a value and its place → the value, decrypted


def revealed(playbook: Playbook, reveal: Reveal) -> Playbook:
    """Return the playbook with its variables, arguments and environments decrypted."""

    def node(each: Node) -> Node:
        if isinstance(each, Block):
            return replace(
                each,
                tasks=tuple(map(node, each.tasks)),
                rescue=tuple(map(node, each.rescue)),
                always=tuple(map(node, each.always)),
            )
        return task(each)

    def task(spec: TaskSpec) -> TaskSpec:
        return replace(
            spec,
            args=values(spec.args, lambda name: spec.place(f"args.{name}")),
            variables=values(spec.variables, lambda name: spec.place(f"vars.{name}")),
            environment=values(spec.environment, lambda name: spec.place(f"environment.{name}")),
        )

    def values(of: Mapping[str, Json], place: Callable[[str], str]) -> dict[str, Json]:
        return {name: reveal(value, place(name)) for name, value in of.items()}

    def play(each: Play) -> Play:
        return replace(
            each,
            variables=values(each.variables, lambda name: each.place(f"vars.{name}")),
            tasks=tuple(map(node, each.tasks)),
            handlers=tuple(map(task, each.handlers)),
        )

    return replace(playbook, plays=tuple(map(play, playbook.plays)))
