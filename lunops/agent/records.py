"""What lunops wants of each LUN, kept on the head: the fragment as it was asked for, beside the marks in ZFS.

One private file, written before the kernel is changed, so that whatever dies in between, it says what was meant:

    {"version": 1, "luns": {IQN: {"dataset": "p/x", "want": WANT, "fragment": {…}}}}

`making`: its clone is being made of `origin` by `run`. Its marks come in a transaction of ZFS after the clone's own, so
that a power cut can leave a clone without any: this says whose it is.
A record may have `before`, what its last change replaced, so that this change can be undone: {"token": …, and the
`fragment` where it was another}. Beside `luns` there may be `discovery`, see `lunops.agent.discovery`.

`exported`: have it in the kernel and in saveconfig.json. `unshared`: have it in neither; the clone may stay.
`destroyed`: as unshared, and the clone, which is the one whose `guid` stands there too, is to go.
The fragment holds the storage object's name, which is not ours for a LUN that was adopted.
A clone that is marked for a target and has no record was never exported either: its creation was interrupted.
"""

from __future__ import annotations

import copy
import json

from lunops.agent import lio
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Work

PATH = "/var/lib/lunops/luns.json"
MAKING, EXPORTED, UNSHARED, DESTROYED = "making", "exported", "unshared", "destroyed"
_VERSION = 1
_ZVOL = "/dev/zvol/"


class Records:
    """The file as it was read, and as it should be written. Use under lunops' own LIO lock."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._luns: Dict[str, Dict[str, Any]] = {}
        self.discovery: Dict[str, Any] = {}
        self._old = ""
        if system.exists(PATH):
            self._old = system.read(PATH)
            try:
                value = json.loads(self._old)
                if value["version"] != _VERSION:
                    raise ValueError("its version is %r, not %d" % (value["version"], _VERSION))
                for wwn, record in value["luns"].items():
                    if not (
                        isinstance(record["dataset"], str) and record["want"] in (MAKING, EXPORTED, UNSHARED, DESTROYED)
                    ):
                        raise ValueError("what it says of %s is not a record" % wwn)
                self._luns = value["luns"]
                self.discovery = value.get("discovery", {})
            except (ValueError, AttributeError, KeyError, TypeError) as error:
                raise ItemError(
                    "%s is not what lunops writes: %s" % (PATH, error),
                    "restore it, or move it away: lunops drift then tells what it held; it is never overwritten",
                ) from None

    def all(self) -> Dict[str, Dict[str, Any]]:
        """Return every record, by IQN."""
        return copy.deepcopy(self._luns)

    def get(self, wwn: str) -> Dict[str, Any] | None:
        """Return the record of one target."""
        return copy.deepcopy(self._luns.get(wwn))

    def put(self, wwn: str, record: Dict[str, Any] | None) -> None:
        """Set the record of one target, or with None take it out."""
        if record is None:
            self._luns.pop(wwn, None)
        else:
            self._luns[wwn] = copy.deepcopy(record)

    def of_dataset(self, dataset: str) -> List[str]:
        """Return the IQNs of the targets on a dataset."""
        return sorted(wwn for wwn, record in self._luns.items() if record["dataset"] == dataset)

    def write(self) -> None:
        """Write the file if it differs from what was read."""
        value: Dict[str, Any] = {"version": _VERSION, "luns": self._luns}
        if self.discovery:
            value["discovery"] = self.discovery
        text = _text(value)
        if text == self._old or not (self._old or self._luns or self.discovery):
            return
        self._system.make_dirs(PATH.rsplit("/", 1)[0])
        self._system.replace(PATH, text)
        self._old = text


def _text(value: Dict[str, Any]) -> str:
    """Return the file's text, a line for each LUN: indented all through, it would take many times as long to write."""
    others = ['"%s": %s' % (name, json.dumps(value[name], sort_keys=True)) for name in sorted(value) if name != "luns"]
    luns = value["luns"]
    lines = ["  %s: %s" % (json.dumps(wwn), json.dumps(luns[wwn], sort_keys=True)) for wwn in sorted(luns)]
    return "{\n %s\n}\n" % ",\n ".join([*others, '"luns": {\n%s\n }' % ",\n".join(lines)])


def forget(work: Work, datasets: Sequence[str], *wants: str) -> None:
    """Take out the records of all targets on these datasets, undone or destroyed; only with these wants, if given."""
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        recorded = Records(work.system)
        for dataset in datasets:
            for wwn in recorded.of_dataset(dataset):
                if not wants or (recorded.get(wwn) or {})["want"] in wants:
                    recorded.put(wwn, None)
        recorded.write()


def making(dataset: str, origin: str, run: str) -> Dict[str, Any]:
    """Return the record of a LUN whose clone is about to be made."""
    return {"dataset": dataset, "want": MAKING, "origin": origin, "run": run}


def exported(dataset: str, fragment: Dict[str, Any]) -> Dict[str, Any]:
    """Return the record of a LUN that is wanted."""
    return {"dataset": dataset, "want": EXPORTED, "fragment": fragment}


def without_before(record: Dict[str, Any] | None) -> Dict[str, Any] | None:
    """Return a record without what it says of its own past."""
    return None if record is None else {key: record[key] for key in record if key != "before"}


def unwanted(record: Dict[str, Any], guid: str = "") -> Dict[str, Any]:
    """Return the record of a LUN that is to be unshared, and with a guid of its clone destroyed after that."""
    kept = {"dataset": record["dataset"], "fragment": record.get("fragment", {}), "want": UNSHARED}
    return dict(kept, want=DESTROYED, guid=guid) if guid else kept


def datasets(record: Dict[str, Any]) -> List[str]:
    """Return the volumes of a record: its own one, and those that its fragment is made of."""
    devices = [one["dev"] for one in record.get("fragment", {}).get("storage_objects", [])]
    found = [device[len(_ZVOL) :] for device in devices if device.startswith(_ZVOL)]
    return [name for name in dict.fromkeys([record["dataset"], *found]) if name]


def storage_object(record: Dict[str, Any] | None) -> str:
    """Return the name of the LUN's first storage object, or the empty text if the record has none."""
    for storage in (record or {}).get("fragment", {}).get("storage_objects", []):
        return str(storage["name"])
    return ""
