"""The keywords of Ansible that lunops does not have, each with what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HOST = "say it of the head in the inventory, as {}"
_LATER = "write the tasks into a file, and `import_tasks: FILE`"
_MODULES = "write the short name of the module; there are no collections"

_ANYWHERE: Final[Mapping[str, str]] = {
    "connection": _HOST.format("connection or ansible_connection"),
    "port": _HOST.format("port or ansible_port"),
    "remote_user": _HOST.format("user or ansible_user"),
    "become_method": "leave it out: become is by sudo",
    "become_flags": "leave it out: become is by sudo",
    "become_exe": "leave it out: become is by sudo",
    "collections": _MODULES,
    "module_defaults": "write the arguments at each task, or give them variables",
    "debugger": "leave it out, and run with -vvv, --step or --start-at-task",
}

PLAY: Final[Mapping[str, str]] = {
    **_ANYWHERE,
    "roles": _LATER,
    "run_once": "write it at a task or block",
    "delegate_to": "write it at a task or block",
    "when": "write it at a task or block, or name fewer `hosts`",
    "register": "write it at a task",
    "notify": "write it at a task or block",
    "vars_prompt": "give the values with -e NAME=VALUE or -e @FILE",
    "gather_subset": "leave it out: facts are those that lunops needs, and quick",
    "gather_timeout": "write `timeout`",
    "fact_path": "leave it out: there are no facts of one's own",
    "user": _HOST.format("user or ansible_user"),
    "sudo": "write `become: true`",
    "sudo_user": "write `become_user`",
}

NODE: Final[Mapping[str, str]] = {
    **_ANYWHERE,
    "include": "write `import_tasks: FILE`",
    "import_playbook": "write it in the list of plays, not of tasks",
    "import_role": _LATER,
    "include_role": _LATER,
    "roles": _LATER,
    "role": _LATER,
    "include_vars": "write `vars_files` at the play",
    "hosts": "write it at the play",
    "vars_files": "write it at the play",
    "handlers": "write it at the play",
    "gather_facts": "write it at the play, or a task with the module facts",
    "serial": "write it at the play, or `throttle` here",
    "forks": "write it at the play, or `throttle` here",
    "strategy": "write it at the play",
    "async": "leave it out: heads work beside each other, and long tasks show how far they are; see `timeout`",
    "poll": "leave it out, as async",
    "action": "write the module's own name as the key, such as `command: ls`",
    "local_action": "write the module's own name as the key, and `delegate_to: localhost`",
    "delegate_facts": "register the result, and set_fact on the head that needs it",
    "first_available_file": "write `when`",
    "sudo": "write `become: true`",
    "sudo_user": "write `become_user`",
}

_AT_TASKS = "write it at the tasks in it"
BLOCK: Final[Mapping[str, str]] = {
    **NODE,
    "register": _AT_TASKS,
    "until": _AT_TASKS,
    "retries": _AT_TASKS,
    "delay": _AT_TASKS,
    "changed_when": _AT_TASKS,
    "failed_when": _AT_TASKS,
}

_LOOPS: Final[Mapping[str, str]] = {
    "with_list": "write `loop`",
    "with_flattened": "write `with_items`, which takes lists apart one level deep",
    "with_dict": "write `loop`, with `{{ NAME | dict2items }}`",
    "with_sequence": "write `loop`, with `{{ range(FIRST, LAST + 1) }}`",
    "with_indexed_items": "write `loop`, and `loop_control` with `index_var`",
    "with_nested": "write `loop`, over a list of all pairs",
}


def loop_instead(key: str) -> str:
    """Return what to write instead of a `with_…` that is no `with_items`."""
    return _LOOPS.get(key, "write `loop`, over a list or an expression that gives one")
