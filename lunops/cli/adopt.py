"""`lunops adopt`: take LUNs that something else made into lunops' hands, after showing what would be set."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lunops import recap
from lunops.cli.heads import Heads, is_agreed, items_of, plain
from lunops.errors import InputError
from lunops.model import Json, RunResult
from lunops.near import hint

_REFUSED = 5
_Found = Mapping[str, Sequence[Mapping[str, Any]]]  # by head, each target that is not lunops' yet


def adopt(heads: Heads, names: tuple[str, ...], *, every: bool, check: bool, yes: bool, as_json: bool) -> int:
    """Show what would be adopted, ask, adopt; return the exit code.

    `names` are IQNs or volumes. A LUN that cannot be adopted is an error if it was named, else it is told.
    """
    looked = heads.run("Look for LUNs to adopt", "adopt", heads.each({}), check=True)
    found: dict[str, list[dict[str, Any]]] = {
        head: list(item.data or []) for head, item in items_of(looked) if not item.status.is_bad
    }
    bad = recap.exit_code(looked.tasks)
    chosen = found if every or not names else _named(found, names, complete=not bad)
    if not as_json:
        for line in _lines(chosen, looked):
            print(line)
        sys.stdout.flush()
    plan = {
        head: [{"dataset": each["dataset"]} for each in some if not each["refused"]] for head, some in chosen.items()
    }
    refused = bool(names) and any(each["refused"] for some in chosen.values() for each in some)
    if check or not (names or every) or not any(plan.values()):
        if as_json:
            print(json.dumps({"found": chosen, "adopted": {}}, indent=2))
        return bad or (2 if refused else 0)
    if not yes and not is_agreed("adopt these?"):
        return _REFUSED
    result = heads.run("Adopt", "adopt", plan, check=False)
    if as_json:
        print(json.dumps({"found": chosen, "adopted": _adopted(result)}, indent=2))
    else:
        for head, item in items_of(result):
            print(
                f"{item.status}: [{plain(head)}] {plain(item.key)}" + (f": {plain(item.error)}" if item.error else "")
            )
    return recap.exit_code(result.tasks) or bad or (2 if refused else 0)


def _named(found: _Found, names: Sequence[str], *, complete: bool) -> dict[str, list[dict[str, Any]]]:
    """Return what was named; a name that is nowhere is an error, unless a head could not be asked."""
    chosen: dict[str, list[dict[str, Any]]] = {}
    known = {name for some in found.values() for each in some for name in (each["wwn"], each["dataset"]) if name}
    for name in names:
        if name not in known and complete:
            raise InputError(
                f"no head has a target or an exported volume {name!r} that is not lunops' already",
                where="NAME",
                fix=hint(name, sorted(known), "LUNs to adopt"),
            )
    for head, some in found.items():
        mine = [dict(each) for each in some if each["wwn"] in names or each["dataset"] in names]
        if mine:
            chosen[head] = mine
    return chosen


def _lines(chosen: _Found, looked: RunResult) -> Iterator[str]:
    for head, some in chosen.items():
        yield f"{plain(head)}: {len(some) or 'nothing'} to adopt"
        for each in some:
            yield f"  {plain(each['wwn'])} {plain(each['dataset'])}"
            yield from (f"    would: {plain(line)}" for line in each["changes"])
            if each["refused"]:
                yield f"    not adopted: {plain(each['refused'])}"
                yield f"    to mend it: {plain(each['fix'])}"
    for head, item in items_of(looked):
        if item.status.is_bad:
            yield f"{plain(head)}: {item.status}: {plain(item.error)}"


def _adopted(result: RunResult) -> dict[str, Json]:
    heads: dict[str, Json] = {}
    for head, item in items_of(result):
        told = {"key": item.key, "status": str(item.status), "changes": list(item.changes)}
        heads.setdefault(head, []).append({**told, "error": item.error, "fix": item.fix})
    return heads
