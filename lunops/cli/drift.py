"""`lunops drift` and `lunops reconcile`: what is not as it is recorded, and mending it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lunops import recap
from lunops.cli.heads import Heads, is_agreed, items_of, plain
from lunops.model import Json, RunResult, Status

DRIFT = 1
_REFUSED = 5


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at all heads has found."""

    result: RunResult
    findings: dict[str, list[dict[str, Any]]]  # of each head that could be looked at

    @property
    def exit_code(self) -> int:
        """2, 4 or 6 where a head could not be looked at: that is never `no drift`; else 1 for drift, or 0."""
        return recap.exit_code(self.result.tasks) or (DRIFT if any(self.findings.values()) else 0)

    def json(self) -> dict[str, Json]:
        """Return it by head: `findings`, or `error` and `fix` of a head that could not be looked at."""
        heads: dict[str, Json] = {name: {"findings": found} for name, found in self.findings.items()}
        for head, item in items_of(self.result):
            if item.status.is_bad:
                heads[head] = {"error": item.error, "fix": item.fix, "unreachable": item.status is Status.UNREACHABLE}
        return heads


def drift(heads: Heads, *, as_json: bool) -> int:
    """Look at all heads and tell what differs; return the exit code."""
    seen = look(heads)
    if as_json:
        print(json.dumps({"drift": any(seen.findings.values()), "heads": seen.json()}, indent=2))
    else:
        for line in lines(seen):
            print(line)
    return seen.exit_code


def reconcile(heads: Heads, *, force: tuple[str, ...], check: bool, yes: bool, as_json: bool) -> int:
    """Show the plan, ask, mend, look again and tell what is left; return the exit code.

    Without a terminal and without `yes` nothing is changed, and that is a wrong call.
    """
    before = look(heads)
    mendable = any(_is_mendable(each, force) for found in before.findings.values() for each in found)
    if not as_json:
        for line in lines(before):
            print(line)
        sys.stdout.flush()
    if check or not mendable:
        if as_json:
            print(json.dumps({"before": before.json(), "mended": {}, "after": before.json()}, indent=2))
        return before.exit_code
    if not yes and not is_agreed("mend this?"):
        return _REFUSED
    plan = {
        head: [{"lun": each["key"], "force": list(force)} for each in found if _is_mendable(each, force)]
        for head, found in before.findings.items()
    }
    result = heads.run("Mend", "reconcile", plan, check=False)
    after = look(heads)
    if as_json:
        print(json.dumps({"before": before.json(), "mended": _mended(result), "after": after.json()}, indent=2))
    else:
        for head, item in items_of(result):
            print(f"{item.status}: [{plain(head)}] {plain(item.key)}")
            if item.error:
                print(f"    error: {plain(item.error)}")
                print(f"    to mend it: {plain(item.fix)}" if item.fix else "")
        print("after that:")
        for line in lines(after):
            print(line)
    return recap.exit_code(result.tasks) or after.exit_code


def look(heads: Heads) -> Look:
    """Look at all heads."""
    result = heads.run("Look for drift", "drift", heads.each({}), check=False)
    findings: dict[str, list[dict[str, Any]]] = {}
    for head, item in items_of(result):
        if not item.status.is_bad:
            findings[head] = list(item.data or [])
    return Look(result=result, findings=findings)


def lines(seen: Look) -> Iterator[str]:
    """Give the report: head by head, LUN by LUN, with reasons and what would be done."""
    for head, found in seen.findings.items():
        if not found:
            yield f"{plain(head)}: no drift"
            continue
        yield f"{plain(head)}: {len(found)} LUN{'s differ' if len(found) > 1 else ' differs'}"
        for each in found:
            yield f"  {plain(each['key'])}: {each['state']} ({', '.join(each['where'])})"
            yield from (f"    {plain(reason)}" for reason in each["reasons"])
            yield from (f"    would: {plain(line)}" for line in each["mend"])
            if each["refused"]:
                yield f"    left alone: {plain(each['refused'])}"
                yield f"    to mend it: {plain(each['fix'])}"
    for head, item in items_of(seen.result):
        if item.status.is_bad:
            yield f"{plain(head)}: {item.status}, so nothing is known of it: {plain(item.error)}"
            if item.fix:
                yield f"    to mend it: {plain(item.fix)}"


def _is_mendable(each: dict[str, Any], force: tuple[str, ...]) -> bool:
    return bool(each["mend"]) or (bool(force) and bool(each["refused"]))


def _mended(result: RunResult) -> dict[str, Json]:
    heads: dict[str, Json] = {}
    for head, item in items_of(result):
        told = {"key": item.key, "status": str(item.status), "changes": list(item.changes)}
        heads.setdefault(head, []).append({**told, "error": item.error, "fix": item.fix})
    return heads
