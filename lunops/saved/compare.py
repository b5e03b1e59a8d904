"""What is not as it was when a plan was saved: files, the heads' state, and what a check run says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from lunops.saved.model import HeadState, Properties, SavedItem, SavedTask

# A storage object's folder gets the next free number when it is made; the plan is not about that.
_NUMBER = re.compile(r"\b(iblock|fileio)_\d+")
_SHOWN = 160


def files(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Give a line for each file that is not as it was; `now` has those that are there."""
    for path in sorted({*was, *now}):
        if path not in now:
            yield f"{path} is gone, or not read any more"
        elif path not in was:
            yield f"{path} was not there, or not read"
        elif was[path] != now[path]:
            yield f"{path} has changed"


def states(was: Mapping[str, HeadState], now: Mapping[str, HeadState]) -> Iterator[str]:
    """Give a line for each dataset and target that is not as it was."""
    for head, before in was.items():
        after = now.get(head, HeadState())
        for name, each in before.datasets.items():
            yield from (f"{head}: {name} {words}" for words in _dataset(each, after.datasets.get(name)))
        for wwn, each in before.targets.items():
            yield from (f"{head}: the target {wwn} {words}" for words in _target(each, after.targets.get(wwn)))


def _dataset(was: Properties | None, now: Properties | None) -> Iterator[str]:
    if was is None and now is None:
        return
    if was is None:
        yield f"was not there, and is there now ({_shown(now)})"
    elif now is None:
        yield f"was there ({_shown(was)}), and is gone"
    elif was.get("guid") != now.get("guid"):
        yield f"is another one of the same name: it was {_shown(was)}, and is {_shown(now)}"
    else:
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                yield f"has another {key}: it was {was.get(key, '(none)')}, and is {now.get(key, '(none)')}"


def _target(was: Properties | None, now: Properties | None) -> Iterator[str]:
    if was is None and now is None:
        return
    if was is None:
        yield "was not there, and is there now"
    elif now is None:
        yield "was there, and is gone"
    elif changed := [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]:
        yield f"was changed: not as they were are its {', '.join(changed)}"


def _shown(properties: Properties | None) -> str:
    return ", ".join(f"{key} {value}" for key, value in (properties or {}).items()) or "nothing known of it"


def results(was: Mapping[str, Sequence[SavedTask]], now: Mapping[str, Sequence[SavedTask]]) -> Iterator[str]:
    """Give a line for each head, task and item of which a check run says something else."""
    for head in dict.fromkeys((*was, *now)):
        if head not in now:
            yield f"{head}: was part of the plan, and is not any more"
        elif head not in was:
            yield f"{head}: was no part of the plan, and is now"
        else:
            yield from (f"{head}: {line}" for line in _tasks(was[head], now[head]))


def _tasks(was: Sequence[SavedTask], now: Sequence[SavedTask]) -> Iterator[str]:
    for before, after in zip(was, now, strict=False):
        if (before.id, before.name) != (after.id, after.name):
            yield f"was to do {_title(before)}, and is to do {_title(after)} in its place"
            return  # what follows is out of step
        yield from (f"{_title(before)}: {line}" for line in _items(before, after))
    for before in was[len(now) :]:
        yield f"was to do {_title(before)}, and is not any more"
    for after in now[len(was) :]:
        yield f"is to do {_title(after)} now, too"


def _title(task: SavedTask) -> str:
    return f"{task.id} {task.name!r}"


def _items(was: SavedTask, now: SavedTask) -> Iterator[str]:
    before, after = _by_key(was.items), _by_key(now.items)
    for key in dict.fromkeys((*before, *after)):
        if key not in after:
            yield f"{key}: before: {_said(before[key])}; now: none of its items"
        elif key not in before:
            yield f"{key}: before: none of its items; now: {_said(after[key])}"
        elif _same(before[key]) != _same(after[key]):
            yield f"{key}: before: {_said(before[key], after[key])}; now: {_said(after[key], before[key])}"
    if was.status != now.status and not was.items and not now.items:
        error = f" ({now.error})" if now.error else ""
        yield f"before: {was.status}; now: {now.status}{error}"


def _by_key(items: Sequence[SavedItem]) -> dict[str, SavedItem]:
    """Return the items by their keys; those of which several have one key are numbered."""
    found: dict[str, SavedItem] = {}
    for item in items:
        key, number = item.key, 1
        while key in found:
            number += 1
            key = f"{item.key} ({number})"
        found[key] = item
    return found


def _same(item: SavedItem) -> tuple[str, list[str]]:
    return item.status, [_NUMBER.sub(r"\1_N", each) for each in item.changes]


def _said(item: SavedItem, other: SavedItem | None = None) -> str:
    """Return the status and the first change that the other one does not have."""
    word = "would change" if item.status == "changed" else item.status
    theirs = _same(other)[1] if other else []
    own = item.error or next((each for each in _same(item)[1] if each not in theirs), "")
    if not own:
        return word
    line = " ".join(own.split())
    return f"{word} ({line if len(line) <= _SHOWN else line[:_SHOWN] + '…'})"
