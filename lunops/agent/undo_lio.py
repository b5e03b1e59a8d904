"""Take back what a run made or changed of LIO: each change only if it is still the last one of its target.

made: ["fragment", IQN, DATASET, [[PLUGIN, NAME, DEV]…], [FILE…]]   a new target, and the files made for it
    | ["changed", IQN, TOKEN]    the record's `before` with this token has the old fragment
    | ["unshared", IQN, TOKEN]   the record still has the fragment
    | ["discovery", TOKEN]       the records' `discovery` has what was there before

Fragments hold secrets, so none travels: they stay in the head's records, and a token names them.
"""

from __future__ import annotations

from lunops.agent import absent, converge, discovery, lio, records, steps, takeback
from lunops.agent.outcome import ItemError
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.work import UndoKind

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.outcome import Outcome
    from lunops.agent.work import Work

_AGAIN = "look at it (lunops drift); run the task that you want again"


def _fragment(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    _kind, wwn, dataset, objects, files = step
    args = {
        "wwn": wwn,
        "dataset": dataset,
        "objects": [{"plugin": plugin, "name": name, "dev": dev} for plugin, name, dev in objects],
    }
    with lio.locked(work):
        saved, recorded = SaveConfig(work.system), Records(work.system)
        absent.unshare(work.system, args, saved, outcome.changes, check=False)
        saved.write()
        recorded.put(wwn, None)
        recorded.write()
        for path in files:
            if work.system.exists(path):
                work.system.unlink(path)
                outcome.changes.append("rm %s" % path)


def _changed(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    with lio.locked(work):
        recorded = Records(work.system)
        record = _record(recorded, step[1], step[2])
        _put_back(work, recorded, step[1], record, record["before"]["fragment"], outcome)


def _unshared(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    with lio.locked(work):
        lio.load(work.system)
        recorded = Records(work.system)
        record = _record(recorded, step[1], step[2])
        if record["want"] != records.EXPORTED:
            _put_back(work, recorded, step[1], record, record["fragment"], outcome)


def _record(recorded: Records, wwn: str, token: str) -> Dict[str, Any]:
    record = recorded.get(wwn)
    if record is None or record.get("before", {}).get("token") != token:
        raise ItemError("%s was changed again since" % wwn, _AGAIN)
    return record


def _put_back(
    work: Work,
    recorded: Records,
    wwn: str,
    record: Dict[str, Any],
    fragment: Dict[str, Any],
    outcome: Outcome,
) -> None:
    """Have an older fragment in the kernel and in saveconfig.json again; all of it, or nothing."""
    system, saved = work.system, SaveConfig(work.system)
    done: List[steps.Step] = []
    try:
        way = converge.way(system, fragment, old=record["fragment"])
        converge.refuse_what_is_not_there(system, fragment)
        steps.apply(system, way, done)
    except ItemError:
        takeback.take_back(system, done)
        raise
    saved.put(fragment)
    for one in converge.dropped(record["fragment"], fragment):
        saved.drop("storage_objects", one["plugin"], one["name"])
    saved.write()
    recorded.put(wwn, records.exported(record["dataset"], fragment))
    recorded.write()
    outcome.changes += [str(step) for step in way]
    outcome.changes.append("restore %s as it was recorded before" % wwn)


def _discovery(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    discovery.take_back(work, step[1], outcome)


def _fragment_by_hand(step: Sequence[Any]) -> str:
    return " && ".join(
        ["targetcli /iscsi delete %s" % step[1]]
        + ["targetcli /backstores/%s delete %s" % (plugin, name) for plugin, name, _dev in step[3]]
        + ["rm %s" % path for path in step[4]]
    )


def _changed_by_hand(step: Sequence[Any]) -> str:
    return "lunops drift; the fragment before the change is `before` of %s in %s" % (step[1], records.PATH)


def _unshared_by_hand(step: Sequence[Any]) -> str:
    return "lunops run … (lio_target or lio_fragment) for %s; its fragment is in %s" % (step[1], records.PATH)


def _discovery_by_hand(_step: Sequence[Any]) -> str:
    return "targetcli /iscsi get discovery_auth; what was there before is `discovery` in %s" % records.PATH


KINDS: Dict[str, UndoKind] = {
    "changed": UndoKind(_changed, _changed_by_hand),
    "discovery": UndoKind(_discovery, _discovery_by_hand),
    "fragment": UndoKind(_fragment, _fragment_by_hand),
    "unshared": UndoKind(_unshared, _unshared_by_hand),
}
