"""`lunops plan`: a check run that is saved, with the state of the heads that it was made from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import lunops
from lunops import recap
from lunops.cli.checked import (
    Checked,
    check_run,
    exit_code,
    files_now,
    look,
    say,
    say_unasked,
    say_unknown,
    secret_words,
)
from lunops.cli.files import write_atomically
from lunops.cli.hidden_errors import masked_errors
from lunops.cli.inputs import Inputs, read_inputs
from lunops.cli.run import write_files
from lunops.cli.run_options import Options, given
from lunops.cli.variables import extra_variables
from lunops.errors import SavedPlanError
from lunops.mask import Mask
from lunops.saved.model import HeadState, SavedOptions, SavedPlan, to_text
from lunops.saved.outcome import unknown

_INTERRUPTED = 99


def plan(options: Options, output: Path) -> int:
    """Show what a run would do and save it; return the exit code. Where anything failed, nothing is saved."""
    mask = Mask()
    with masked_errors(mask):
        return _plan(options, output, mask)


def _plan(options: Options, output: Path, mask: Mask) -> int:
    if output.exists() and not output.is_file():
        raise SavedPlanError("this is no file", where=str(output), fix="name a file, or one that is not there yet")
    inputs = read_inputs(options, mask)
    checked = check_run(inputs, options, shown=True)
    write_files(inputs, options, checked.result)
    if checked.is_interrupted:
        return _unsaved(output, "it was interrupted", _INTERRUPTED)
    if code := exit_code(checked.result):
        return _unsaved(output, "what is above has failed", code)
    states, asked = look(inputs, options, checked)
    if code := exit_code(asked):
        say_unasked(asked)
        return _unsaved(output, "what it would be made from is not known", code)
    names = [
        name
        for word in secret_words(inputs, checked.watch, options.extra_vars)
        for name in extra_variables([word])  # never the word itself
    ]
    if names:
        raise SavedPlanError(
            f"the plan would hold a secret that -e gives: {', '.join(names)}",
            where=str(output),
            fix="put it into a file and encrypt that (lunops vault encrypt), then -e @FILE",
        )
    write_atomically(output, to_text(_saved(inputs, options, checked, states)).encode(), keep_mode=False)
    say_unknown(unknown(checked.result, mask=checked.mask.text))
    say(f"the plan is saved; to do it: lunops apply {output}")
    return recap.exit_code(checked.result.tasks, detailed=options.detailed_exitcode)


def _unsaved(output: Path, why: str, code: int) -> int:
    say(f"{output} was not written: {why}", fix="mend it, then make the plan anew")
    return code


def _saved(inputs: Inputs, options: Options, checked: Checked, states: dict[str, HeadState]) -> SavedPlan:
    return SavedPlan(
        version=lunops.__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        folder=str(Path.cwd()),
        options=SavedOptions(**given(options, SavedOptions.model_fields)),
        digests=files_now(inputs),
        heads=dict(checked.found),
        states=states,
    )
