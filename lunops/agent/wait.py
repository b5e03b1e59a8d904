"""wait_for: wait until a port takes connections or no longer does, or a path is there, gone or has a text in it.

    {"host": "127.0.0.1", "port": 3260 or 0, "path": "" or "/x", "state": "started|stopped|present|absent",
     "timeout": 300, "delay": 0, "sleep": 1, "connect_timeout": 5, "search_regex": "", "msg": ""}

The head itself looks. In check mode it looks once: whether what does not hold yet would come, nobody knows.
"""

from __future__ import annotations

import re

from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_READ_BYTES = 8 << 20  # of a file that is searched: its end
_STEP_S = 0.2


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    work.each(items, lambda item, outcome: _one(work, item.args, outcome))


def _one(work: Work, args: Dict[str, Any], outcome: Outcome) -> None:
    system = work.system
    begun = system.monotonic()
    if not work.check:
        _sleep(work, args["delay"])
    found: Dict[str, Any] | None = None
    while True:
        found = {} if not args["port"] and not args["path"] else _look(system, args)
        elapsed = system.monotonic() - begun
        if not args["port"] and not args["path"] and elapsed < args["timeout"] and not work.check:
            found = None  # nothing to wait for but the time
        if found is not None or work.check or elapsed >= args["timeout"] or work.is_over():
            break
        _sleep(work, min(args["sleep"], max(0.0, args["timeout"] - elapsed)))
    outcome.data = {"elapsed": int(elapsed), "state": args["state"], "path": args["path"] or None}
    outcome.data["port"] = args["port"] or None
    if found is not None:
        outcome.data.update(found)
    elif work.check:
        outcome.unknown = True
    elif work.is_over():
        raise ItemError("%s was waited for, until the task was ended" % _shown(args), "give the task a longer timeout")
    else:
        raise ItemError(
            args["msg"] or "Timeout when waiting for %s: %d s were not enough" % (_shown(args), args["timeout"]),
            "look at what should bring it about, or give a longer timeout",
        )


def _shown(args: Dict[str, Any]) -> str:
    what = args["path"] or "%s:%s" % (args["host"], args["port"])
    return what + (" to have %r" % args["search_regex"] if args["search_regex"] else " to be %s" % args["state"])


def _sleep(work: Work, seconds: float) -> None:
    """Wait, and stop if the run is cancelled."""
    until = work.system.monotonic() + seconds
    while work.system.monotonic() < until and not work.is_over():
        work.system.sleep(min(_STEP_S, max(0.01, until - work.system.monotonic())))


def _look(system: System, args: Dict[str, Any]) -> Dict[str, Any] | None:
    """Return what is told if it holds, else None."""
    is_wanted = args["state"] in ("started", "present")
    pattern = re.compile(args["search_regex"], re.MULTILINE) if args["search_regex"] else None
    if args["path"]:
        there = system.info(args["path"], follow=True) is not None
        if pattern is None or not there:
            return {} if there == is_wanted else None
        text = system.read_bytes(args["path"])[-_READ_BYTES:].decode("utf-8", "replace")
        return _matched(pattern.search(text), is_wanted=is_wanted)
    said = system.reach(args["host"], args["port"], args["connect_timeout"], pattern)
    if pattern is None or said is None:
        return {} if (said is not None) == is_wanted else None
    return _matched(pattern.search(said), is_wanted=is_wanted)


def _matched(match: re.Match[str] | None, *, is_wanted: bool) -> Dict[str, Any] | None:
    if (match is not None) != is_wanted:
        return None
    return {"match_groups": match.groups(), "match_groupdict": match.groupdict()} if match else {}
