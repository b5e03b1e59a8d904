"""state: what datasets, snapshots and targets are at this moment, in short. It only looks.

    {"datasets": ["p/x", "p/x@1"], "targets": [IQN]}

`data` is {"datasets": {name: {"guid": …, "createtxg": …} or null}, "targets": {IQN: {"luns": DIGEST, …} or null}};
null is for what is not there. Of a target there is a digest for each of its parts, so that two looks tell what has
changed without either holding it. Passwords are left out of them: a digest of a short one can be guessed.
"""

from __future__ import annotations

import hashlib
import json

from lunops.agent import lio, readback, zfs
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence

    from lunops.agent.outcome import Outcome
    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

    Look = Dict[str, Optional[Dict[str, str]]]

PROPERTIES = ("guid", "createtxg", "origin", "volsize")
_DIGITS = 16


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    work.each(items, lambda item, outcome: _look(work, item, outcome))


def _look(work: Work, item: Item, outcome: Outcome) -> None:
    datasets: List[str] = item.args["datasets"]
    targets: List[str] = item.args["targets"]
    outcome.data = {"datasets": _datasets(work.system, datasets) if datasets else {}, "targets": {}}
    if targets:
        with lio.locked(work, locks=(lio.OUR_LOCK,)):  # no task of ours is in the middle of one
            outcome.data["targets"] = {wwn: _target(work.system, wwn) for wwn in targets}


def _datasets(system: System, names: Sequence[str]) -> Look:
    found = zfs.observe(system, names, PROPERTIES)
    return {
        name: {each: found[name].value(each) for each in PROPERTIES if found[name].value(each) != "-"}
        if name in found
        else None
        for name in names
    }


def _target(system: System, wwn: str) -> Dict[str, str] | None:
    if not system.is_dir("%s/%s" % (lio.ISCSI, wwn)):
        return None
    try:
        whole = _without_secrets(readback.full(system, wwn))
    except (ItemError, OSError, ValueError) as error:
        return {"half-made": _digest(str(error))}
    found = {"storage objects": _digest(whole.get("storage_objects", []))}
    parts: Dict[str, List[Any]] = {}
    for tpg in whole["targets"][0].get("tpgs", []):
        for key, value in tpg.items():
            parts.setdefault(key, []).append([tpg.get("tag"), value])
    found.update((key.replace("_", " "), _digest(value)) for key, value in parts.items())
    return found


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(each) for key, each in value.items() if not key.startswith("chap_")}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]
