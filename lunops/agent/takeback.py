"""Take steps back, the last one first, and look afterwards whether all is as it was before them.

What cannot be is returned as the commands with which a person would do it; an old secret is not among them.
"""

from __future__ import annotations

import shlex

from lunops.agent import alua, fragment, readback, steps
from lunops.agent.outcome import ItemError
from lunops.agent.steps import MKDIR, REMOVE, RMDIR, SYMLINK, UNLINK, WRITE, Step
from lunops.agent.work import explain

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List, Sequence, Set, Tuple

    from lunops.agent.system import System


def removal(system: System, path: str) -> Step:
    """Return the step that removes an ACL, mapped LUN, LUN, portal or ALUA group, and can bring it back."""
    return Step(REMOVE, path, restore=readback.entries(system, path))


def take_back(system: System, done: Sequence[Step], files: Sequence[str] = ()) -> Tuple[List[str], List[str]]:
    """Undo steps, the last one first, and remove the files that they brought into being.

    Returns what was taken back, in words, and what could not be, as commands. A failing step does not end it; in
    the end everything is looked at once more, for the kernel may have answered yes and done nothing.
    """
    back: List[str] = []
    made = {step.path for step in done if step.call == MKDIR}
    errors = {}
    for step in reversed(done):
        try:
            for inverse in _inverses(system, step, made):
                steps.call(system, inverse)
                back.append(str(inverse))
        except (OSError, ItemError) as error:
            errors[step] = explain(error) if isinstance(error, OSError) else error.what
    for path in files:
        if system.exists(path) and not errors:
            system.unlink(path)
            back.append("rm %s" % path)
    left: List[str] = []
    for step in reversed(done):
        if not _is_undone(system, step, made):
            why = errors.get(step, "it is still there" if step.call in (MKDIR, SYMLINK) else "it is not as it was")
            left += ["%s  # %s" % (command, why) for command in _by_hand(step)]
    left += ["rm %s" % path for path in files if system.exists(path)]
    return back, left


def _inverses(system: System, step: Step, made: Set[str]) -> List[Step]:
    """Return the steps that undo one; none for what goes with the folder that was made."""
    if step.call == MKDIR:
        return [Step(RMDIR, step.path)]
    if step.call == SYMLINK:
        return [Step(UNLINK, step.path)]
    if step.call == UNLINK:
        return [Step(SYMLINK, step.path, step.old)]
    if step.call == REMOVE:
        return steps.difference(step.restore, steps.observe(system, step.restore))
    if step.path.endswith("/enable") and "/tpgt_" in step.path:
        return [Step(WRITE, step.path, step.old or "0")]
    if _is_in(step.path, made) or not (step.old or step.secret):
        return []
    return [Step(WRITE, step.path, step.old, secret=step.secret)]


def _is_undone(system: System, step: Step, made: Set[str]) -> bool:
    """Return whether the head shows no trace of the step."""
    try:
        if step.call in (MKDIR, SYMLINK):
            return not system.exists(step.path)
        if step.call == UNLINK:
            return system.is_link(step.path)
        if step.call == REMOVE:
            return not steps.difference(step.restore, steps.observe(system, step.restore))
        if _is_in(step.path, made) or not system.exists(step.path.rsplit("/", 1)[0]):
            return True  # the folder itself is looked at
        if step.path.endswith("/control") or not (step.old or step.secret):
            return True  # it cannot be read back, or was nothing before
        now = steps.clean(system.read(step.path))
        if step.path.endswith("/alua_tg_pt_gp"):
            now = alua.group_name(system.read(step.path))
        elif "/alua/" in step.path:
            now = alua.number(step.path.rsplit("/", 1)[-1], now)
        return now == step.old or (step.secret and not step.old and now.startswith("NULL")) or step.value == step.old
    except (OSError, ItemError):
        return False


def _by_hand(step: Step) -> List[str]:
    """Return the commands with which a person would undo a step."""
    path = shlex.quote(step.path)
    if step.call == MKDIR:
        return ["rmdir %s" % path]
    if step.call == SYMLINK:
        return ["rm %s" % path]
    if step.call == UNLINK:
        return ["ln -s %s %s" % (shlex.quote(step.old), path)]
    if step.call == REMOVE:
        return [command for entry in step.restore for command in _restore_by_hand(entry)]
    if step.secret:
        return ["cat > %s  # type the old secret (saveconfig.json has it; NULL for none), then Ctrl-D twice" % path]
    return ["echo %s > %s" % (shlex.quote(step.old or "0"), path)]


def _restore_by_hand(entry: fragment.Entry) -> List[str]:
    path = shlex.quote(entry.path)
    if entry.kind == fragment.DIR:
        return ["mkdir -p %s" % path]
    if entry.kind == fragment.LINK:
        return ["ln -s %s %s" % (shlex.quote(entry.value), shlex.quote("%s/%s" % (entry.path, entry.name)))]
    if entry.kind == fragment.GROUP:
        return ["echo %s > %s/%s" % (value, path, name) for name, value in entry.values.items()]
    if entry.secret:
        return ["cat > %s  # type the old secret (saveconfig.json has it), then Ctrl-D twice" % path] * bool(
            entry.value
        )
    return ["echo %s > %s" % (shlex.quote(entry.value), path)]


def _is_in(path: str, folders: Set[str]) -> bool:
    return any(path.startswith(folder + "/") for folder in folders)
