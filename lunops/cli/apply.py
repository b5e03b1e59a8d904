"""`lunops apply`: do what a saved plan says, if nothing that it was made from has changed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import lunops
from lunops import recap
from lunops.cli.checked import Checked, check_run, exit_code, files_now, look, say, say_unasked, say_unknown
from lunops.cli.heads import is_agreed
from lunops.cli.hidden_errors import masked_errors
from lunops.cli.inputs import read_inputs
from lunops.cli.output import Output, wants_colour
from lunops.cli.run import carry_out
from lunops.cli.run_options import Options, with_given
from lunops.errors import SavedPlanError
from lunops.mask import Mask
from lunops.model import Status
from lunops.saved import compare
from lunops.saved.model import SavedPlan, from_bytes
from lunops.saved.outcome import unknown

_BAD_OPTION, _REFUSED, _INTERRUPTED = 5, 8, 99
_MOST_BYTES = 512 << 20  # what no plan comes near, and a machine can hold
_SHOWN = 20
_ANEW = "look at it, then make the plan anew with lunops plan"


def apply(options: Options, path: Path) -> int:
    """Run what was planned; return the exit code. Raises `SavedPlanError` where it is refused, and nothing ran."""
    mask = Mask()
    with masked_errors(mask):
        return _apply(options, path, mask)


def _apply(options: Options, path: Path, mask: Mask) -> int:
    saved = from_bytes(_read(path), str(path))
    if not options.yes and not sys.stdin.isatty():
        say("nothing was run: there is no terminal to ask on", fix="add --yes")
        return _BAD_OPTION
    if saved.version != lunops.__version__:
        say(f"the plan was made by lunops {saved.version}, and this is {lunops.__version__}")
    _refuse("what the plan was made from has changed", _changed_files(saved.digests), saved, path)
    options = with_given(options, saved.options.model_dump())
    inputs = read_inputs(options, mask)
    _refuse("what the plan was made from has changed", compare.files(saved.digests, files_now(inputs)), saved, path)
    checked = check_run(inputs, replace(options, yes=True), shown=False)
    if checked.is_interrupted:
        say("interrupted; nothing was run")
        return _INTERRUPTED
    if any(task.status is Status.UNREACHABLE for task in checked.result.tasks) and exit_code(checked.result):
        _show(checked, options)
        say("nothing was run: a head is unreachable", fix="mend it, then apply the plan again")
        return exit_code(checked.result)
    states, asked = look(inputs, options, checked, saved.states)
    if code := exit_code(asked):
        say_unasked(asked)
        say("nothing was run: the state of a head is not known", fix="mend it, then apply the plan again")
        return code
    differences = [*compare.states(saved.states, states), *compare.results(saved.heads, checked.found)]
    _refuse("the plan does not hold any more", differences, saved, path)
    if not options.as_json:
        _show(checked, options)
    say_unknown(unknown(checked.result, mask=checked.mask.text))
    if not options.yes and not is_agreed("do this?"):
        say("nothing was run")
        return _REFUSED
    return carry_out(inputs, options)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SavedPlanError("this is too big to be a plan", where=str(path), fix="name the FILE of lunops plan")
        return path.read_bytes()
    except OSError as error:
        raise SavedPlanError(
            f"cannot read this: {error.strerror or error}", where=str(path), fix="name the FILE of lunops plan -o FILE"
        ) from error


def _changed_files(was: Mapping[str, str]) -> Iterable[str]:
    """Give those of the files that have changed, before any is read for what it says."""
    now = {}
    for name in was:
        path = Path(name)
        try:
            now[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else was[name]
        except OSError:
            continue
        if not path.exists():
            del now[name]
    return compare.files(was, now)


def _refuse(what: str, found: Iterable[str], saved: SavedPlan, path: Path) -> None:
    """Raise with all differences, if there are any."""
    lines = [recap.clean(line) for line in found]
    if not lines:
        return
    shown = [*lines[:_SHOWN], *([f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])]
    fix = _ANEW
    if Path.cwd() != Path(saved.folder):
        fix += f"; or go to the folder where it was made, if that is why: {recap.clean(saved.folder)}"
    raise SavedPlanError("\n    ".join([f"nothing was run: {what}:", *shown]), where=str(path), fix=fix)


def _show(checked: Checked, options: Options) -> None:
    """Print what the check run found, as lunops plan did."""
    colour = wants_colour(sys.stdout) if options.colour == "auto" else options.colour == "always"
    mask = checked.mask.text
    detail = recap.Detail.of(options.verbosity, diff=True, check=True)
    stream = sys.stderr if options.as_json else sys.stdout
    result = recap.masked_run(checked.result, mask)
    Output(stream, colour=colour, mask=mask).lines(recap.report_lines(result, detail, end=False))
    stream.flush()
