"""Which operation passed on which kind of head: noted by the suites as they run, shown as a table.

Every test of a suite notes the modules that it ran (`Bench.seen`). At the end of a run what was seen is kept in
`.conformance/HEAD.json`, and `python -m tests.conformance` makes `docs/conformance.md` of both runs.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from lunops.modules import MODULES

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".conformance"
PAGE = ROOT / "docs" / "conformance.md"
HEADS = ("simulated", "real")
SEEN, HEAD = "operation", "head"  # names of the properties that a test's report carries
Results = Mapping[str, Mapping[str, str]]  # module → test → passed | failed
_INTRO = """# What passed where

Made by the test run, not by hand: `make conformance` runs the one suite on the simulated head and on real storage
heads (Linux kernel target, OpenZFS), notes which operations each test used, and writes this page. A test that uses
several operations stands below each.
"""


def load(head: str) -> Results:
    """Return what the last run on that kind of head has seen; nothing if there was none."""
    path = RESULTS / f"{head}.json"
    value: Results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return value


def save(head: str, results: Results) -> None:
    """Keep what a run has seen, beside what earlier runs of other tests have."""
    RESULTS.mkdir(exist_ok=True)
    found = load(head)
    results = {module: {**found.get(module, {}), **results.get(module, {})} for module in {*found, *results}}
    (RESULTS / f"{head}.json").write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def summary(results: Results) -> list[str]:
    """Return a line for each operation: how many tests of it passed, and which failed."""
    lines = []
    for module in sorted(results):
        failed = sorted(name for name, outcome in results[module].items() if outcome != "passed")
        passed = len(results[module]) - len(failed)
        lines.append(f"{module:<22} {passed:>3} passed" + (f", failed: {', '.join(failed)}" if failed else ""))
    return lines


def page(results: Mapping[str, Results]) -> str:
    """Return the page: a table of all operations, then one of the tests of each."""
    modules = sorted({*MODULES, *(module for found in results.values() for module in found)})
    lines = [_INTRO, "| operation | simulated head | real kernel |", "|---|---|---|"]
    lines += [
        f"| `{module}` | {' | '.join(_count(results[head].get(module, {})) for head in HEADS)} |" for module in modules
    ]
    for module in modules:
        tests = sorted({name for head in HEADS for name in results[head].get(module, {})})
        if tests:
            lines += ["", f"## {module}", "", "| promise | simulated head | real kernel |", "|---|---|---|"]
            lines += [
                f"| {_sentence(name)} | {' | '.join(_mark(results[head].get(module, {}), name) for head in HEADS)} |"
                for name in tests
            ]
    return "\n".join(lines) + "\n"


def _count(tests: Mapping[str, str]) -> str:
    passed = sum(outcome == "passed" for outcome in tests.values())
    if not tests:
        return "-"
    return f"{passed} passed" + (f", {len(tests) - passed} failed" if passed < len(tests) else "")


def _mark(tests: Mapping[str, str], name: str) -> str:
    return {"passed": "yes", "failed": "**no**"}.get(tests.get(name, ""), "-")


def _sentence(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


class Collector:
    """Gathers the reports of one run, from all its processes."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, outcome: str, properties: list[tuple[str, object]]) -> None:
        """Note a test's end; its properties say on which head it ran and what it used."""
        values = dict(properties)
        head = str(values.get(HEAD, ""))
        for key, value in properties:
            if key == SEEN and head:
                self.results[head][str(value)][name] = outcome
            elif key.startswith("count:"):
                self.counts[key.removeprefix("count:")] += int(str(value))


def main() -> None:
    """Write the page from both runs."""
    results = {head: load(head) for head in HEADS}
    for head in HEADS:
        if not results[head]:
            sys.exit(f"there are no results of the {head} head; run: make conformance")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
