"""`lunops run`: read what it is given, plan, run, recap."""

from __future__ import annotations

import json
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from lunops import inventory as inventories
from lunops import playbook as playbooks
from lunops import recap
from lunops.cli.output import Output, wants_colour
from lunops.cli.printer import Printer
from lunops.cli.variables import extra_variables, read_text
from lunops.connections import connect
from lunops.errors import PlaybookError
from lunops.model import Plan, RunResult
from lunops.near import hint
from lunops.planner import plan_playbook
from lunops.resources import load_templates, playbook_folder
from lunops.runner import Silent, run_plan

_INTERRUPTED = 99


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line said."""

    plan: Path
    inventory: Path
    limit: str | None
    check: bool
    diff: bool
    extra_vars: tuple[str, ...]
    forks: int
    as_json: bool
    verbosity: int


def run(options: Options) -> int:
    """Run a playbook; return the exit code. Raises `InputError` if anything is invalid, and then nothing ran."""
    plan = make_plan(options)
    cancelled = threading.Event()
    with _interruptible(cancelled):
        result = _run_as_json(plan, options, cancelled) if options.as_json else _run(plan, options, cancelled)
    return _INTERRUPTED if cancelled.is_set() else recap.exit_code(result.tasks)


def make_plan(options: Options) -> Plan:
    """Return what the playbook, the inventory and the variables come to."""
    path = _find(options.plan)
    inventory = inventories.parse(read_text(options.inventory), options.inventory)
    return plan_playbook(
        playbooks.parse(read_text(path), str(path)),
        inventory,
        options.limit,
        extra_variables(options.extra_vars),
        templates=load_templates(path.parent / "templates", path.parent),
        run=str(uuid.uuid4()),
    )


def _find(path: Path) -> Path:
    """Return the playbook's file: as it is named, else the one of this name that ships with lunops."""
    if path.exists():
        return path
    shipped = {each.name: each for each in sorted(playbook_folder().glob("*-*.yml"))}  # batch.yml holds variables
    for name in (path.name, f"{path.name}.yml"):
        if name in shipped and path.parent.name in ("", "playbooks"):
            return shipped[name]
    raise PlaybookError("there is no such file", where=str(path), fix=hint(path.name, shipped, "playbooks with lunops"))


def _run(plan: Plan, options: Options, cancelled: threading.Event) -> RunResult:
    detail = recap.Detail.of(options.verbosity, diff=options.diff, check=options.check)
    output = Output(sys.stdout, colour=wants_colour(sys.stdout))
    with Printer(output, detail, hosts={head.host.name: head.host for head in plan.heads}) as printer:
        printer.begin(plan, check=options.check)
        result = run_plan(
            plan, connect=connect, observer=printer, check=options.check, forks=options.forks, cancelled=cancelled
        )
        printer.end(result)
    return result


def _run_as_json(plan: Plan, options: Options, cancelled: threading.Event) -> RunResult:
    result = run_plan(
        plan, connect=connect, observer=Silent(), check=options.check, forks=options.forks, cancelled=cancelled
    )
    print(json.dumps({**recap.as_json(result), "interrupted": cancelled.is_set()}, indent=2))
    return result


@contextmanager
def _interruptible(cancelled: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C, or a TERM, end the run between two items, and a second Ctrl-C end it at once."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()
        print(
            "lunops: interrupted: ending after the present items (once more ends at once, and leaves them unknown)",
            file=sys.stderr,
        )

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
