"""boot_order: have the head restore its targets at boot only once their volumes are there.

    {"state": "present" | "absent", "wait_s": 120}

Two files: a drop-in for the unit that restores targets, and the program that it runs before (boot_wait).
The unit is not ordered after zfs-volume-wait.service: that one waits ten minutes for a link that udev has lost,
of whatever volume, and mends none.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys

from lunops.agent import boot_wait, units, zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import explain

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

PROGRAM = "/usr/local/lib/lunops/wait-for-volumes"
_DROP_IN = "/etc/systemd/system/%s.d/lunops.conf"
_RELOAD = ["systemctl", "daemon-reload"]
_TEXT = """\
# Made by lunops (boot_order): targets are restored once the volumes behind them are there.
[Unit]
Wants={import_units}
After={import_units}

[Service]
ExecStartPre=-{python} -I -S {program} {seconds}
"""


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    work.each(items, lambda item, outcome: _one(work, item, outcome))


def drop_in(unit: str) -> str:
    """Return the path of our drop-in for a unit."""
    return _DROP_IN % unit


def _one(work: Work, item: Item, outcome: Outcome) -> None:
    system = work.system
    found = units.show(system, [*units.RESTORERS, *units.VOLUME_UNITS])
    unit = units.restorer(found)
    if item.args["state"] == "absent":
        wanted = [(drop_in(name), "", 0) for name in units.RESTORERS] + [(PROGRAM, "", 0)]
    elif unit is None:
        raise ItemError(
            "no unit of systemd restores targets at boot (looked for %s)" % ", ".join(units.RESTORERS),
            "install targetcli-fb (Debian: also python3-rtslib-fb), or unmask its unit",
        )
    elif unit.timeout not in ("", "infinity"):
        raise ItemError(
            "%s is ended after %s (TimeoutStartSec): waiting for volumes might cost it all its LUNs"
            % (unit.name, unit.timeout),
            "let it take its time: TimeoutStartSec=infinity, which is the default of such a unit",
        )
    else:
        has_import = found[units.IMPORT].is_loaded
        text = _text(int(item.args["wait_s"]), has_import=has_import)
        wanted = [(PROGRAM, _source(), 0o755), (drop_in(unit.name), text, 0o644)]
    steps = [step for step in (_difference(system, *each) for each in wanted) if step]
    for step in steps:
        outcome.changes += _shown(step)
    enables = item.args["state"] == "present" and unit is not None and unit.file_state == "disabled"
    if enables and unit is not None:
        outcome.changes.append("systemctl enable %s" % unit.name)
    if work.check or not outcome.changes:
        return
    try:
        for step in steps:
            outcome.made.append(["boot_file", *step])  # first: a write that fails half-way is taken back as well
            _put(system, step[0], step[3], step[4])
        zfs.must(system, _RELOAD)
        if enables and unit is not None:
            zfs.must(system, ["systemctl", "enable", unit.name])
            outcome.made.append(["unit_enabled", unit.name])
        if item.args["state"] == "present" and unit is not None:
            _verify(system, unit.name)
    except (ItemError, OSError) as error:
        _roll_back(work, outcome)
        raise error if isinstance(error, ItemError) else ItemError(explain(error)) from error


def _text(seconds: int, *, has_import: bool) -> str:
    text = _TEXT.format(
        import_units=units.IMPORT, python=sys.executable or "/usr/bin/python3", program=PROGRAM, seconds=seconds
    )
    if has_import:
        return text
    return "".join(line + "\n" for line in text.splitlines() if not line.startswith(("Wants=", "After=")))


def _source() -> str:
    """Return the text of the program: it was sent with the agent, and lies in memory only."""
    loader: Any = importlib.import_module(boot_wait.__name__).__spec__.loader  # type: ignore[union-attr]
    return str(loader.get_source(boot_wait.__name__))


def _difference(system: System, path: str, text: str, mode: int) -> List[Any] | None:
    """Return [path, old text, old mode, new text, new mode] where they differ; a mode of 0 is no file."""
    old, old_mode = "", 0
    if system.exists(path):
        old, old_mode = system.read(path), system.mode(path)
    if (old, old_mode) == (text, mode):
        return None
    return [path, old, old_mode, text, mode]


def _shown(step: Sequence[Any]) -> List[str]:
    path, old, old_mode, new, mode = step
    names = (path if old_mode else "/dev/null", path if mode else "/dev/null")
    lines = [
        line.rstrip("\n") for line in difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
    ]
    if path == PROGRAM and lines:  # a program of ours, the same on every head: its text says nothing here
        lines = [*lines[:2], "%s the program, %d lines" % ("+" if mode else "-", len((new or old).splitlines()))]
    if mode and mode != old_mode:
        lines.append("chmod %04o %s" % (mode, path))
    return lines


def _put(system: System, path: str, text: str, mode: int) -> None:
    """Have the file so; with mode 0 have none, nor the folder that only it stood in."""
    folder = path.rsplit("/", 1)[0]
    if mode:
        system.make_dirs(folder, 0o755)
        system.replace(path, text, mode)
        return
    if system.exists(path):
        system.unlink(path)
    if system.is_dir(folder) and not system.listdir(folder):
        with contextlib.suppress(OSError):  # another may just put something in
            system.rmdir(folder)


def _verify(system: System, unit: str) -> None:
    """See that systemd took the drop-in."""
    found = units.show(system, [unit])[unit]
    if drop_in(unit) not in found.drop_ins:
        raise ItemError(
            "systemd does not use %s" % drop_in(unit), "see: systemctl cat %s, and systemd-analyze verify" % unit
        )


def _roll_back(work: Work, outcome: Outcome) -> None:
    for made in reversed(outcome.made):
        back = Outcome()
        try:
            (take_back_file if made[0] == "boot_file" else take_back_enabled)(work, made, back)
            outcome.rolled_back += back.changes
        except (ItemError, OSError):
            outcome.left_behind.append((file_by_hand if made[0] == "boot_file" else enabled_by_hand)(made))


def take_back_file(work: Work, made: Sequence[Any], outcome: Outcome) -> None:
    """Put a file back as it was before, if it still is as this run left it."""
    _kind, path, old, old_mode, new, mode = made
    system = work.system
    now, now_mode = (system.read(path), system.mode(path)) if system.exists(path) else ("", 0)
    if (now, now_mode) == (old, old_mode):
        return
    if (now, now_mode) != (new, mode):
        raise ItemError("%s is no longer as this run left it" % path, "look at it, then mend it by hand")
    _put(system, path, old, old_mode)
    zfs.must(system, _RELOAD)
    outcome.changes.append("%s %s" % ("restore" if old_mode else "remove", path))


def file_by_hand(made: Sequence[Any]) -> str:
    """Return how a person takes a file back."""
    _kind, path, _old, old_mode, _new, _mode = made
    what = "restore %s from your backup" % path if old_mode else "rm %s" % path
    return "%s && systemctl daemon-reload" % what


def take_back_enabled(work: Work, made: Sequence[Any], outcome: Outcome) -> None:
    """Disable a unit that this run enabled."""
    if units.show(work.system, [made[1]])[made[1]].file_state == "enabled":
        zfs.must(work.system, ["systemctl", "disable", made[1]])
        outcome.changes.append("systemctl disable %s" % made[1])


def enabled_by_hand(made: Sequence[Any]) -> str:
    """Return how a person disables the unit."""
    return "systemctl disable %s" % made[1]
