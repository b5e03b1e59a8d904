"""Properties as they are wanted and as they are: the difference, setting it, and taking it back.

made: ["set", DATASET, {NAME: [OLD VALUE, OLD SOURCE, NEW VALUE]}]
"""

from __future__ import annotations

import re

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

    from lunops.agent.system import System
    from lunops.agent.work import Work

    Change = Tuple[str, str, str]  # old value, old source, new value

_UNKNOWN = re.compile(r"bad property list: invalid property '(.*)'")
_UNITS = "BKMGTPEZ"
_SIZE = re.compile(r"(\d{1,20})(?:\.(\d{1,20}))?(?:([BKMGTPEZ])|([KMGTPEZ])B)?\Z", re.IGNORECASE)
_OWN = ("local", "received")  # sources of a value that stands on the dataset itself


def observe(
    system: System, names: Iterable[str], properties: Iterable[str]
) -> Tuple[Dict[str, zfs.Found], Dict[str, ItemError]]:
    """Return what `zfs.observe` does, and an error for each property that this ZFS does not know.

    One unknown name would make `zfs get` answer nothing at all, so it is left out and the rest asked again.
    """
    names, wanted = list(names), list(properties)
    unknown: Dict[str, ItemError] = {}
    while True:
        try:
            return zfs.observe(system, names, wanted), unknown
        except ItemError as error:
            match = _UNKNOWN.search(error.what)
            if match is None or match.group(1) not in wanted:
                raise
            name = match.group(1)
            wanted.remove(name)
            unknown[name] = ItemError(
                "ZFS on this head knows no property %r" % name, "see zfsprops(7); a property of your own has a colon"
            )


def same(wanted: str, value: str) -> bool:
    """Return whether a value that is wanted is what reads back as this value: 10G is 10737418240, none is 0."""
    if wanted == value:
        return True
    if not value.isdigit():
        return False
    if wanted == "none":
        return value in ("0", str(2**64 - 1))  # a limit of nothing, or of as many as can be
    match = _SIZE.match(wanted)
    if match is None or not wanted.isascii():
        return False
    digits, fraction = match.group(1), match.group(2) or ""
    unit = 1 << (10 * _UNITS.index((match.group(3) or match.group(4) or "B").upper()))
    return int(digits + fraction) * unit // int("1" + "0" * len(fraction)) == int(value)


def different(wanted: Mapping[str, str], found: zfs.Found) -> Dict[str, str]:
    """Return those of the wanted properties whose value is another one now."""
    return {name: value for name, value in sorted(wanted.items()) if not same(value, found.value(name))}


def to_inherit(names: Iterable[str], found: zfs.Found) -> List[str]:
    """Return those of the properties that have a value of the dataset's own."""
    return [name for name in sorted(names) if found.properties.get(name, ("", ""))[1] in _OWN]


def set_command(settings: Mapping[str, str], *datasets: str) -> List[str]:
    """Return the argv that sets these properties, all in one."""
    return ["zfs", "set", *("%s=%s" % (name, settings[name]) for name in sorted(settings)), *datasets]


class Job:
    """What is to be changed on one dataset, as `different` and `to_inherit` gave it, and where that is noted."""

    def __init__(self, found: zfs.Found, settings: Dict[str, str], inherit: Sequence[str], outcome: Outcome) -> None:
        self.found = found
        self.settings = settings
        self.inherit = list(inherit)
        self.outcome = outcome

    @property
    def names(self) -> List[str]:
        """The properties that are changed."""
        return [*self.settings, *self.inherit]

    def commands(self, *datasets: str) -> List[List[str]]:
        """Return the commands for these datasets: one to set, and one for each property to inherit."""
        setting = [set_command(self.settings, *datasets)] if self.settings else []
        return setting + [["zfs", "inherit", name, *datasets] for name in self.inherit]


def change(work: Work, job: Job) -> None:
    """Set and inherit on one dataset, in one command where ZFS can.

    What was changed is noted in the outcome, and taken back if a part of it fails: `zfs set` of several
    properties sets those that it can. A value that ZFS takes for the one that it had is no change.
    """
    dataset = job.found.name
    if work.check or not job.names:
        job.outcome.changes += [" ".join(argv) for argv in job.commands(dataset)]
        return
    error = None
    for argv in job.commands(dataset):
        output = work.system.run(argv)
        if output.code != 0:
            error = ItemError("%s failed: %s" % (" ".join(argv[:2]), zfs.said(output)), _fix_for(output.err))
            break
    after = zfs.observe(work.system, [dataset], job.names).get(dataset)
    if after is None:
        raise error or ItemError("%s is gone" % dataset)
    if error is None:
        _note(job, after)
        return
    job.outcome.rolled_back += _restore(work.system, after, _changed(job.found, after, job.names))
    raise error


def change_alike(work: Work, jobs: Sequence[Job]) -> None:
    """Do jobs that are alike but for their datasets, with each command for all of them, and look once.

    If a command fails for any of them, each is done alone, so that each has its own error.
    """
    datasets = [job.found.name for job in jobs]
    commands = jobs[0].commands(*datasets)
    together = len(jobs) > 1 and not work.check and bool(commands)
    if together and all(work.system.run(argv).code == 0 for argv in commands):
        after = zfs.observe(work.system, datasets, jobs[0].names)
        for job in jobs:
            if job.found.name in after:
                _note(job, after[job.found.name])
            else:
                job.outcome.fail(ItemError("%s is gone" % job.found.name))
        return
    for job in jobs:
        guarded(job.outcome, lambda: change(work, job))  # noqa: B023 - called at once


def _note(job: Job, after: zfs.Found) -> None:
    """Note what was changed, by how it was and how it is."""
    changed = _changed(job.found, after, job.names)
    commands = job.commands(job.found.name)
    if job.settings and not set(job.settings) & set(changed):
        del commands[0]
    job.outcome.changes += [" ".join(argv) for argv in commands]
    if changed:
        job.outcome.made.append(["set", job.found.name, changed])


def _changed(before: zfs.Found, after: zfs.Found, names: Iterable[str]) -> Dict[str, List[str]]:
    changed = {}
    for name in names:
        old, new = before.properties.get(name, ("-", "-")), after.properties.get(name, ("-", "-"))
        is_own = old[1] in _OWN or new[1] in _OWN
        if old[0] != new[0] or (is_own and old[1] != new[1] and new[1] not in _OWN):
            changed[name] = [*old, new[0]]
    return changed


def _fix_for(text: str) -> str:
    if "is readonly" in text:
        return "it is fixed when a dataset is made, or ZFS' own to tell"
    if "does not apply" in text:
        return "leave it out for this dataset"
    if "cannot be inherited" in text:
        return "set it instead"
    return ""


def _restore(system: System, found: zfs.Found, changed: Mapping[str, Sequence[str]]) -> List[str]:
    """Give each property its old value and, as far as ZFS has it, its old source; return the commands."""
    lines = []
    for argv in _commands(found.name, changed):
        output = system.run(argv)
        if output.code != 0 and "cannot be inherited" in output.err:
            # Such as a quota: what it was by default can only be set.
            argv = set_command({argv[-2]: _written(argv[-2], changed[argv[-2]][0])}, found.name)
            output = system.run(argv)
        if output.code != 0:
            raise ItemError("%s failed: %s" % (" ".join(argv[:2]), zfs.said(output)))
        lines.append(" ".join(argv))
    return lines


def _commands(dataset: str, changed: Mapping[str, Sequence[str]]) -> List[List[str]]:
    """Return the commands that restore what was changed: a received value comes back by -S, which keeps it received."""
    commands = []
    settings: Dict[str, str] = {}
    for name, (value, source, _new) in sorted(changed.items()):
        if source == "local":
            settings[name] = _written(name, value)
        else:
            commands.append(["zfs", "inherit", *(["-S"] if source == "received" else []), name, dataset])
    return commands + ([set_command(settings, dataset)] if settings else [])


def _written(name: str, value: str) -> str:
    """Return a value that was read as ZFS wants it written."""
    if value == str(2**64 - 1) or (value == "0" and name in ("quota", "refquota")):
        return "none"
    return value


def take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Restore the old values of what a run set, unless someone set it anew since."""
    _kind, dataset, changed = step
    found = zfs.observe(work.system, [dataset], sorted(changed)).get(dataset)
    if found is None:
        return
    ours = {name: old for name, old in changed.items() if found.value(name) == old[2]}
    outcome.changes += _restore(work.system, found, ours)
    strangers = [name for name, old in sorted(changed.items()) if found.value(name) not in (old[0], old[2])]
    if strangers:
        raise ItemError(
            "%s of %s was set anew since" % (", ".join(strangers), dataset), "look at it before setting it back"
        )
    after = zfs.observe(work.system, [dataset], sorted(changed)).get(dataset, found)
    wrong = [name for name, old in sorted(ours.items()) if old[1] in _OWN and after.value(name) != old[0]]
    if wrong:
        raise ItemError("%s of %s did not get its old value back" % (", ".join(wrong), dataset))


def by_hand(step: Sequence[Any]) -> str:
    """Return the commands that restore the old values."""
    return " && ".join(" ".join(argv) for argv in _commands(step[1], step[2]))
