"""What a module's schema cannot say: what it tells, what it does in check mode, and how it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lunops.modules.base import AnyModule


@dataclass(frozen=True, kw_only=True)
class About:
    """The words on one module."""

    returns: Mapping[str, str] = field(default_factory=dict)  # what a registered result has, beside what all have
    check: str = ""  # empty: as most
    undo: str = ""  # empty: as most


COMMON: Mapping[str, str] = {
    "changed": "whether anything was, or in check mode would be, changed",
    "failed": "whether it failed",
    "skipped": "whether it was not begun",
    "msg": "why it failed",
}
_MOST_CHECK = "Says what it would do, and changes nothing."
_MOST_UNDO = "What it made is taken back where its item fails later, or with `on_failure: undo`."
_LOOKS = "It only looks: the same as without check mode."
_NOTHING = "There is nothing to take back."
_OURS = "The same as without check mode: no head is touched."
_COMMAND_CHECK = (
    "Unknown, and not run, unless `creates`, `removes` or `check` tells whether it would run; a `check` is run."
)
_COMMAND_UNDO = "A command cannot be taken back."
_COMMAND = {
    "cmd": "what was run",
    "rc": "its exit code",
    "stdout": "its output; at most 10 MiB, then cut with a note",
    "stdout_lines": "the same as a list of lines",
    "stderr": "what it wrote to its standard error",
    "stderr_lines": "the same as a list of lines",
    "start": "when it began, by the head's clock",
    "end": "when it ended",
    "delta": "how long it took",
    "stopped": "true if it was stopped before its end",
    "left": "which of its processes could not be stopped",
}
_FILE = {
    "dest": "the file's path",
    "state": "what is there now",
    "size": "its size in bytes",
    "mode": "its permission bits",
    "owner": "the name of its user",
    "group": "the name of its group",
    "uid": "the number of its user",
    "gid": "the number of its group",
}
_PUT = {
    **_FILE,
    "checksum": "the SHA-1 of the content",
    "diff": "a unified diff, as a list of lines; the sizes of what is no text",
    "backup_file": "where the old file is kept",
}
_FILE_UNDO = (
    "What was there comes back with its content, owner and mode, if nobody has changed it since; "
    "a file of more than 1 MiB is told as left behind."
)
_FACTS = About(
    returns={"ansible_facts": "the facts: `ansible_*` by Ansible's names, `lunops_*` on ZFS, pools and target"},
    check=_LOOKS,
    undo=_NOTHING,
)

ABOUT: Mapping[str, About] = {
    "adopt": About(returns={"data": "the LUNs that were, or could be, taken in"}),
    "assert": About(check=_OURS, undo=_NOTHING),
    "command": About(returns=_COMMAND, check=_COMMAND_CHECK, undo=_COMMAND_UNDO),
    "copy": About(returns=_PUT, undo=_FILE_UNDO),
    "debug": About(check=_OURS, undo=_NOTHING),
    "doctor": About(returns={"data": "`findings`, and the `facts` that they rest on"}, check=_LOOKS, undo=_NOTHING),
    "drift": About(returns={"data": "what differs, LUN by LUN"}, check=_LOOKS, undo=_NOTHING),
    "facts": _FACTS,
    "fail": About(check=_OURS, undo=_NOTHING),
    "file": About(returns=_FILE, undo=_FILE_UNDO + " What was in a folder that was removed is gone."),
    "lun": About(undo=_MOST_UNDO + " An item that fails half-way is taken back at once."),
    "meta": About(check=_OURS, undo=_NOTHING),
    "pause": About(check="It does not wait.", undo=_NOTHING),
    "sessions": About(returns={"data": "who is logged in: a list"}, check=_LOOKS, undo=_NOTHING),
    "set_fact": About(check=_OURS, undo=_NOTHING),
    "setup": _FACTS,
    "shell": About(returns=_COMMAND, check=_COMMAND_CHECK, undo=_COMMAND_UNDO),
    "stat": About(returns={"stat": "`exists`, and what is known of what does"}, check=_LOOKS, undo=_NOTHING),
    "template": About(returns=_PUT, undo=_FILE_UNDO),
    "wait_for": About(
        returns={
            "elapsed": "how many seconds it was waited for",
            "match_groups": "what the groups of `search_regex` found",
            "match_groupdict": "the same by the groups' names",
        },
        check="Looks once: where it does not hold, whether it would come is unknown.",
        undo=_NOTHING,
    ),
    "wait_for_device": About(check="Does not wait.", undo=_NOTHING),
    "zfs_list": About(returns={"data": "the properties, dataset by dataset"}, check=_LOOKS, undo=_NOTHING),
    "zfs_rollback": About(undo="It cannot be taken back: what was written since is gone."),
    "zfs_destroy": About(undo="It cannot be taken back."),
    "zfs_send": About(returns={"data": "what is sent, how, and from which snapshot on"}),
    "zfs_snapshot": About(returns={"data": "the snapshots, with their GUIDs"}),
}


def about(module: AnyModule) -> About:
    """Return the words on a module, those of most where it has none of its own."""
    found = ABOUT.get(module.name, About())
    return About(returns=found.returns, check=found.check or _MOST_CHECK, undo=found.undo or _MOST_UNDO)
