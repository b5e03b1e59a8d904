"""`lunops run`: read what it is given, find all errors, run, recap."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from lunops import recap
from lunops.cli.inputs import Inputs, read_book, read_inputs
from lunops.cli.interrupt import interruptible
from lunops.cli.output import Output, wants_colour
from lunops.cli.printer import Printer
from lunops.cli.run_options import Options
from lunops.connections import Timeouts, connect
from lunops.errors import PlaybookError
from lunops.model import Host, Json, RunResult
from lunops.play import journal_file
from lunops.play.engine import run_playbook
from lunops.play.journal import Journal
from lunops.play.journal_file import FileJournal
from lunops.play.observer import PlayObserver, SilentPlay
from lunops.play.run_state import Options as RunOptions
from lunops.playbook.listing import listing_text

_INTERRUPTED = 99
_COLLECT_EVERY = 20_000  # new objects; Python's own number is for programs that keep less
_RESUMED = ("plan", "inventory", "limit", "extra_vars", "tags", "skip_tags", "start_at_task", "force_handlers")


def run(options: Options) -> int:
    """Run a playbook; return the exit code. Raises `InputError` if anything is invalid, and then nothing ran."""
    if options.lists:
        return _lists(options)
    recalled: dict[tuple[str, str], Any] = {}
    head: Json = {}
    if options.resume:
        head, recalled = journal_file.read(_runs(), options.resume)
        options = _resumed(options, head)
    inputs = read_inputs(options)
    if options.resume:
        _refuse_changed(inputs, head, options.resume)
        inputs = replace(inputs, run=head["run"])  # what the run before has made is this one's
    journal = None
    if not options.check:
        journal = FileJournal(
            _runs() / f"{_name(inputs, options)}.jsonl",
            _journal_head(inputs, options),
            recalled=recalled,
            is_secret=inputs.mask.finds,
        )
    # All that was read stays to the end, and so do the results: to go over them again and again finds nothing.
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)
    cancelled = threading.Event()
    result = None
    try:
        with interruptible(cancelled):
            result = perform(inputs, options, cancelled=cancelled, journal=journal)
    finally:
        if journal is not None:
            journal.close(_end(result, cancelled))
    if journal is not None and (cancelled.is_set() or result.is_bad):
        print(f"lunops: to go on from here: lunops run --resume {journal.name}", file=sys.stderr)
    _write_files(inputs, options, result)
    code = recap.exit_code(result.tasks, detailed=options.detailed_exitcode)
    return _INTERRUPTED if cancelled.is_set() else code


def perform(
    inputs: Inputs, options: Options, *, cancelled: threading.Event, journal: Journal | None = None
) -> RunResult:
    """Run what was read, and say what happens, in text or as JSON."""
    if options.as_json:
        result = quietly(inputs, options, cancelled=cancelled, journal=journal)
        value = {**recap.as_json(recap.masked_run(result, _mask(inputs))), "interrupted": cancelled.is_set()}
        print(json.dumps(inputs.mask.value(value), indent=2))
        return result
    colour = wants_colour(sys.stdout) if options.colour == "auto" else options.colour == "always"
    detail = recap.Detail.of(options.verbosity, diff=options.diff, check=options.check)
    hosts = {host.name: host for host in inputs.prepared.heads}
    with Printer(Output(sys.stdout, colour=colour, mask=_mask(inputs)), detail, hosts=hosts) as printer:
        result = quietly(inputs, options, cancelled=cancelled, journal=journal, observer=printer)
        printer.end(result)
    return result


def quietly(
    inputs: Inputs,
    options: Options,
    *,
    cancelled: threading.Event,
    journal: Journal | None = None,
    observer: PlayObserver | None = None,
) -> RunResult:
    """Run what was read, and tell the observer alone."""
    return run_playbook(
        inputs.prepared,
        inputs.inventory,
        connect=_connect(options),
        options=RunOptions(
            check=options.check,
            diff=options.diff,
            forks=options.forks,
            verbosity=options.verbosity,
            extra=inputs.extra,
            force_handlers=options.force_handlers,
            run=inputs.run,
            said=inputs.said,
            ask=_ask if not options.yes else lambda _prompt: "",
            step=_step if options.step else None,
        ),
        templates=inputs.templates,
        files=inputs.files,
        observer=observer or SilentPlay(),
        journal=journal,
        cancelled=cancelled,
    )


def _connect(options: Options) -> Callable[[Host], Any]:
    if options.timeout is None:
        return connect
    timeouts = replace(Timeouts(), connect_s=options.timeout)
    return lambda host: connect(host, timeouts=timeouts)


def _mask(inputs: Inputs) -> recap.Mask:
    """Return what masks secrets; all of them are known once everything is read, and mostly there are none."""
    return recap.same if inputs.mask.is_empty else inputs.mask.text


def _lists(options: Options) -> int:
    """Tell what was asked for, and run nothing."""
    book = read_book(options)
    if options.list_tasks or options.list_tags or options.list_hosts:
        heads = book.heads_of if options.list_hosts else None
        print(listing_text(book.playbook, tasks=options.list_tasks, tags=options.list_tags, heads=heads))
    else:
        read_inputs(options)
        print(f"\nplaybook: {book.path}: no error was found")
    return 0


def _ask(prompt: str) -> str:
    """Ask something on the terminal; where there is none, go on at once."""
    if not sys.stdin.isatty():
        return ""
    return str(click.prompt(prompt or "Press enter to go on", default="", show_default=False, err=True))


def _step(name: str) -> str:
    """Ask whether to do a task: (n)o, (y)es or (c)ontinue without asking, as Ansible does."""
    if not sys.stdin.isatty():
        raise PlaybookError("--step asks on a terminal, and there is none", fix="leave --step out")
    choice = click.Choice(["n", "y", "c", "N", "Y", "C"])
    answer = click.prompt(
        f"Perform task: {name} (N)o/(y)es/(c)ontinue", type=choice, default="n", show_choices=False, err=True
    )
    return str(answer).lower()


# journals


def _runs() -> Path:
    return journal_file.folder(os.environ)


def _name(inputs: Inputs, options: Options) -> str:
    """Return the name of the journal: that of the run, and how often it was gone on with."""
    if not options.resume:
        return inputs.run
    base, _, number = options.resume.partition("+")
    return f"{base}+{int(number or 0) + 1}"


def _journal_head(inputs: Inputs, options: Options) -> dict[str, Json]:
    given = asdict(replace(options, keys=None))
    return {
        "run": inputs.run,
        "playbook": str(inputs.path.resolve()),
        "options": {
            name: str(Path(each).resolve()) if name == "plan" else each
            for name in _RESUMED
            if (each := given[name]) is not None
        },
        "digests": _digests(inputs),
        "folder": str(Path.cwd()),
    }


def _digests(inputs: Inputs) -> dict[str, str]:
    """Return the digests of what was read; a file may be named from here once, and from the root the other time."""
    return {os.path.abspath(path): digest for path, digest in inputs.digests.items()}


def _resumed(options: Options, head: Json) -> Options:
    """Return the options of the run that is gone on with, the present ones for how it is run and shown."""
    before = dict(head["options"])
    if Path.cwd() != Path(head["folder"]):
        raise PlaybookError(
            f"the run {options.resume} was begun in another folder", where=head["folder"], fix="go there first"
        )
    plan = Path(before.pop("plan"))
    lists: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in before.items()}
    return replace(options, plan=plan, **lists)


def _refuse_changed(inputs: Inputs, head: Json, run: str) -> None:
    """Refuse to go on where a file differs from what the run was begun with."""
    found = _digests(inputs)
    changed = [path for path, digest in head["digests"].items() if found.get(path) != digest]
    if changed:
        raise PlaybookError(
            f"what the run {run} was begun with has changed: {', '.join(sorted(changed))}",
            fix="put it back, or run the playbook anew: what is there already is kept",
        )


def _end(result: RunResult | None, cancelled: threading.Event) -> str:
    if result is None or cancelled.is_set():
        return journal_file.INTERRUPTED
    return journal_file.FAILED if result.is_bad else journal_file.DONE


# files


def _write_files(inputs: Inputs, options: Options, result: RunResult) -> None:
    if options.junit is not None:
        options.junit.write_text(recap.junit(recap.masked_run(result, _mask(inputs))), "utf-8")
    path = options.retry_file
    if path is None and options.retry_files:
        path = inputs.path.with_suffix(".retry")
    if path is not None:
        bad = {task.head for task in result.tasks if task.status.is_bad and not (task.is_ignored or task.is_rescued)}
        if bad:
            path.write_text("".join(f"{head}\n" for head in result.heads if head in bad), "utf-8")
            print(f"lunops: to run it again there: --limit @{path}", file=sys.stderr)
        elif path.exists():
            path.unlink()
