"""Run Ansible on the cases in tests/scenarios/ansible, and write down what it did.

`python -m tests.ansible_record [CASE…]` writes each case's expected.json; `git diff` is the review.
A case is a folder: playbook.yml and what it reads, an `inventory` where the common one will not do, and `options`,
words of the command line. The extra variable `scratch` names an empty folder that a case may write to.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.ansible_normal import Normal, from_ansible

TESTS = Path(__file__).resolve().parent
CASES = TESTS / "scenarios" / "ansible"
# One fork, so that heads answer in order; nothing of whoever runs it.
_SETTINGS = {
    "ANSIBLE_CALLBACK_PLUGINS": str(TESTS / "tools"),
    "ANSIBLE_CALLBACKS_ENABLED": "ansible_events",
    "ANSIBLE_FORKS": "1",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_SSH_ARGS": "",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}


def cases() -> list[Path]:
    """Return the folders of all cases."""
    return sorted(path.parent for path in CASES.glob("*/playbook.yml"))


def words(case: Path, scratch: Path) -> list[str]:
    """Return the command line of a case, the same for both programs."""
    own = case / "inventory"
    options = case / "options"
    more = shlex.split(options.read_text("utf-8"), comments=True) if options.exists() else []
    inventory = own if own.exists() else CASES / "inventory"
    return [str(case / "playbook.yml"), "-i", str(inventory), "-e", f"scratch={scratch}", *more]


def run_ansible(chosen: Sequence[Path]) -> dict[str, Normal]:
    """Run Ansible on the cases; return what it did in each."""
    bin_folder = Path(_output([str(TESTS / "tools" / "ansible")]).strip())
    python = bin_folder / "python"
    with TemporaryDirectory(prefix="lunops-ansible-") as name:
        folders = {case: Path(name) / case.name for case in chosen}
        for folder in folders.values():
            (folder / "scratch").mkdir(parents=True)
        asked = [
            {
                "words": words(case, folder / "scratch"),
                "folder": str(case),
                "events": str(folder / "events"),
                "output": str(folder / "output"),
                "home": str(folder),
            }
            for case, folder in folders.items()
        ]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        config = Path(name) / "ansible.cfg"
        config.touch()
        paths = {"ANSIBLE_CONFIG": str(config), "ANSIBLE_PYTHON_INTERPRETER": str(python)}
        environment = {**kept, **_SETTINGS, **paths}
        codes = json.loads(
            _output([str(python), str(TESTS / "tools" / "ansible_runner.py")], json.dumps(asked), environment)
        )
        return {
            case.name: from_ansible(_events(folder), code, str(folder / "scratch"))
            for (case, folder), code in zip(folders.items(), codes, strict=True)
        }


def as_text(normal: Normal) -> str:
    """Return JSON in which a task, a play and a host's counters have a line each, for whoever reviews it."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def lines(values: Sequence[str]) -> str:
        return "".join(f"\n  {each}," for each in values)[:-1]

    tasks = lines([line(each) for each in normal["tasks"]])
    stats = lines([f"{line(host)}: {line(counts)}" for host, counts in normal["stats"].items()])
    plays = lines([line(each) for each in normal["plays"]])
    return f'{{\n "exit": {normal["exit"]},\n "plays": [{plays}],\n "tasks": [{tasks}],\n "stats": {{{stats}}}\n}}\n'


def _events(folder: Path) -> list[Any]:
    path = folder / "events"
    if not path.exists():
        print((folder / "output").read_text("utf-8"), file=sys.stderr)
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _output(command: list[str], given: str = "", environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return done.stdout


def main() -> None:
    """Write the expected.json of the cases that are named, or of all."""
    named = sys.argv[1:]
    unknown = set(named) - {case.name for case in cases()}
    if unknown:
        sys.exit(f"there are no such cases in {CASES}: {', '.join(sorted(unknown))}")
    for name, normal in run_ansible([case for case in cases() if not named or case.name in named]).items():
        (CASES / name / "expected.json").write_text(as_text(normal), "utf-8")


if __name__ == "__main__":
    main()
