"""A run as a JUnit file for CI systems: a suite for each play, a case for each task on each head."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from lunops.model import RunResult, Status, TaskResult
from lunops.recap.hidden import masked_run
from lunops.recap.line import Detail, Mask, clean, same
from lunops.recap.told import task_lines


def junit(result: RunResult, *, mask: Mask = same) -> str:
    """Return the XML text, as Jenkins, GitLab and others read it.

    What failed is a failure, what could not be reached an error; what was ignored or rescued has passed, and says so
    in its output. What is unknown in check mode counts as skipped.
    """
    result = masked_run(result, mask)
    root = ElementTree.Element("testsuites", name=_text(result.plan))
    plays: dict[str, list[TaskResult]] = {}
    for task in result.tasks:
        plays.setdefault(task.play or result.plan, []).append(task)
    for play, tasks in plays.items():
        suite = ElementTree.SubElement(root, "testsuite", name=_text(play))
        names: Counter[tuple[str, str]] = Counter()
        for task in tasks:
            names[task.head, task.name] += 1
            number = names[task.head, task.name]
            suite.append(_case(task, f"{task.name} ({number})" if number > 1 else task.name, check=result.check))
        _count(suite, tasks)
    _count(root, result.tasks)
    root.set("time", f"{result.total_s:.3f}")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _count(element: ElementTree.Element, tasks: list[TaskResult] | tuple[TaskResult, ...]) -> None:
    kinds = Counter(map(_kind, tasks))
    element.set("tests", str(len(tasks)))
    element.set("failures", str(kinds["failure"]))
    element.set("errors", str(kinds["error"]))
    element.set("time", f"{sum(task.times.total_s for task in tasks):.3f}")
    if element.tag == "testsuite":
        element.set("skipped", str(kinds["skipped"]))


def _kind(task: TaskResult) -> str:
    """Return the element that says how a case ended; the empty text for one that passed."""
    if task.status.is_bad and (task.is_ignored or task.is_rescued):
        return ""
    return {
        Status.FAILED: "failure",
        Status.UNREACHABLE: "error",
        Status.SKIPPED: "skipped",
        Status.UNKNOWN: "skipped",
    }.get(task.status, "")


def _case(task: TaskResult, name: str, *, check: bool) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=_text(task.head), name=_text(name), time=f"{task.times.total_s:.3f}"
    )
    lines = [line.text for line in task_lines(task, Detail(items=True, changes=True, data=True, check=check))]
    if kind := _kind(task):
        ending = ElementTree.SubElement(case, kind, message=_text(_message(task)))
        if kind != "skipped":
            ending.set("type", str(task.status))
            ending.text = _text("\n".join(lines))
    output = ElementTree.SubElement(case, "system-out")
    output.text = _text("\n".join([*([task.where] if task.where else []), *lines]))
    return case


def _message(task: TaskResult) -> str:
    """Return one line on why a case did not pass."""
    if not task.status.is_bad:
        return "unknown: it cannot be told without doing it" if task.status is Status.UNKNOWN else "skipped"
    bad = [item for item in task.items if item.status.is_bad]
    if task.error or not bad:
        return task.error or str(task.status)
    return bad[0].error + (f" (and {len(bad) - 1} more items)" if len(bad) > 1 else "")


def _text(text: str) -> str:
    """Return the text without what XML cannot hold, not even as a reference, shown as codes; line ends are kept."""
    return "\n".join(map(clean, text.split("\n")))
