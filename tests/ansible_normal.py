"""One shape for what a run did, be it Ansible's or lunops': what the two are compared in.

{"exit": 2,
 "plays": [{"name": …, "hosts": […]}],                              each batch of hosts by itself
 "tasks": [{"play": …, "task": …, "handler": true, "hosts": {HOST: RESULT}}],   in the order in which they began
 "stats": {HOST: {"ok": 1, …}}}

RESULT is {"status": ok | changed | skipped | failed | unreachable | included, "ignored": true, "delegate": HOST,
"attempts": 2, "items": [ITEM]}, a task without a loop having one item, {"status", "label", "msg", "value", "rc",
"stdout", "facts"}. What is empty, and a counter that is 0, is left out. There are no times, no paths, and no messages
of either program's own making; `meta` is no task here, as it is shown in one case and not in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Normal = dict[str, Any]
COUNTERS: Final = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")
# Modules whose message is the playbook's, and how messages begin that are Ansible's own.
_TELLING: Final = ("debug", "assert", "fail")
_OF_ANSIBLE: Final = ("Task failed: ", "The `loop` value ", "Unsupported parameters ")


def from_ansible(events: Iterable[Mapping[str, Any]], code: int, scratch: str) -> Normal:
    """Return what the events of tests/tools/ansible_events.py tell."""
    plays: list[Normal] = []
    tasks: list[Normal] = []
    stats: dict[str, Any] = {}
    for event in events:
        match event["event"]:
            case "play":
                plays.append({"name": event["name"], "hosts": event["hosts"]})
            case "task":
                tasks.append(_task(plays[-1]["name"], event["name"], handler=event["handler"]))
            case "result" if event["action"] != "meta":
                tasks[-1]["hosts"][event["host"]] = _ansible_result(event)
            case "stats":
                stats = {host: {**counts, "failed": counts["failures"]} for host, counts in event["hosts"].items()}
    return _whole(code, plays, tasks, stats, scratch)


def _ansible_result(event: Mapping[str, Any]) -> Normal:
    result = event["result"]
    status = event["status"]
    if status == "ok":
        included = event["action"] == "include_tasks"
        status = "included" if included else "changed" if result.get("changed") else "ok"
    looped = [each for each in result.get("results", ()) if "ansible_loop_var" in each]
    items = [_ansible_item(event, each) for each in looped]
    if not looped:
        items = [{"status": status, **_content(event["action"], result, event["variable"], status)}]
    if "censored" in result:
        items = [{"censored": True}]
    return _result(
        status=status,
        ignored=event["ignored"],
        delegate=event["delegate"],
        attempts=[each.get("attempts", 1) for each in looped or [result]],
        items=items,
    )


def _ansible_item(event: Mapping[str, Any], result: Mapping[str, Any]) -> Normal:
    status = next((each for each in ("failed", "skipped", "changed") if result.get(each)), "ok")
    content = _content(event["action"], result, event["variable"], status)
    return {"status": status, "label": _label(result.get("_ansible_item_label", "")), **content}


def from_lunops(told: Mapping[str, Any] | None, code: int, scratch: str) -> Normal:
    """Return what `lunops run --json` tells; `told` is None where nothing was run."""
    told = told or {}
    tasks: list[Normal] = []
    for each in (task for task in told.get("tasks", ()) if task["module"] != "meta"):
        tasks.append(_task(each["play"], each["name"], handler=bool(each["is_handler"])))
        tasks[-1]["hosts"][each["head"]] = _lunops_result(each)
    return _whole(code, told.get("plays", []), tasks, told.get("heads", {}), scratch)


def _lunops_result(task: Mapping[str, Any]) -> Normal:
    items = [_lunops_item(task["module"], each) for each in task["items"]] or [{"status": task["status"]}]
    return _result(
        status=task["status"],
        ignored=task["ignored"],
        delegate=task["delegate"],
        attempts=[task["attempts"]],
        items=[{"censored": True}] if task["no_log"] else items,
    )


def _lunops_item(module: str, item: Mapping[str, Any]) -> Normal:
    data = item.get("data") if isinstance(item.get("data"), dict) else {}
    assert data is not None
    variable = next(iter(data), "") if module == "debug" and "msg" not in data else ""
    return {
        "status": item["status"],
        "label": _label(item["label"]),
        **_content(module, data, variable, item["status"]),
    }


def _content(module: str, result: Mapping[str, Any], variable: str, status: str) -> Normal:
    """Return what a module says that both programs say in the same words."""
    if status == "skipped":
        return {}
    if module in _TELLING and variable and variable in result:
        return {"value": result[variable]}
    if module in _TELLING and not str(result.get("msg")).startswith(_OF_ANSIBLE):
        return {"msg": result.get("msg")}
    if module == "command":
        return {"rc": result.get("rc"), "stdout": result.get("stdout") or None}
    return {"facts": result.get("ansible_facts")} if module == "set_fact" else {}


def _label(value: Any) -> str:
    """Return the label of an item; what is no plain value is written differently by each, and left out."""
    return "" if isinstance(value, list | dict) or value is None else str(value)


def _task(play: str, name: str, *, handler: bool) -> Normal:
    return {"play": play, "task": name, **({"handler": True} if handler else {}), "hosts": {}}


def _result(*, status: str, ignored: bool, delegate: str, attempts: Sequence[int], items: Sequence[Normal]) -> Normal:
    tries = max(attempts)
    found: Normal = {"status": status}
    if ignored:
        found["ignored"] = True
    if delegate and len(items) == 1:
        found["delegate"] = delegate
    if tries > 1:
        found["attempts"] = tries
    kept = [
        {key: each for key, each in item.items() if each is not None and (key, each) != ("label", "")} for item in items
    ]
    return {**found, "items": kept}


def _whole(
    code: int,
    plays: Sequence[Normal],
    tasks: Sequence[Normal],
    stats: Mapping[str, Mapping[str, int]],
    scratch: str,
) -> Normal:
    kept: list[Normal] = []
    for task in (task for task in tasks if task["hosts"]):
        hosts = task["hosts"]
        last = kept[-1] if kept else {}
        if last == {**task, "hosts": last.get("hosts")} and last["hosts"].keys().isdisjoint(hosts):
            hosts |= kept.pop()["hosts"]  # the same task in the next batch, with no other in between
        kept.append({**task, "hosts": dict(sorted(hosts.items()))})
    counted = {
        host: {name: counts[name] for name in COUNTERS if counts.get(name)} for host, counts in sorted(stats.items())
    }
    plain: Normal = _without({"exit": code, "plays": plays, "tasks": kept, "stats": counted}, scratch)
    return plain


def _without(value: Any, scratch: str) -> Any:
    """Return the value with the folder that a run may write to called SCRATCH."""
    if isinstance(value, str):
        return value.replace(scratch, "SCRATCH")
    if isinstance(value, dict):
        return {key: _without(each, scratch) for key, each in value.items()}
    return [_without(each, scratch) for each in value] if isinstance(value, list) else value
