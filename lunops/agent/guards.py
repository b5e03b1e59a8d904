"""Guards: who uses a dataset, and the refusal that names them unless each kind of use is overridden by its name.

`force` is a list of kinds. It is empty by default, and no kind implies another.
"""

from __future__ import annotations

from lunops.agent import holders, lio, zfs
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List, Sequence

    from lunops.agent.system import System

SESSIONS = "sessions"  # an initiator is logged in to a target that exports it
EXPORTED = "exported"  # a storage object of LIO is made of it, with or without a session
HOLDERS = "holders"  # its device is mounted, held by LVM or multipath, or open in a process
CLONES = "clones"  # other datasets are clones of its snapshots
CHILDREN = "children"  # other datasets stand below it
SNAPSHOTS = "snapshots"  # it has snapshots that lunops did not make, or newer ones than the one that is meant
UNMARKED = "unmarked"  # it does not carry lunops' own local mark
SHRINK = "shrink"  # what lies behind the new end would be lost
KINDS = (SESSIONS, EXPORTED, HOLDERS, CLONES, CHILDREN, SNAPSHOTS, UNMARKED, SHRINK)


class Use:
    """One reason against touching a dataset: its kind, who or what it is, and how to end it."""

    def __init__(self, kind: str, who: str, fix: str) -> None:
        self.kind = kind
        self.who = who
        self.fix = fix


def uses(system: System, dataset: str, kinds: Sequence[str]) -> List[Use]:
    """Return what of these kinds uses the dataset; each kind that is not asked for costs nothing."""
    found: List[Use] = []
    if SESSIONS in kinds:
        for target in holders.targets(system, dataset):
            for who in lio.sessions(system, target):
                found.append(
                    Use(
                        SESSIONS,
                        "%s is logged in to %s" % (who, target.rsplit("/", 1)[-1]),
                        "log the initiator out (iscsiadm -m node -u, or shut the node down)",
                    )
                )
    if EXPORTED in kinds:
        for name in holders.storage_objects(system, dataset):
            found.append(
                Use(EXPORTED, "it is exported by the storage object %s" % name, "unshare it first (lio_absent)")
            )
    if CHILDREN in kinds or SNAPSHOTS in kinds:
        for name in zfs.dependents(system, [dataset]).get(dataset, []):
            kind = SNAPSHOTS if "@" in name else CHILDREN
            if kind in kinds:
                found.append(Use(kind, "it has %s" % name, "destroy that first"))
    return found


def refuse(found: Sequence[Use], force: Sequence[str], doing: str) -> None:
    """Raise ItemError naming every use whose kind is not forced; `doing` is such as `destroy p/x`."""
    against = [use for use in found if use.kind not in force]
    if not against:
        return
    kinds = [kind for kind in KINDS if kind in {use.kind for use in against}]
    raise ItemError(
        "will not %s: %s" % (doing, "; ".join(use.who for use in against[:10]) + (" …" if len(against) > 10 else "")),
        "%s; or force: [%s]" % ("; ".join(dict.fromkeys(use.fix for use in against)), ", ".join(kinds)),
    )
