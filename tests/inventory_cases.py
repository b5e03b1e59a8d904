"""The cases in tests/scenarios/inventory: inventories, and what Ansible says of them.

A case is a folder. Its sources are the lines of the file `sources`, or else what begins with `inventory`; `playbook/`
is the playbook's folder, where there is one; `patterns` has one pattern for hosts a line. Ansible's answers are in
`ansible.json`. Adding a case: make the folder, and record the answers.

    python -m tests.inventory_cases [BIN]    record them all; BIN is the folder with Ansible's programs
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "scenarios" / "inventory"
_ANSIBLE = (
    Path(__file__).parent / "tools" / "ansible"
)  # makes an environment with ansible-core, and prints its bin folder


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case."""

    folder: Path

    @property
    def sources(self) -> list[str]:
        """What stands after each -i, relative to the folder where it is a file."""
        listed = self.folder / "sources"
        if listed.exists():
            return listed.read_text("utf-8").split()
        return sorted(path.name for path in self.folder.glob("inventory*"))

    @property
    def playbook_folder(self) -> Path | None:
        """The folder of a playbook, if there is one."""
        found = self.folder / "playbook"
        return found if found.is_dir() else None

    @property
    def patterns(self) -> list[str]:
        """The patterns that are asked for."""
        found = self.folder / "patterns"
        return found.read_text("utf-8").splitlines() if found.exists() else []

    @property
    def answers(self) -> dict[str, Any]:
        """What Ansible said."""
        found: dict[str, Any] = json.loads((self.folder / "ansible.json").read_text("utf-8"))
        return found

    def full(self, source: str) -> str:
        """Return a source as it is given from elsewhere."""
        return str(self.folder / source) if (self.folder / source).exists() else source


CASES = [Case(folder=path) for path in sorted(FOLDER.iterdir()) if path.is_dir()]


def record(case: Case, programs: Path) -> None:
    """Ask Ansible, and write its answers down."""
    sources = [word for source in case.sources for word in ("-i", case.full(source))]
    playbook = ["--playbook-dir", str(case.playbook_folder)] if case.playbook_folder else []
    listed = json.loads(_ask(programs / "ansible-inventory", *sources, *playbook, "--list"))
    listed["_meta"].pop("profile", None)  # for a program that reads this as a script's output
    answers = {
        "list": listed,
        "graph": _ask(programs / "ansible-inventory", *sources, *playbook, "--graph").splitlines(),
        "patterns": {
            pattern: _ask(programs / "ansible", *sources, "--list-hosts", pattern).split()[2:]
            for pattern in case.patterns
        },
    }
    (case.folder / "ansible.json").write_text(json.dumps(answers, indent=1) + "\n", "utf-8")


def _ask(*words: Path | str) -> str:
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "HOME": empty}
        done = subprocess.run(words, cwd=empty, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def main(words: list[str]) -> None:
    """Record the answers to all cases."""
    if words:
        programs = Path(words[0])
    else:
        programs = Path(subprocess.run([_ANSIBLE], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    for case in CASES:
        record(case, programs)
        print(f"recorded {case.folder.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
