"""lio_discovery: who may ask this head for its targets. One setting for the whole head, whoever's targets they are.

    {"enable": true, "userid": "u", "password": "…", "mutual_userid": "", "mutual_password": ""}

What is empty is forgotten. The secrets before the change stay in the head's records, for an undo.
"""

from __future__ import annotations

import uuid

from lunops.agent import lio, steps, takeback
from lunops.agent.fragment import DIR, VALUE, Entry
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.work import explain, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

    Wanted = Dict[str, Any]

FOLDER = lio.ISCSI + "/discovery_auth"
_FILES = {
    "userid": "userid",
    "password": "password",
    "mutual_userid": "userid_mutual",
    "mutual_password": "password_mutual",
}


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    with lio.locked(work):
        if not work.check:
            lio.load(work.system)
        for item in items:
            begun = work.system.monotonic()
            outcome = Outcome()
            guarded(outcome, lambda: _one(work, item.args, outcome))  # noqa: B023 - called at once
            work.report(item, outcome, work.system.monotonic() - begun)


def _one(work: Work, wanted: Wanted, outcome: Outcome) -> None:
    recorded = Records(work.system)
    before = {"wanted": recorded.discovery.get("wanted"), "kernel": read(work.system)}
    if not _apply(work, wanted, outcome) or work.check:
        return
    token = uuid.uuid4().hex
    recorded.discovery = {"wanted": dict(wanted), "before": dict(before, token=token)}
    recorded.write()
    outcome.made.append(["discovery", token])


def _apply(work: Work, wanted: Wanted, outcome: Outcome) -> bool:
    """Have it in the kernel and in saveconfig.json; return whether anything was, or would be, changed."""
    system, saved = work.system, SaveConfig(work.system)
    found = entries(wanted)
    # its folder comes with the fabric; in check mode, before anything was ever shared, it may not be there yet
    way = [step for step in steps.difference(found, steps.observe(system, found)) if step.call == steps.WRITE]
    outcome.changes += [str(step) for step in way]
    module = saved_form(wanted, saved.fabric("iscsi"))
    is_saved = module == saved.fabric("iscsi")
    if not is_saved:
        outcome.changes.append("save the authentication of discovery")
    if work.check or not outcome.changes:
        return bool(outcome.changes)
    done: List[steps.Step] = []
    try:
        steps.apply(system, way, done)
        saved.put_fabric(module)
        saved.write()
    except (ItemError, OSError) as error:
        outcome.rolled_back, outcome.left_behind = takeback.take_back(system, done)
        raise (
            error
            if isinstance(error, ItemError)
            else ItemError("saveconfig.json was not written: %s" % explain(error), "mend that, then run again")
        ) from None
    return True


def entries(wanted: Wanted) -> List[Entry]:
    """Return what configfs should hold; authentication is asked for once the secrets are there, and never before."""
    enforce = Entry(VALUE, FOLDER + "/enforce_discovery_auth", "1" if wanted["enable"] else "0")
    secrets = [
        Entry(VALUE, "%s/%s" % (FOLDER, file), wanted.get(key) or "", secret=True) for key, file in _FILES.items()
    ]
    return [Entry(DIR, FOLDER), *secrets, enforce] if wanted["enable"] else [Entry(DIR, FOLDER), enforce, *secrets]


def read(system: System) -> Wanted:
    """Return what the kernel has."""
    if not system.is_dir(FOLDER):
        return {"enable": False}
    found: Wanted = {"enable": steps.clean(system.read(FOLDER + "/enforce_discovery_auth")) == "1"}
    for key, file in _FILES.items():
        value = steps.clean(system.read("%s/%s" % (FOLDER, file)))
        if value and not value.startswith("NULL"):
            found[key] = value
    return found


def saved_form(wanted: Wanted, there: Dict[str, Any]) -> Dict[str, Any]:
    """Return the fabric module of saveconfig.json as it should be: other keys as they are."""
    module = {key: value for key, value in there.items() if not key.startswith("discovery_")}
    module["discovery_enable_auth"] = wanted["enable"]
    module.update({"discovery_" + key: wanted[key] for key in _FILES if wanted.get(key)})
    return module


def take_back(work: Work, token: str, outcome: Outcome) -> None:
    """Restore what stood there before the change with this token."""
    with lio.locked(work):
        recorded = Records(work.system)
        before = recorded.discovery.get("before", {})
        if before.get("token") != token:
            raise ItemError("the authentication of discovery was changed again since", "set it as you want it")
        _apply(work, before["kernel"], outcome)
        recorded.discovery = {"wanted": before["wanted"]} if before["wanted"] else {}
        recorded.write()
