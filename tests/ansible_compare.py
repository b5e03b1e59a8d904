"""Where what lunops did differs from what Ansible did, as paths, and which of that is meant.

tests/scenarios/ansible/DIFFERENCES.yml has `reasons` by name and, for each case that differs, `cases`: a pattern of
paths → the name of the reason, or {why: REASON, is: what lunops has there}. A path is `exit`, `order` (the names of the
tasks as they began), `tasks.NAME.HOST.KEY`, `tasks.NAME.HOST.ITEM.KEY` (the second task of that name is `NAME (2)`),
`tasks.NAME.play`, or `stats.HOST.COUNTER`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.ansible_normal import COUNTERS, Normal

Flat = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value that the two programs have differently; None: it is not there."""

    path: str
    ansible: Any
    lunops: Any

    def __str__(self) -> str:
        return f"{self.path}: Ansible {self.ansible!r}, lunops {self.lunops!r}"


def differences(ansible: Normal, lunops: Normal) -> list[Difference]:
    """Return all of them; a label is compared only where Ansible has one that both can have."""
    theirs, ours = _flat(ansible), _flat(lunops)
    if not lunops["plays"]:  # it tells only of tasks
        theirs.pop("plays")
        ours.pop("plays")
    ours = {path: value for path, value in ours.items() if not path.endswith(".label") or path in theirs}
    paths = dict.fromkeys([*theirs, *ours])
    found = [Difference(path=path, ansible=theirs.get(path), lunops=ours.get(path)) for path in paths]
    return [each for each in found if not _same(each.ansible, each.lunops)]


def unexplained(found: list[Difference], meant: Mapping[str, Any]) -> list[str]:
    """Return what is wrong, in words: differences that are not meant, and meant ones that are not there."""
    wrong = [str(each) for each in found if not any(_fits(pattern, each.path) for pattern in meant)]
    for pattern, why in meant.items():
        fitting = [each for each in found if _fits(pattern, each.path)]
        if not fitting:
            wrong.append(f"{pattern}: is said to differ ({why}), and does not")
        elif isinstance(why, Mapping):
            wrong += [f"{each}, and {why['is']!r} is meant" for each in fitting if not _same(each.lunops, why["is"])]
    return wrong


def _fits(pattern: str, path: str) -> bool:
    """Return whether a path fits a pattern, in which a star stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), path, re.DOTALL) is not None


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same, kinds included: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _flat(normal: Normal) -> Flat:
    flat: Flat = {"exit": normal["exit"], "plays": normal["plays"], "order": []}
    for task in normal["tasks"]:
        name = task["task"] + (" [handler]" if task.get("handler") else "")
        flat["order"].append(name)
        times = flat["order"].count(name)
        top = f"tasks.{name}" + (f" ({times})" if times > 1 else "")
        flat[f"{top}.play"] = task["play"]
        for host, result in task["hosts"].items():
            flat |= {f"{top}.{host}.{key}": value for key, value in result.items() if key != "items"}
            for place, item in enumerate(result["items"]):
                flat |= {f"{top}.{host}.{place}.{key}": value for key, value in item.items()}
    for host, counts in normal["stats"].items():
        flat |= {f"stats.{host}.{name}": counts[name] for name in COUNTERS if name in counts}
    return flat
