"""What commands that go over the heads of an inventory have in common: their options, their runs, their answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from lunops.cli.completion import complete_limit
from lunops.model import HeadPlan, Host, ItemResult, Json, Plan, RunResult, Task

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
_LOOK_S = 1800.0  # an emulated head with a thousand LUNs needs a minute


def on_heads(command: F) -> F:
    """Give a command the options -i, -l, -f and --json."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else."),
        click.option(
            "-f", "--forks", default=8, show_default=True, type=click.IntRange(1, 1000), help="Heads at once."
        ),
        click.option(
            "-l",
            "--limit",
            shell_complete=complete_limit,
            help="Only these heads: names, groups, globs, joined by commas.",
        ),
        click.option("-i", "--inventory", required=True, type=_FILE, help="The inventory file."),
    ):
        command = option(command)
    return command


def in_inventory(command: F) -> F:
    """Give a command the options -i, which may be repeated, and --playbook-dir."""
    for option in (
        click.option(
            "--playbook-dir",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help="Read host_vars and group_vars there, too, as a playbook in it does.",
        ),
        click.option(
            "-i",
            "--inventory",
            "sources",
            multiple=True,
            required=True,
            help="A file, a folder of them, or heads (h1,h2,); may be repeated.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The heads that a command is for."""

    hosts: tuple[Host, ...]
    forks: int

    def run(
        self, title: str, module: str, args: Mapping[str, Sequence[Mapping[str, Json]]], *, check: bool
    ) -> RunResult:
        """Do one task of a module on each of these heads: `args` has, by head, those of each item."""
        from lunops.connections import connect
        from lunops.modules import MODULES, Context
        from lunops.render import Templates
        from lunops.runner import run_plan

        plans = []
        for host in self.hosts:
            if args.get(host.name):
                context = Context(host=host, templates=Templates({}))
                items = tuple(MODULES[module].item(dict(each), context, module) for each in args[host.name])
                task = Task(id=f"01:{module}", name=title, module=module, items=items, timeout_s=_LOOK_S)
                plans.append(HeadPlan(host=host, tasks=(task,)))
        return run_plan(Plan(name=title, heads=tuple(plans)), connect=connect, forks=self.forks, check=check)

    def each(self, *args: Mapping[str, Json]) -> dict[str, Sequence[Mapping[str, Json]]]:
        """Return these items for every head."""
        return {host.name: args for host in self.hosts}


def read_heads(inventory: Path, limit: str | None, forks: int) -> Heads:
    """Return the heads of an inventory that the limit leaves; raises `InputError`."""
    from lunops import inventory_files

    return Heads(hosts=inventory_files.load([str(inventory)]).select(limit or "all"), forks=forks)


def items_of(result: RunResult) -> Iterable[tuple[str, ItemResult]]:
    """Give every item with its head, in the inventory's order."""
    for head in result.heads:
        for task in result.tasks:
            if task.head == head:
                yield from ((head, item) for item in task.items)


def plain(text: str) -> str:
    """Return a head's words without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def is_agreed(question: str) -> bool:
    """Ask on the terminal; without one, say what to do instead."""
    if not sys.stdin.isatty():
        print("lunops: nothing was changed: there is no terminal to ask on\n  to mend it: add --yes", file=sys.stderr)
        return False
    return click.confirm(question, default=False)
