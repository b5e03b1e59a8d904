"""Run ansible-playbook on many cases, two at once, in forks of one process: starting it costs more than most cases.

It runs in Ansible's own environment. Standard input: a JSON list of {"words", "folder", "events", "output", "home"};
the answer on standard output: the list of the exit codes.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from ansible.cli.playbook import PlaybookCLI

AT_ONCE = 2


def main() -> None:
    """Run all cases."""
    cases = json.load(sys.stdin)
    sys.stdout.flush()
    running: dict[int, int] = {}
    codes = [250] * len(cases)
    for number, case in enumerate(cases):
        if len(running) == AT_ONCE:
            _wait(running, codes)
        child = os.fork()
        if not child:
            _run(case)
        running[child] = number
    while running:
        _wait(running, codes)
    json.dump(codes, sys.stdout)


def _wait(running: dict[int, int], codes: list[int]) -> None:
    child, status = os.wait()
    codes[running.pop(child)] = os.waitstatus_to_exitcode(status)


def _run(case: Any) -> None:
    """Be one ansible-playbook; never come back."""
    os.environ.update(LUNOPS_ANSIBLE_EVENTS=case["events"], HOME=case["home"])
    os.chdir(case["folder"])
    output = os.open(case["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, ours in ((0, nothing), (1, output), (2, output)):
        os.dup2(ours, number)
    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *case["words"]])
    except SystemExit as done:
        sys.stdout.flush()
        os._exit(done.code if isinstance(done.code, int) else 1)
    os._exit(250)


if __name__ == "__main__":
    main()
