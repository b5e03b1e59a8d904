"""What Ansible has and expressions here do not, each with what to do instead."""

from __future__ import annotations

from typing import Final

_NO_CHANCE = "an expression gives the same value each time: give the value with -e, or register what a command says"
_NO_CLOCK = "an expression reads no clock: register the output of `date`, or give the time with -e"
_NO_FILES = "an expression reads no files: use vars_files, the modules `stat` and `command`, or the module `template`"
_NO_SECRETS = "make the hash beforehand, and keep it in an encrypted file of variables"
_NO_WINDOWS = "heads are Linux: use the filter without `win_`"

UNTAKEN: Final = {
    "random": _NO_CHANCE,
    "shuffle": _NO_CHANCE,
    "random_mac": _NO_CHANCE,
    "strftime": _NO_CLOCK,
    "to_datetime": _NO_CLOCK,
    "expanduser": _NO_FILES,
    "expandvars": _NO_FILES,
    "realpath": _NO_FILES,
    "fileglob": _NO_FILES,
    "file": _NO_FILES,
    "directory": _NO_FILES,
    "exists": _NO_FILES,
    "link": _NO_FILES,
    "password_hash": _NO_SECRETS,
    "vault": _NO_SECRETS,
    "unvault": _NO_SECRETS,
    "win_basename": _NO_WINDOWS,
    "win_dirname": _NO_WINDOWS,
    "win_splitdrive": _NO_WINDOWS,
    "json_query": "use `selectattr`, `map(attribute=…)` and `subelements`",
    "comment": "write the comment in the template",
    "from_yaml_all": "use `from_yaml` on one document",
    "started": "tasks here do not go on in the background",
    "timedout": "a task that takes too long is failed",
}
