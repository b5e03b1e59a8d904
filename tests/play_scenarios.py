"""Run a folder of tests/scenarios/play: a playbook on simulated heads, checked, run, and run again; what was said.

What may stand in a folder is told in tests/scenarios/play/README.md.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lunops import inventory_files
from lunops.cli import run
from lunops.model import Host
from lunops.sim.faults import Fault, Faults, LostLinks
from lunops.sim.head import SimulatedSystem

FOLDER = Path(__file__).parent / "scenarios" / "play"
CASES = sorted(path.parent for path in FOLDER.glob("*/playbook.yml"))
_TIMES = re.compile(r"SLOWEST TASKS|WHERE THE TIME WENT|TASK +SECONDS")  # no two runs say the same there

Said = Callable[[], tuple[str, str]]  # what was printed since the last call


class Scenario:
    """One folder, copied to where its heads may write."""

    def __init__(self, case: Path, folder: Path, said: Said) -> None:
        """Copy it; the caller makes `folder` the working directory."""
        self._case = case
        self._folder = folder
        self._said = said
        shutil.copytree(case, folder, dirs_exist_ok=True)
        if not (case / "inventory").exists():
            shutil.copy(FOLDER / "inventory", folder / "inventory")
        self._options = (case / "options").read_text("utf-8").split() if (case / "options").exists() else []

    def before(self) -> None:
        """Have on the heads what is there beforehand."""
        if (self._case / "before.yml").exists():
            text = self.lunops("before.yml", options=False)
            assert text.endswith("exit code 0\n"), text

    def play(self, *words: str) -> str:
        """Run the playbook."""
        return self.lunops("playbook.yml", *words)

    def lunops(self, playbook: str, *words: str, options: bool = True) -> str:
        """Run a playbook; return what it said, what differs from run to run left out, and its exit code."""
        given = self._options if options else []
        forks = [] if "--forks" in given else ["--forks", "1"]  # one head after the other, in their order
        code = run(["run", playbook, "-i", "inventory", *forks, *given, *words])
        out, err = self._said()
        return f"{steady(out + err, self._folder)}exit code {code}\n"

    def resume(self) -> str:
        """Go on with the last run."""
        code = run(["run", "--resume", _last_run(self._folder), "--forks", "1"])
        out, err = self._said()
        return f"{steady(out + err, self._folder)}exit code {code}\n"

    def set_faults(self) -> None:
        """Let go wrong what the scenario says."""
        if (self._case / "faults.yml").exists():
            for name, given in YAML(typ="safe").load((self._case / "faults.yml").read_text("utf-8")).items():
                self._on(name, partial(_set_faults, faults=_faults(given)))

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        if (self._case / "faults.yml").exists():
            for name in YAML(typ="safe").load((self._case / "faults.yml").read_text("utf-8")):
                self._on(name, partial(_set_faults, faults=Faults()))

    def heads(self) -> str:
        """Return what is on the heads: what is in their pools beside the image that each has, and their targets."""
        lines = ["", "ON THE HEADS"]
        for name, host in self._hosts().items():
            if host.state is not None:
                lines.append(f"{name}:")
                self._on(name, lambda head: lines.extend(_told(head)))
        return "\n".join(lines) + "\n"

    def _hosts(self) -> dict[str, Host]:
        return dict(inventory_files.load(["inventory"]).hosts)

    def _on(self, name: str, do: Callable[[SimulatedSystem], Any]) -> None:
        host = self._hosts()[name]
        assert host.state is not None
        head = SimulatedSystem(host.state, pools=list(host.pools))
        try:
            do(head)
        finally:
            head.close()


def steady(text: str, folder: Path) -> str:
    """Return what was said without what differs from run to run: times, the names of runs, this folder."""
    lines: list[str] = []
    is_times = False
    for line in text.splitlines():
        is_times = _TIMES.match(line) is not None or (is_times and not line.startswith("lunops:"))
        if not is_times:
            lines.append(line)
    text = "\n".join(lines)
    text = text.replace(str(folder), "FOLDER").replace(sys.executable, "PYTHON")
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*\S*", "TIME", text)
    text = re.sub(r"\.\d{4}-\d\d-\d\d@[\d:]+~", ".TIME~", text)
    text = re.sub(r"\b\d+\.\d+ ?s\b( \([^)]*\))?", "#s", text)
    text = re.sub(r"(?<!,) in #s", "", text)  # what was quick is told without
    text = re.sub(r"\*{4,}", "****", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"


def _set_faults(head: SimulatedSystem, *, faults: Faults) -> None:
    head.set_faults(faults)


def _told(head: SimulatedSystem) -> Iterator[str]:
    listed = head.run(["zfs", "list", "-Hp", "-o", "name,type,origin", "-t", "all"]).out
    for line in sorted(listed.splitlines()):
        dataset, kind, origin = line.split("\t")
        if not dataset.partition("/")[2].startswith("images") and "/" in dataset:
            yield f"  {kind} {dataset}" + (f" of {origin}" if origin != "-" else "")
    base = "/sys/kernel/config/target/iscsi"
    for target in sorted(head.listdir(base)) if head.is_dir(base) else ():
        if target.startswith(("iqn.", "eui.", "naa.")):
            yield f"  target {target}"


def _faults(given: Any) -> Faults:
    lost = given.get("lost_links", {})
    return Faults(
        faults=tuple(Fault(**each) for each in given.get("faults", ())),
        delays_s=given.get("delays_s", {}),
        lost_links=LostLinks(**{**lost, "names": tuple(lost.get("names", ()))}),
    )


def _last_run(folder: Path) -> str:
    journals = sorted((folder / "state" / "lunops" / "runs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return journals[-1].stem
