"""`lunops run`: read what it is given, find all errors, run, recap."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from lunops import recap
from lunops.cli.asking import Aside, Asking
from lunops.cli.hidden_errors import masked_errors
from lunops.cli.inputs import Inputs, read_book, read_inputs
from lunops.cli.interrupt import interruptible
from lunops.cli.output import Output, wants_colour
from lunops.cli.printer import Printer
from lunops.cli.run_options import Options, given, with_given
from lunops.cli.watch import Watch
from lunops.connections import Timeouts, connect
from lunops.errors import InputError, LunopsError, PlaybookError
from lunops.mask import Mask
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
    mask = Mask()
    with masked_errors(mask):
        return _lists(options, mask) if options.lists else _run(options, mask)


def _run(options: Options, mask: Mask) -> int:
    if options.step and not sys.stdin.isatty():
        raise InputError("it asks on a terminal, and there is none", where="--step", fix="leave it out")
    recalled: dict[tuple[str, str], Any] = {}
    head: Json = {}
    if options.resume:
        head, recalled = journal_file.read(_runs(), options.resume)
        options = _resumed(options, head)
    inputs = read_inputs(options, mask)
    if options.resume:
        _refuse_changed(inputs, head, options.resume)
        inputs = replace(inputs, run=head["run"])  # what the run before has made is this one's
    return carry_out(inputs, options, recalled)


def carry_out(inputs: Inputs, options: Options, recalled: dict[tuple[str, str], Any] | None = None) -> int:
    """Run what was read, with journal, recap and files; return the exit code."""
    _refuse_unwritable(options)
    journal = None
    if not options.check:
        journal = FileJournal(
            _runs() / f"{_name(inputs, options)}.jsonl",
            _journal_head(inputs, options),
            recalled=recalled or {},
            is_secret=inputs.mask.finds,
        )
    # All that was read stays to the end, and so do the results: to go over them again and again finds nothing.
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)
    cancelled = threading.Event()
    result = None
    try:
        result = perform(inputs, options, cancelled=cancelled, journal=journal)
    finally:
        if journal is not None:
            journal.close(_end(result, cancelled))
            if result is None or cancelled.is_set() or result.is_bad:
                print(f"lunops: to go on from here: lunops run --resume {journal.name}", file=sys.stderr)
    write_files(inputs, options, result)
    code = recap.exit_code(result.tasks, detailed=options.detailed_exitcode)
    return _INTERRUPTED if cancelled.is_set() else code


def perform(
    inputs: Inputs,
    options: Options,
    *,
    cancelled: threading.Event,
    journal: Journal | None = None,
    watch: Watch | None = None,
) -> RunResult:
    """Run what was read, and say what happens, in text or as JSON. The first Ctrl-C or TERM sets `cancelled`."""
    if options.as_json:
        with interruptible(cancelled):
            result = quietly(inputs, options, cancelled=cancelled, journal=journal, watch=watch)
        value = {**recap.as_json(recap.masked_run(result, _mask(inputs))), "interrupted": cancelled.is_set()}
        print(json.dumps(inputs.mask.value(value), indent=2))
        return result
    colour = wants_colour(sys.stdout) if options.colour == "auto" else options.colour == "always"
    detail = recap.Detail.of(options.verbosity, diff=options.diff, check=options.check)
    hosts = {host.name: host for host in inputs.prepared.heads}
    output = Output(sys.stdout, colour=colour, mask=_mask(inputs))
    with interruptible(cancelled, output.held), Printer(output, detail, hosts=hosts) as printer:
        result = quietly(
            inputs, options, cancelled=cancelled, journal=journal, observer=printer, aside=output.held, watch=watch
        )
        printer.end(result)
    return result


def quietly(
    inputs: Inputs,
    options: Options,
    *,
    cancelled: threading.Event,
    journal: Journal | None = None,
    observer: PlayObserver | None = None,
    aside: Aside = nullcontext,
    watch: Watch | None = None,
) -> RunResult:
    """Run what was read, and tell the observer alone, and `watch`; questions are asked `aside`."""
    asking = Asking(cancelled, aside, mask=inputs.mask.text)
    if watch is not None and observer is not None:
        watch.observer = observer
    return run_playbook(
        inputs.prepared,
        inputs.inventory,
        connect=connector(inputs, options) if watch is None else watch.connect,
        options=RunOptions(
            check=options.check,
            diff=options.diff,
            forks=options.forks,
            verbosity=options.verbosity,
            extra=inputs.extra,
            force_handlers=options.force_handlers,
            run=inputs.run,
            said=inputs.said,
            ask=asking.pause if not options.yes else lambda _prompt: "",
            step=asking.step if options.step else None,
        ),
        templates=inputs.templates,
        files=inputs.files,
        observer=watch or observer or SilentPlay(),
        journal=journal,
        cancelled=cancelled,
    )


def connector(inputs: Inputs, options: Options) -> Callable[[Host], Any]:
    """Return how heads are reached; the password of sudo is in no host but the one that is being connected to."""
    timeouts = Timeouts() if options.timeout is None else replace(Timeouts(), connect_s=options.timeout)
    return lambda host: connect(replace(host, become_password=inputs.become_password), timeouts=timeouts)


def _mask(inputs: Inputs) -> recap.Mask:
    """Return what masks secrets; all of them are known once everything is read, and mostly there are none."""
    return recap.same if inputs.mask.is_empty else inputs.mask.text


def _lists(options: Options, mask: Mask) -> int:
    """Tell what was asked for, and run nothing."""
    book = read_book(options, mask)
    if options.list_tasks or options.list_tags or options.list_hosts:
        heads = book.heads_of if options.list_hosts else None
        print(listing_text(book.playbook, tasks=options.list_tasks, tags=options.list_tags, heads=heads))
    else:
        read_inputs(options, mask)
        print(f"\nplaybook: {book.path}: no error was found")
    return 0


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
    return {
        "run": inputs.run,
        "playbook": str(inputs.path.resolve()),
        "options": given(replace(options, plan=inputs.path.resolve()), _RESUMED),
        "digests": dict(inputs.digests),
        "folder": str(Path.cwd()),
    }


def _resumed(options: Options, head: Json) -> Options:
    """Return the options of the run that is gone on with, the present ones for how it is run and shown."""
    if Path.cwd() != Path(head["folder"]):
        raise PlaybookError(
            f"the run {options.resume} was begun in another folder", where=head["folder"], fix="go there first"
        )
    return with_given(options, head["options"])


def _refuse_changed(inputs: Inputs, head: Json, run: str) -> None:
    """Refuse to go on where a file differs from what the run was begun with."""
    changed = [path for path, digest in head["digests"].items() if inputs.digests.get(path) != digest]
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


def _refuse_unwritable(options: Options) -> None:
    """Refuse files that could not be written once all is done."""
    for option, path in (("--junit", options.junit), ("--retry-file", options.retry_file)):
        if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
            fix = "name a file in a folder that is there, and that you may write to"
            raise InputError("this file cannot be written", where=f"{option} {path}", fix=fix)


def write_files(inputs: Inputs, options: Options, result: RunResult) -> None:
    """Write the files that were asked for: JUnit XML, and the heads that failed."""
    if options.junit is not None:
        _write(options.junit, recap.junit(recap.masked_run(result, _mask(inputs))))
    path = options.retry_file
    if path is None and options.retry_files:
        path = inputs.path.with_suffix(".retry")
    if path is not None:
        bad = {task.head for task in result.tasks if task.is_failure}
        if bad:
            _write(path, "".join(f"{head}\n" for head in result.heads if head in bad))
            print(f"lunops: to run it again there: --limit @{path}", file=sys.stderr)
        elif path.exists():
            path.unlink()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise LunopsError(
            f"this could not be written: {error.strerror}",
            where=str(path),
            fix="name a file in a folder that is there and may be written to; the run itself is over",
        ) from error
