"""What is hidden of results: secrets by a mask, and all but the status of a no_log task; in every form of output."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from lunops.model import ItemResult, RunResult, Status, TaskResult
from lunops.recap import Detail, Mask, as_json, junit, masked, masked_run, report, same
from tests import recap_support as support

ALL = Detail(items=True, changes=True, data=True, places=True, everything=True)
SECRET = 'se"cr\n<et>\\\x1b'


def run(**task: object) -> RunResult:
    item = ItemResult(
        key=SECRET,
        label=SECRET,
        status=Status.FAILED,
        changes=(SECRET, f"--- a\n+++ b\n@@ -1 +1 @@\n+{SECRET}"),
        error=SECRET,
        fix=SECRET,
        rolled_back=(SECRET,),
        left_behind=(SECRET,),
        data={SECRET: [SECRET, {"stdout": f"x{SECRET}"}], "stderr": SECRET, "diff": {"before": "", "after": SECRET}},
    )
    words = {"error": f"{SECRET}!", "fix": SECRET, "where": "plan.yml:3:5", **task}
    bad = TaskResult(head="a", task_id="1", name="n", module="command", status=Status.FAILED, items=(item,), **words)  # type: ignore[arg-type]
    return RunResult(plan="p", check=False, tasks=(bad, replace(bad, error="")), heads=("a",), total_s=1.0)


def mask(text: str) -> str:
    return text.replace(SECRET, "********")


def every_form(result: RunResult, mask: Mask) -> str:
    return report(result, ALL, mask=mask) + json.dumps(as_json(result, mask=mask)) + junit(result, mask=mask)


def test_a_secret_is_masked_in_every_form_before_it_is_written_otherwise() -> None:
    assert "cr" in every_form(run(), same)
    text = every_form(run(play=SECRET), mask)

    assert "********" in text
    assert not any(part in text for part in ('se"cr', "et>", 'se\\"cr', "et&gt;", "\\x1b"))


@pytest.mark.parametrize("error", [f"{SECRET}!", ""])
def test_of_a_no_log_task_the_status_and_where_to_look_are_all_that_is_left_in_every_form(error: str) -> None:
    text = every_form(run(no_log=True, error=error), same)

    assert "(output hidden: no_log)" in text
    assert "look at the task at plan.yml:3:5" in text
    assert not any(part in text for part in ('se"cr', 'se\\"cr', "et>", "et&gt;", "x1b", "u001b"))


@given(support.tasks)
def test_to_hide_twice_is_the_same_as_once(task: TaskResult) -> None:
    once = masked(task, same)

    assert masked(once, same) == once


@given(support.results)
def test_no_text_of_a_result_escapes_the_mask(result: RunResult) -> None:
    assert support.SECRET not in repr(masked_run(result, lambda text: text.replace(support.SECRET, "*")))
