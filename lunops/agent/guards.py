"""Guards: who uses a dataset, and the refusal that names them unless each kind of use is overridden by its name.

`force` is a list of kinds. It is empty by default, and no kind implies another.
"""

from __future__ import annotations

from lunops.agent import holders, lio, zfs
from lunops.agent.below import below
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import List, Sequence

    from lunops.agent.below import Below
    from lunops.agent.holders import Exports
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
    if SESSIONS in kinds or EXPORTED in kinds:
        found += export_uses(system, holders.Exports(system), dataset, kinds)
    if HOLDERS in kinds:
        found += holder_uses(system, dataset)
    if CLONES in kinds or CHILDREN in kinds or SNAPSHOTS in kinds:
        found += below_uses(below(system, [dataset]).get(dataset, []), kinds)
    if UNMARKED in kinds:
        now = zfs.observe(system, [dataset], (zfs.MANAGED,)).get(dataset)
        if now is not None and now.local(zfs.MANAGED) != "1":
            found.append(unmarked(dataset))
    return found


def export_uses(system: System, exports: Exports, dataset: str, kinds: Sequence[str]) -> List[Use]:
    """Return the sessions on a dataset and its storage objects; many datasets are asked of one `exports`."""
    found: List[Use] = []
    if SESSIONS in kinds:
        for target in exports.targets(dataset):
            for who in lio.sessions(system, target):
                found.append(
                    Use(
                        SESSIONS,
                        "%s is logged in to %s" % (who, target.rsplit("/", 1)[-1]),
                        "log the initiator out (iscsiadm -m node -u, or shut the node down)",
                    )
                )
    if EXPORTED in kinds:
        for name in exports.storage_objects(dataset):
            found.append(
                Use(EXPORTED, "it is exported by the storage object %s" % name, "unshare it first (lio_absent)")
            )
    return found


def holder_uses(system: System, dataset: str) -> List[Use]:
    """Return who holds a dataset's device, what only has it open left out: udev's blkid does so all the time."""
    return [
        Use(HOLDERS, "it is %s" % who, "end that first (umount, swapoff, vgchange -an, multipath -f …)")
        for who in holders.held(system, dataset)
    ]


def below_uses(things: Sequence[Below], kinds: Sequence[str]) -> List[Use]:
    """Return the snapshots and children right below a dataset, and the clones of those snapshots."""
    found: List[Use] = []
    for thing in things:
        kind = SNAPSHOTS if thing.is_snapshot else CHILDREN
        if kind in kinds:
            found.append(Use(kind, "it has %s" % thing.name, "destroy that first"))
        if CLONES in kinds:
            found += [
                Use(CLONES, "%s is a clone of %s" % (clone, thing.name), "destroy the clones first, or promote them")
                for clone in thing.clones
            ]
    return found


def unmarked(name: str, fix: str = "destroy it by hand if it must go") -> Use:
    """Return the use of what lunops did not make: somebody else's."""
    return Use(
        UNMARKED,
        "%s was not made by lunops (no local property %s)" % (name, zfs.MANAGED),
        fix,
    )


def refuse(found: Sequence[Use], force: Sequence[str], doing: str, may: Sequence[str] = KINDS) -> None:
    """Raise ItemError naming every use whose kind is not forced; `doing` is such as `destroy p/x`.

    `may` are the kinds that can be forced at all: the remedy names no other.
    """
    against = [use for use in found if use.kind not in force]
    if not against:
        return
    kinds = [kind for kind in KINDS if kind in may and kind in {use.kind for use in against}]
    raise ItemError(
        "will not %s: %s" % (doing, "; ".join(use.who for use in against[:10]) + (" …" if len(against) > 10 else "")),
        "; ".join(dict.fromkeys(use.fix for use in against)) + ("; or force: [%s]" % ", ".join(kinds) if kinds else ""),
    )
