"""A check run for a saved plan: what would be done, and the state of the heads that it was told from."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lunops import recap
from lunops.cli.head_states import ask
from lunops.cli.inputs import Inputs
from lunops.cli.interrupt import interruptible
from lunops.cli.run import connector, perform, quietly
from lunops.cli.run_options import Options
from lunops.cli.variables import extra_variables
from lunops.cli.watch import Watch
from lunops.mask import MASKED, Mask
from lunops.model import RunResult
from lunops.saved.model import HeadState, SavedTask
from lunops.saved.outcome import found_by
from lunops.saved.touched import Touched


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check run found."""

    result: RunResult
    watch: Watch
    mask: Mask
    is_interrupted: bool
    found: Mapping[str, list[SavedTask]]


def check_run(inputs: Inputs, options: Options, *, shown: bool) -> Checked:
    """Do a check run, printed or not; `inputs` are those of the run that it stands for."""
    options = replace(options, check=True, diff=True)
    inputs = replace(inputs, said={**inputs.said, "ansible_check_mode": True, "ansible_diff_mode": True})
    watch = Watch(inputs.prepared.plan, connector(inputs, options))
    cancelled = threading.Event()
    with interruptible(cancelled):
        how = perform if shown else quietly
        result = how(inputs, options, cancelled=cancelled, watch=watch)
    mask = _mask(inputs, watch)
    return Checked(
        result=result,
        watch=watch,
        mask=mask,
        is_interrupted=cancelled.is_set(),
        found=found_by(result, run=inputs.run, mask=mask.text),
    )


def look(
    inputs: Inputs, options: Options, checked: Checked, more: Mapping[str, HeadState] | None = None
) -> tuple[dict[str, HeadState], RunResult]:
    """Return the state of what a check run was about, secrets masked, and how the asking went.

    `more`: names that are to be looked at besides, on the heads that are known.
    """
    touched = {
        head: Touched(datasets=set(names.datasets), targets=set(names.targets))
        for head, names in checked.watch.touched.items()
    }
    known = {**inputs.inventory.hosts, **checked.watch.hosts}
    for head, state in (more or {}).items():
        if head in known:
            mine = touched.setdefault(head, Touched())
            mine.datasets |= {name for name in state.datasets if MASKED not in name}
            mine.targets |= {name for name in state.targets if MASKED not in name}
    hosts = {head: known.get(head) or inputs.inventory.host(head) for head in touched}
    found, result = ask(hosts, touched, connect=connector(inputs, options), forks=options.forks)
    return {head: HeadState.model_validate(checked.mask.value(state.model_dump())) for head, state in found.items()}, (
        result
    )


def say_unasked(result: RunResult) -> None:
    """Say of which heads the state could not be asked, and why."""
    for task in result.tasks:
        for item in task.items:
            if item.status.is_bad:
                say(f"the state of {task.head} could not be looked at: {item.error or task.error}", fix=item.fix)


def say_unknown(lines: Iterable[str]) -> None:
    """Say loudly of what it is not known what it would do."""
    found = list(lines)
    if found:
        say("\n  ".join([f"UNKNOWN: {len(found)} cannot be told without doing them:", *found]))


def say(text: str, *, fix: str = "") -> None:
    """Say something beside the results, on standard error."""
    print(f"lunops: {text}" + (f"\n  to mend it: {fix}" if fix else ""), file=sys.stderr, flush=True)


def files_now(inputs: Inputs) -> dict[str, str]:
    """Return the digests of all files that were read, by their paths as a saved plan has them."""
    return {portable(Path(path)): digest for path, digest in inputs.digests.items()}


def portable(path: Path) -> str:
    """Return a path as it is seen from the folder we are in, where it is below that; else from the root."""
    whole = Path.cwd() / path
    try:
        return whole.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(whole)


def exit_code(result: RunResult) -> int:
    """Return 0 where nothing failed; what was ignored or rescued is no failure."""
    return recap.exit_code(result.tasks)


def _mask(inputs: Inputs, watch: Watch) -> Mask:
    """Return a mask of the secrets of the run, and of the passwords of its targets besides."""
    mask = inputs.mask
    for secret in watch.passwords():
        mask.add(secret)
    return mask


def secret_words(inputs: Inputs, watch: Watch, words: Iterable[str]) -> Iterator[str]:
    """Give those of the words of `-e` that hold a secret, or what a task with no_log or a target's password is made of.

    Of the latter it is not known which of the words was the secret one, so all that are in it count.
    """
    hidden = [*watch.passwords(), *watch.hidden_texts()]
    aside = Mask()
    aside.add(hidden)
    for word in words:
        if word.startswith("@"):
            continue
        values = Mask()
        values.add([value for value in extra_variables([word]).values() if not isinstance(value, bool)])
        is_part = any(values.text(text) != text for text in hidden)
        if is_part or inputs.mask.text(word) != word or aside.text(word) != word:
            yield word
