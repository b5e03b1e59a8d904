"""adopt: take a LUN that lunops did not export into its hands, as it is: set the marks, write the record.

    {"dataset": "p/x"}                     one LUN
    {"dataset": ""}                        in check mode only: look for all that could be adopted

`data` is a list of {"wwn", "dataset", "storage_object", "serial", "changes", "refused", "fix"}.
Kernel and saveconfig.json stay as they are: names, serial, ACLs, sessions. The record is read back from the kernel.
"""

from __future__ import annotations

import uuid

from lunops.agent import adoptable, lio, records, runs, steps, zfs
from lunops.agent.look import dataset_of, marks
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.records import Records
from lunops.agent.saveconfig import SaveConfig
from lunops.agent.storage_objects import StorageObjects
from lunops.agent.work import UndoKind, guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    with lio.locked(work):
        known = _Known(work.system)
        for item in items:
            outcome = Outcome()
            guarded(outcome, lambda: _one(work, item.args["dataset"], known, outcome))  # noqa: B023 - called at once
            work.report(item, outcome)


class _Known:
    """Every target of the head that is not lunops' yet, by the volume behind it."""

    def __init__(self, system: System) -> None:
        self.recorded = Records(system)
        self.saved = SaveConfig(system)
        self.marked = marks(system)
        self.candidates: List[_Candidate] = []
        self.objects = StorageObjects(system)
        exported = {record["dataset"] for record in self.recorded.all().values()}
        for wwn in lio.folders(system, lio.ISCSI):
            if ":" in wwn and self.recorded.get(wwn) is None:  # the other folder there is discovery_auth
                candidate = _Candidate(wwn)
                guarded(candidate.outcome, lambda: self._fill(system, candidate))  # noqa: B023
                if candidate.dataset in exported:
                    what = "%s is the volume of another LUN that is recorded" % candidate.dataset
                    candidate.outcome.fail(ItemError(what, "a LUN of lunops is one volume exported as one target"))
                self.candidates.append(candidate)
        _refuse_twice(self.candidates)

    def _fill(self, system: System, candidate: _Candidate) -> None:
        folder = adoptable.volume_of(system, candidate.wwn)
        name = folder.rsplit("/", 1)[1]
        if self.objects.folder(name) != folder:
            raise ItemError("%s exports %s, which is no block device" % (candidate.wwn, folder), "lunops keeps zvols")
        path = system.read(folder + "/udev_path").strip()
        candidate.storage_object = name
        candidate.dataset = dataset_of(path)
        if not candidate.dataset:
            raise ItemError(
                "%s exports %s, which is not the /dev/zvol link of a volume" % (candidate.wwn, path),
                "zd numbers change at every boot: export it by /dev/zvol/POOL/NAME",
            )
        serial = steps.clean(system.read(folder + "/wwn/vpd_unit_serial"))
        try:
            candidate.serial = str(uuid.UUID(serial))
        except ValueError:
            what = "the serial of %s is %r, which is no UUID" % (candidate.wwn, serial)
            raise ItemError(what, "initiators know the disk by it, so it cannot be changed: keep it as it is") from None
        candidate.fragment = adoptable.fragment_of(system, candidate.wwn, self.objects)
        candidate.is_saved = not self.saved.lacks(_named(candidate.fragment))


class _Candidate:
    """One target, and what would become of it."""

    def __init__(self, wwn: str) -> None:
        self.wwn = wwn
        self.dataset = ""
        self.storage_object = ""
        self.serial = ""
        self.fragment: Dict[str, Any] = {}
        self.is_saved = False
        self.outcome = Outcome()  # why it cannot be adopted

    def shown(self, changes: List[str]) -> Dict[str, Any]:
        return {
            "wwn": self.wwn,
            "dataset": self.dataset,
            "storage_object": self.storage_object,
            "serial": self.serial,
            "changes": changes,
            "refused": self.outcome.error,
            "fix": self.outcome.fix,
        }


def _one(work: Work, dataset: str, known: _Known, outcome: Outcome) -> None:
    if not dataset:
        if not work.check:
            raise ItemError("no volume is named", "name it; without a name adopt only looks (check mode)")
        outcome.data = [_told(work, candidate, known) for candidate in known.candidates]
        return
    if known.recorded.of_dataset(dataset):
        return  # it is lunops' already
    mine = [candidate for candidate in known.candidates if candidate.dataset == dataset]
    if not mine:
        raise ItemError(
            "no target exports /dev/zvol/%s" % dataset, "see what could be adopted: lunops adopt -i INVENTORY --check"
        )
    candidate = mine[0]
    if candidate.outcome.error:
        raise ItemError(candidate.outcome.error, candidate.outcome.fix)
    wanted = _marks_of(work, candidate, known)
    outcome.changes += _lines(candidate, wanted)
    outcome.data = [candidate.shown(list(outcome.changes))]
    if work.check:
        return
    # The record first: a marked volume that is exported and has none is found by drift as well, but a record
    # without marks is a whole LUN, that just cannot be destroyed.
    known.recorded.put(candidate.wwn, records.exported(dataset, candidate.fragment))
    known.recorded.write()
    for name, value in sorted(wanted.items()):
        zfs.must(work.system, ["zfs", "set", "%s=%s" % (name, value), dataset])
    outcome.made.append(["adopted", dataset, candidate.wwn, wanted])


def _told(work: Work, candidate: _Candidate, known: _Known) -> Dict[str, Any]:
    wanted: Dict[str, str] = {}
    if not candidate.outcome.error:
        guarded(candidate.outcome, lambda: wanted.update(_marks_of(work, candidate, known)))
    return candidate.shown([] if candidate.outcome.error else _lines(candidate, wanted))


def _marks_of(work: Work, candidate: _Candidate, known: _Known) -> Dict[str, str]:
    """Return the marks that the volume lacks; raises ItemError where it carries those of another LUN."""
    name = candidate.dataset
    names = ("type", zfs.MANAGED, zfs.LUN, zfs.SERIAL, zfs.MADE)
    found = zfs.observe(work.system, [name], names).get(name)
    if found is None or found.value("type") != "volume":
        raise ItemError("%s is no volume of this head" % name, "see: zfs list -t volume")
    who = runs.at_work(work.system, found.local(zfs.MADE))
    if who:
        raise ItemError("%s is in work by %s" % (name, who), "wait for its end")
    other = [each for each, marked in known.marked.items() if marked.get(zfs.LUN) == candidate.wwn and each != name]
    if other:
        raise ItemError("%s is marked on %s already" % (candidate.wwn, other[0]), "see: lunops drift")
    wanted = {zfs.MANAGED: "1", zfs.LUN: candidate.wwn, zfs.SERIAL: candidate.serial}
    for mark in (zfs.LUN, zfs.SERIAL):
        if found.local(mark) not in ("", wanted[mark]):
            raise ItemError(
                "%s is marked %s=%s, and the kernel has %s" % (name, mark, found.local(mark), wanted[mark]),
                "if the kernel is right: zfs inherit %s %s" % (mark, name),
            )
    return {mark: value for mark, value in wanted.items() if found.local(mark) != value}


def _lines(candidate: _Candidate, wanted: Dict[str, str]) -> List[str]:
    lines = ["zfs set %s=%s %s" % (name, value, candidate.dataset) for name, value in sorted(wanted.items())]
    lines.append("record %s with the storage object %s" % (candidate.wwn, candidate.storage_object))
    if not candidate.is_saved:
        lines.append("note: saveconfig.json lacks it; reconcile saves it")
    return lines


def _named(fragment: Dict[str, Any]) -> Dict[str, Any]:
    """Return the fragment with nothing but its names: whether it is saved at all."""
    return {
        "storage_objects": [
            {key: one[key] for key in ("plugin", "name", "dev")} for one in fragment["storage_objects"]
        ],
        "targets": [{key: one[key] for key in ("fabric", "wwn")} for one in fragment["targets"]],
    }


def _refuse_twice(candidates: Sequence[_Candidate]) -> None:
    """Refuse volumes and storage objects that stand behind several targets."""
    for candidate in candidates:
        same = [each.wwn for each in candidates if each.dataset and each.dataset == candidate.dataset]
        if len(same) > 1:
            what = "%s is exported by %d targets: %s" % (candidate.dataset, len(same), ", ".join(same))
            candidate.outcome.fail(ItemError(what, "a LUN of lunops is one volume exported as one target"))


def _take_back(work: Work, step: Sequence[Any], outcome: Outcome) -> None:
    """Take out the record and the marks that were set, each while it is as it was set."""
    _kind, dataset, wwn, wanted = step
    with lio.locked(work, locks=[lio.OUR_LOCK]):
        recorded = Records(work.system)
        record = recorded.get(wwn)
        if record is not None and record["dataset"] == dataset and record["want"] == records.EXPORTED:
            recorded.put(wwn, None)
            recorded.write()
            outcome.changes.append("forget %s" % wwn)
    found = zfs.observe(work.system, [dataset], sorted(wanted)).get(dataset) if wanted else None
    for name in sorted(wanted):
        if found is not None and found.local(name) == wanted[name]:
            zfs.must(work.system, ["zfs", "inherit", name, dataset])
            outcome.changes.append("zfs inherit %s %s" % (name, dataset))


def _by_hand(step: Sequence[Any]) -> str:
    return " && ".join("zfs inherit %s %s" % (name, step[1]) for name in sorted(step[3])) or "lunops drift"


UNDO = UndoKind(_take_back, _by_hand)
