"""zfs_rollback: have a dataset as it was when its snapshot was taken. What was written since is lost for good.

    {"snapshot": "p/x@1", "force": ["snapshots"]}

Refused while a target exports it, for ZFS would change the disk under initiators that go on with what they have in
their caches; and where newer snapshots would have to go, never if one of these has clones or holds (`-R` is not used).
"""

from __future__ import annotations

from lunops.agent import exports, guards, listing, zfs
from lunops.agent.outcome import ItemError, Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.work import Item, Work

# GUID:WRITTEN of the newest snapshot when lunops rolled back to it. ZFS itself rewrites the head of a volume then
# (dsl_dataset_zero_zil), so that `written` is 1024 and not 0 although nothing differs; and it never falls back to that
# number once anything was written.
ROLLED_BACK = "lunops:rolledback"
_BASE = ("type", "guid", "createtxg", "written", "volsize", zfs.MANAGED, ROLLED_BACK)


class _Newer:
    """A snapshot or bookmark, newer than the one that is meant."""

    def __init__(self, row: Sequence[str]) -> None:
        self.name, txg, self.holds, self.clones = row
        self.txg = int(txg)

    @property
    def keeps(self) -> str:
        """Say why it may never go, or nothing."""
        if self.clones not in ("-", ""):
            return "%s has the clones %s" % (self.name, self.clones)
        return "%s is held" % self.name if self.holds not in ("-", "0") else ""


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task."""
    names = [item.args["snapshot"] for item in items]
    datasets = sorted({name.split("@")[0] for name in names})
    with exports.fixed(work) as exported:
        # What was written in the last seconds does not count as `written` yet, and would be taken for nothing.
        work.system.run(["zpool", "sync", *sorted({name.split("/")[0] for name in datasets})])
        found = zfs.observe(work.system, [*names, *datasets], _BASE)
        newer: Dict[str, List[_Newer]] = {}
        columns = ("name", "createtxg", "userrefs", "clones")
        for row in listing.rows(work.system, datasets, columns, ("snapshot", "bookmark"), depth=1):
            newer.setdefault(row[0].replace("#", "@").split("@")[0], []).append(_Newer(row))
        work.each(items, lambda item, outcome: _one(work, item, found, newer, exported, outcome))


def _one(
    work: Work,
    item: Item,
    found: Dict[str, zfs.Found],
    newer: Dict[str, List[_Newer]],
    exported: exports.Exports,
    outcome: Outcome,
) -> None:
    name, force = item.args["snapshot"], item.args.get("force", [])
    dataset = name.split("@")[0]
    if name not in found:
        raise ItemError("the snapshot %s does not exist" % name, "see: zfs list -t snapshot -d 1 %s" % dataset)
    now, then = found[dataset], found[name]
    later = [each for each in newer.get(dataset, ()) if each.txg > int(then.value("createtxg"))]
    rolled_back = "%s:%s" % (then.value("guid"), now.value("written"))
    if not later and (now.value("written") == "0" or now.local(ROLLED_BACK) == rolled_back):
        return
    kept = [each.keeps for each in later if each.keeps]
    if kept:
        raise ItemError(
            "will not roll back to %s: newer ones would have to go, and %s" % (name, "; ".join(kept[:10])),
            "destroy the clones or release the holds (zfs_release) if they may go, or promote the clone (zfs_promote)",
        )
    uses = exported.uses(dataset)
    uses += [guards.Use(guards.SNAPSHOTS, "it has the newer %s" % each.name, "destroy that first") for each in later]
    if now.local(zfs.MANAGED) != "1":
        fix = "see that it is the one you mean, or adopt it"
        uses.append(guards.Use(guards.UNMARKED, "it was not made by lunops (no local %s)" % zfs.MANAGED, fix))
    guards.refuse(uses, force, "roll back %s to @%s" % (dataset, name.split("@")[1]))
    argv = ["zfs", "rollback", *(["-r"] if later else []), name]
    lost = _lost(work, now, then, later)
    if not work.check:
        zfs.must(work.system, argv)
        outcome.made.append(["rollback", name])
    outcome.changes += [" ".join(argv), *lost]
    if not work.check:
        _note(work, dataset, then)


def _lost(work: Work, now: zfs.Found, then: zfs.Found, later: Sequence[_Newer]) -> List[str]:
    """Return what a rollback takes away, in words."""
    since = "written@%s" % then.name.split("@")[1]
    written: Any = zfs.observe(work.system, [now.name], (since,)).get(now.name)
    lost = ["lost: %s bytes written since then" % (written.value(since) if written else "-")]
    lost += ["lost: %s" % each.name for each in later]
    if now.value("volsize") != then.value("volsize"):
        lost.append("its size goes from %s to %s bytes" % (now.value("volsize"), then.value("volsize")))
    return lost


def _note(work: Work, dataset: str, then: zfs.Found) -> None:
    """Keep what ZFS calls written right after a rollback, so that the next run finds nothing to do."""
    now = zfs.observe(work.system, [dataset], ("written",)).get(dataset)
    if now is not None and now.value("written") not in ("0", "-"):
        mark = "%s=%s:%s" % (ROLLED_BACK, then.value("guid"), now.value("written"))
        work.system.run(["zfs", "set", mark, dataset])  # without it the next run only does the same again
