"""Results of a run from plain data, and told to an observer as an engine does."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from lunops.cli.output import Output
from lunops.cli.printer import Printer
from lunops.inventory_range import expand
from lunops.model import Item, ItemResult, RunResult, Status, Task, TaskResult, Times
from lunops.recap import Detail, Mask, Profile, same

EVENTS = ("on", "retried", "note")  # what a task of a scenario has besides the fields of a result


def run_result(plain: Mapping[str, Any]) -> RunResult:
    """Return a run's result from plain data; a task `on: jbod-[01:20]` is one on each of these heads."""
    tasks = [task for each in plain["tasks"] for task in task_results(each)]
    return RunResult(
        plan=plain.get("plan", "plan.yml"),
        check=bool(plain.get("check")),
        tasks=tuple(tasks),
        heads=tuple(dict.fromkeys([*plain.get("heads", ()), *(task.head for task in tasks)])),
        total_s=float(plain.get("total_s", 0)),
    )


def task_results(plain: Mapping[str, Any]) -> list[TaskResult]:
    """Return the results that one entry of a scenario stands for."""
    words = {key: value for key, value in plain.items() if key not in EVENTS}
    words["status"] = Status(words["status"])
    words["times"] = Times(**words.get("times", {}))
    words["items"] = tuple(map(item_result, words.get("items", ())))
    words.setdefault("module", "zfs_clone")
    words.setdefault("task_id", words["name"])
    heads = list(expand(plain["on"], "on")) if "on" in plain else [words.pop("head")]
    return [TaskResult(head=head, **words) for head in heads]


def item_result(plain: Mapping[str, Any]) -> ItemResult:
    """Return an item's result; what is left out is as in a result."""
    words: dict[str, Any] = dict(plain)
    for name in ("changes", "rolled_back", "left_behind"):
        words[name] = tuple(words.get(name, ()))
    return ItemResult(**{"key": "", **words, "status": Status(plain["status"])})


def printed(plain: Mapping[str, Any], detail: Detail, profile: Profile | None = None, mask: Mask = same) -> str:
    """Return what is printed while it runs, with the retries and notes of the scenario."""
    stream = io.StringIO()
    result = run_result(plain)
    with Printer(Output(stream, colour=False, mask=mask), detail, profile=profile) as printer:
        play = None
        for each in plain["tasks"]:
            results = task_results(each)
            if results[0].play != play:
                play = results[0].play
                printer.play_started(play or result.plan, result.heads, 1)
            if "note" in each:
                printer.note(each["note"])
            for one in results:
                tell(printer, one, each.get("retried", ()))
        if play is None:
            printer.play_started(result.plan, result.heads, 1)
        printer.end(result)
    return stream.getvalue()


def tell(printer: Printer, result: TaskResult, retried: Any = ()) -> None:
    """Tell a printer of one result, from its start to its end."""
    items = tuple(Item(key=item.key, args={}) for item in result.items)
    task = Task(id=result.task_id, name=result.name, module=result.module, items=items)
    if result.status is not Status.SKIPPED and not result.is_handler:  # a handler is known by its id alone before
        printer.task_started(result.head, task)
        for attempt, of in retried:
            printer.retrying(result.head, result.name, attempt, of)
        for item in result.items:
            printer.item_ended(result.head, task, item)
    printer.task_ended(result)


SECRET = "s3cret"
_texts = st.text(max_size=6) | st.sampled_from(
    [
        *("", "tank/a", "a\nb", "\r", "\x1b[2J", "\x9b31m", "\u202eevil", "\ud800", "頭" * 30, SECRET, f"x\n{SECRET}"),
        *("mkdir iscsi/iqn.x:y", "iscsi/iqn.x:y/a\x07 = \x1b", "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+\x1by\n"),
    ]
)
_seconds = st.sampled_from([0.0, 1e-9, 0.0004, 0.25, 1.5, 3.0, 1234.5])
_json = st.sampled_from(
    [None, True, 1, 0.5, "\x1b", SECRET, [SECRET], {SECRET: [{"a": SECRET}]}, {"rc": 1, "stderr": "\x1bx"}]
)
items = st.builds(
    ItemResult,
    key=_texts,
    label=_texts,
    status=st.sampled_from(Status),
    changes=st.lists(_texts, max_size=2).map(tuple),
    error=_texts,
    fix=_texts,
    rolled_back=st.lists(_texts, max_size=2).map(tuple),
    left_behind=st.lists(_texts, max_size=2).map(tuple),
    data=_json | st.fixed_dictionaries({"diff": st.fixed_dictionaries({"before": _texts, "after": _texts})}),
    seconds=_seconds,
)
tasks = st.builds(
    TaskResult,
    head=st.sampled_from(["a", "b-1", "b-2", "\x1b]0;x\x07", "頭"]),
    task_id=st.sampled_from(["1.1", "1.2", "1.h1"]),
    name=_texts,
    module=st.sampled_from(["zfs_clone", "debug", "assert", "command", "undo"]),
    status=st.sampled_from(Status),
    items=st.lists(items, max_size=4).map(tuple),
    times=st.builds(
        Times,
        wait_s=_seconds,
        template_s=_seconds,
        connect_s=_seconds,
        run_s=_seconds,
        transfer_s=_seconds,
        total_s=_seconds,
    ),
    error=_texts,
    fix=_texts,
    wedged=st.booleans(),
    play=_texts,
    where=st.sampled_from(["", "plan.yml:1:1", "\x1b"]),
    begun_s=_seconds,
    is_handler=st.booleans(),
    is_ignored=st.booleans(),
    is_rescued=st.booleans(),
    attempts=st.integers(min_value=1, max_value=3),
    delegate=st.sampled_from(["", "b-2", "\x1b"]),
    no_log=st.booleans(),
)
results = st.builds(
    RunResult,
    plan=_texts,
    check=st.booleans(),
    tasks=st.lists(tasks, max_size=4).map(tuple),
    heads=st.just(("a", "b-1", "b-2")),
    total_s=_seconds,
)
details = st.builds(
    Detail,
    items=st.booleans(),
    changes=st.booleans(),
    data=st.booleans(),
    places=st.booleans(),
    everything=st.booleans(),
    check=st.booleans(),
    many=st.sampled_from([0, 1, 12]),
)
