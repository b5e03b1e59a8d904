"""What a run says, held to the files in tests/scenarios/output: results in (NAME.yml), text out (NAME.txt).

`LUNOPS_GOLDEN=rewrite` writes what is said now into the text files; `git diff` is the review.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lunops.recap import Detail, Profile, report
from tests.recap_support import printed, run_result

SCENARIOS = sorted((Path(__file__).parent / "scenarios" / "output").glob("*.yml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_is_printed_is_the_text_of_the_scenario(path: Path) -> None:
    scenario: Any = YAML(typ="safe").load(path.read_text("utf-8"))
    detail = Detail.of(
        scenario.get("verbosity", 0), diff=scenario.get("diff", False), check=scenario["run"].get("check", False)
    )
    profile = Profile(**scenario.get("profile", {"waterfall": False}))

    def mask(text: str) -> str:
        for secret in scenario.get("secrets", ()):
            text = text.replace(secret, "********")
        return text

    text = printed(scenario["run"], detail, profile, mask)

    golden = path.with_suffix(".txt")
    if os.environ.get("LUNOPS_GOLDEN") == "rewrite":
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
    assert not any(secret in text for secret in scenario.get("secrets", ()))
    if not any(key in task for task in scenario["run"]["tasks"] for key in ("retried", "note")):
        assert report(run_result(scenario["run"]), detail, profile, mask=mask) == text, "told afterwards it is the same"


def test_there_is_a_scenario_for_every_kind_of_line() -> None:
    text = "".join(path.with_suffix(".txt").read_text("utf-8") for path in SCENARIOS)

    for words in (
        "PLAY [", "TASK [", "RUNNING HANDLER [", "ok: [", "changed: [", "would change: [", "unknown: [", "skipping: [",
        "failed: [", ": FAILED!", ": UNREACHABLE!", "...ignoring", "...rescuing", " -> ", "FAILED - RETRYING: [",
        "=> {", "=> (item=", "error: ", "to mend it: ", "taken back: ", "left behind: ", "(output hidden: no_log)",
        " heads) ", "@@ ", "PLAY RECAP", "SLOWEST TASKS", "WHERE THE TIME WENT", "unaccounted: ", "critical path: ",
        "WEDGED", "[WARNING]: ", "task path: ", "after 3 attempts", "stderr:", "unknown=", "P95",
    ):  # fmt: skip
        assert words in text, f"no scenario says {words!r}"
