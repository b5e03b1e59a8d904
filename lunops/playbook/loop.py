"""Read how often a task is done: over which items, and how often it is tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lunops.model import Json
from lunops.playbook.expressions import has_expression
from lunops.playbook.model import Loop, Until
from lunops.playbook.notes import Notes
from lunops.playbook.values import conditions, identifier, mapping, number, seconds, shown

KEYS: Final = ("loop", "with_items", "loop_control", "until", "retries", "delay")
_CONTROL: Final = ("label", "loop_var", "index_var", "pause")
_CONTROL_REFUSED: Final = {
    "extended": "write `index_var`, and count with it",
    "extended_allitems": "name the list itself",
    "break_when": "write a `when` that does not hold for the rest",
}


def loop(notes: Notes, value: Mapping[str, Json]) -> Loop | None:
    """Return what a task goes over, or None."""
    key = "with_items" if "with_items" in value else "loop"
    if key not in value:
        if "loop_control" in value:
            notes.add(
                "`loop_control` is of no use without a `loop`", "loop_control", fix="write `loop`, or take it out"
            )
        return None
    if key == "with_items" and "loop" in value:
        notes.add("`loop` and `with_items` say the same", "with_items", fix="keep `loop`")
    over = value[key]
    if not isinstance(over, list) and not (isinstance(over, str) and has_expression(over)):
        fix = f'write the items below each other, or `{key}: "{{{{ NAME }}}}"`'
        notes.add(f"{shown(over)} is neither a list nor an expression that gives one", key, fix=fix)
    notes.expressions(over, key)
    flatten = key == "with_items"
    if flatten and isinstance(over, list) and not has_expression(over):
        over = [each for one in over for each in (one if isinstance(one, list) else [one])]
        flatten = False
    control = mapping(notes, value.get("loop_control", {}), "loop_control")
    inner = notes.below("loop_control")
    inner.unknown(control, _CONTROL, _CONTROL_REFUSED, "`loop_control`")
    inner.expressions(control.get("label"), "label")
    index = identifier(inner, control["index_var"], "index_var") if "index_var" in control else ""
    item = identifier(inner, control["loop_var"], "loop_var", item=True) if "loop_var" in control else "item"
    if index and index == item:
        inner.add(f"`loop_var` and `index_var` are both {index!r}", "index_var", fix="give them two names")
    pause = seconds(inner, control["pause"], "pause") if "pause" in control else 0
    return Loop(over=over, item=item, index=index, label=control.get("label"), pause_s=pause, flatten=flatten)


def until(notes: Notes, value: Mapping[str, Json]) -> Until | None:
    """Return how often a task is tried, or None."""
    holds = conditions(notes, value["until"], "until") if "until" in value else ()
    retries = number(notes, value["retries"], "retries", least=0, most=10_000, whole=True) if "retries" in value else 3
    delay = seconds(notes, value["delay"], "delay") if "delay" in value else 5
    if not {"until", "retries"} & set(value):
        if "delay" in value:
            notes.add("`delay` is of no use without `until` or `retries`", "delay", fix="write `retries: 3` beside it")
        return None
    return Until(conditions=holds, retries=retries, delay_s=delay)
