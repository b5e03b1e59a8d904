"""From what the agent says of its items to what the playbook sees: what is registered, and what counts as what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lunops.errors import NotYetKnownError, TemplateError
from lunops.model import ItemResult, Json, Status
from lunops.planner.expand import View, Wanted
from lunops.playbook.model import TaskSpec
from lunops.render import Expressions, Unknown


def value_of(result: ItemResult) -> dict[str, Json]:
    """Return one item's result as an Ansible user knows it: `changed`, `failed`, `msg`, and what the module found."""
    data = result.data if isinstance(result.data, Mapping) else {}
    value: dict[str, Json] = {
        **{name: each for name, each in data.items() if name != "ansible_facts"},
        "changed": result.status is Status.CHANGED or (result.status is Status.FAILED and bool(result.changes)),
        "failed": result.status is Status.FAILED,
    }
    if result.status is Status.SKIPPED:
        value["skipped"] = True
    if result.status is Status.UNREACHABLE:
        value["unreachable"] = True
    if result.error:
        value.setdefault("msg", result.error)
    if result.data is not None and not isinstance(result.data, Mapping):
        value["data"] = result.data
    if result.changes:
        value["changes"] = list(result.changes)
    return value


def skipped(wanted: Wanted) -> ItemResult:
    """Return the result of an element that its `when` left out."""
    return ItemResult(
        key=wanted.label,
        label=wanted.label,
        status=Status.SKIPPED,
        data={"skip_reason": "Conditional result was False", "false_condition": wanted.skipped_by},
    )


def judged(
    result: ItemResult, spec: TaskSpec, wanted: Wanted, view: View, expressions: Expressions, attempt: int = 1
) -> ItemResult:
    """Return the result as `changed_when` and `failed_when` have it; where one cannot be asked, it has failed."""
    if result.status in (Status.SKIPPED, Status.UNREACHABLE, Status.UNKNOWN):
        return result
    if not spec.changed_when and not spec.failed_when:
        return result

    def holds(conditions: Sequence[str], key: str) -> bool:
        more = _with_result(spec, wanted, result, attempt)
        return all(expressions.condition(each, view(more), spec.place(key)) for each in conditions)

    changed = value_of(result)["changed"]
    try:
        if spec.changed_when:
            changed = holds(spec.changed_when, "changed_when")
            if not result.status.is_bad:
                result = replace(result, status=Status.CHANGED if changed else Status.OK)
        if spec.failed_when:
            if holds(spec.failed_when, "failed_when"):
                result = replace(result, status=Status.FAILED, error=result.error or "failed_when holds")
            elif result.status.is_bad:
                result = replace(result, status=Status.CHANGED if changed else Status.OK, error="", fix="")
    except (TemplateError, NotYetKnownError) as error:
        return replace(result, status=Status.FAILED, error=f"{error.what} ({error.where})", fix=error.fix)
    return result


def _with_result(spec: TaskSpec, wanted: Wanted, result: ItemResult, attempt: int) -> dict[str, Json]:
    """Return the variables with which conditions on a result are asked."""
    if not spec.register and spec.until is None:
        return dict(wanted.more)
    value = value_of(result)
    if spec.until is not None:
        value["attempts"] = attempt
    return {**wanted.more, spec.register or "result": value}


def is_enough(
    result: ItemResult, spec: TaskSpec, wanted: Wanted, view: View, expressions: Expressions, attempt: int = 1
) -> bool:
    """Return whether a task that is tried again and again is done with this result."""
    assert spec.until is not None
    if result.status in (Status.SKIPPED, Status.UNREACHABLE, Status.UNKNOWN):
        return True
    if not spec.until.conditions:
        return not result.status.is_bad
    more = _with_result(spec, wanted, result, attempt)
    return all(expressions.condition(each, view(more), spec.place("until")) for each in spec.until.conditions)


def registered(
    spec: TaskSpec,
    pairs: Sequence[tuple[Wanted, ItemResult]],
    *,
    check: bool,
    attempts: Mapping[int, int] | None = None,
) -> Json:
    """Return what `register` gets: the one result, or a loop's `results`; unknown where check mode cannot tell.

    `attempts`: how often each was tried, by its place in the loop.
    """
    if check and any(result.status is Status.UNKNOWN for _wanted, result in pairs):
        return Unknown(spec.register, f"the task {spec.name!r} ({spec.where.get('', '')}) was not run in check mode")
    values = [value_of(result) for _wanted, result in pairs]
    if spec.loop is None:
        value = values[0]
        if spec.until is not None:
            value["attempts"] = (attempts or {}).get(0, 1)
        return value
    if not pairs:
        return {"results": [], "changed": False, "skipped": True, "skipped_reason": "No items in the list"}
    for (wanted, _result), value in zip(pairs, values, strict=True):
        value[spec.loop.item] = wanted.element
        value["ansible_loop_var"] = spec.loop.item
        if spec.until is not None:
            value["attempts"] = (attempts or {}).get(wanted.place, 1)
        if spec.loop.index:
            value[spec.loop.index] = wanted.place
            value["ansible_index_var"] = spec.loop.index
    found: dict[str, Json] = {
        "results": values,
        "changed": any(value["changed"] for value in values),
        "failed": any(value["failed"] for value in values),
    }
    if all(value.get("skipped") for value in values):
        found |= {"skipped": True, "msg": "All items skipped"}
    else:
        found["msg"] = "One or more items failed" if found["failed"] else "All items completed"
    return found


def condition(
    flag: bool | str | None, default: bool, view: Callable[[], Mapping[str, Json]], expressions: Expressions, where: str
) -> bool:
    """Return the truth of a keyword that is true, false or an expression."""
    if flag is None:
        return default
    if isinstance(flag, bool):
        return flag
    if "{{" not in flag:
        return expressions.condition(flag, view(), where)
    value = expressions.value(flag, view(), where)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise TemplateError(
            f"{flag!r} gives {value!r}, which is neither true nor false", where=where, fix="use the filter `bool`"
        )
    return value
