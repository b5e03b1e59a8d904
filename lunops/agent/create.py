"""zfs_volume, zfs_filesystem: make each dataset that is not there yet, with the parents that it needs.

    {"dataset": "p/x", "create_parent": false, "properties": {…}, "marks": {…}}
    and for a volume: "size": BYTES, "sparse": false, "block_size": BYTES or null

absent → `zfs create`; there, and the same → kept, properties set where they differ; anything else → error. A volume
is never resized here: that is zfs_resize's to do.
"""

from __future__ import annotations

from lunops.agent import properties as props
from lunops.agent import zfs
from lunops.agent.outcome import ItemError
from lunops.agent.parents import Parents

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Set

    from lunops.agent.outcome import Outcome
    from lunops.agent.work import Item, Work

FILESYSTEM, VOLUME = "filesystem", "volume"
_BASE = ("type", "origin", "volsize", "volblocksize", "refreservation", zfs.MANAGED, zfs.MADE)


def volumes(work: Work, items: Sequence[Item]) -> None:
    """Do the task zfs_volume."""
    _run(work, items, VOLUME)


def filesystems(work: Work, items: Sequence[Item]) -> None:
    """Do the task zfs_filesystem."""
    _run(work, items, FILESYSTEM)


def _run(work: Work, items: Sequence[Item], kind: str) -> None:
    there: Dict[str, zfs.Found] = {}  # in check mode: what earlier levels would have made
    for level in _levels(items):
        _level(work, level, kind, there)


def _levels(items: Sequence[Item]) -> List[List[Item]]:
    """Return the items so that what others are to live in comes before them; nearly always all in one."""
    names = {item.args["dataset"] for item in items}
    if not any(parent in names for item in items for parent in zfs.parents_of(item.args["dataset"])):
        return [list(items)]
    depths: Dict[int, List[Item]] = {}
    for item in items:
        depths.setdefault(item.args["dataset"].count("/"), []).append(item)
    return [depths[depth] for depth in sorted(depths)]


def _level(work: Work, items: Sequence[Item], kind: str, there: Dict[str, zfs.Found]) -> None:
    names = [name for item in items for name in (item.args["dataset"], *zfs.parents_of(item.args["dataset"]))]
    wanted = {name for item in items for name in item.args["properties"]}
    observed, unknown = props.observe(work.system, names, [*_BASE, *sorted(wanted.difference(_BASE))])
    found = dict(there, **observed)
    done: Set[str] = set()

    def check(item: Item) -> None:
        for name in item.args["properties"]:
            if name in unknown:
                raise unknown[name]

    parents = Parents(work, "dataset")
    parents.make_all(items, found, check)

    def one(item: Item, outcome: Outcome) -> None:
        check(item)
        dataset = item.args["dataset"]
        if dataset in found:
            _keep(work, item, kind, found, outcome)
        else:
            parents.check(item, outcome)
            _make(work, item, kind, outcome)
        done.add(dataset)

    work.each(items, one)
    parents.take_back_unused(done)
    if work.check:
        for name in done.difference(found):
            there[name] = zfs.Found(name)
            there[name].properties["type"] = (kind, "-")


def command(args: Dict[str, Any], kind: str) -> List[str]:
    """Return the argv that makes the dataset."""
    argv = ["zfs", "create"]
    if kind == VOLUME:
        argv += ["-s"] if args["sparse"] else []
        argv += ["-b", str(args["block_size"])] if args["block_size"] else []
    settings = dict(args["properties"], **args["marks"])
    argv += [word for name in sorted(settings) for word in ("-o", "%s=%s" % (name, settings[name]))]
    return argv + (["-V", str(args["size"])] if kind == VOLUME else []) + [args["dataset"]]


def rounded(size: int, block: int) -> int:
    """Return the size that ZFS makes of it: the next multiple of the volume's block size."""
    return -(-size // block) * block


def _make(work: Work, item: Item, kind: str, outcome: Outcome) -> None:
    args = item.args
    dataset, mark = args["dataset"], args["marks"].get(zfs.MADE, "")
    argv = command(args, kind)
    if not work.check:
        output = work.system.run(argv)
        if output.code != 0:
            # Another may have made it meanwhile, or the command was ended by its deadline: look, never assume.
            now = zfs.observe(work.system, [dataset], _BASE).get(dataset)
            if now is None or not mark or now.local(zfs.MADE) != mark:
                raise ItemError("zfs create failed: %s" % zfs.said(output), _fix_for(output.err))
    outcome.changes.append(zfs.shown(argv))
    outcome.made.append([kind, dataset, mark, ""])


def _fix_for(text: str) -> str:
    if "out of space" in text:
        return "free space in the pool, raise the quota, or make it sparse"
    if "does not apply" in text:
        return "leave that property out"
    return ""


def _keep(work: Work, item: Item, kind: str, found: Dict[str, zfs.Found], outcome: Outcome) -> None:
    """Keep a dataset that is there, if it is the one that is wanted."""
    args = item.args
    dataset, mark = args["dataset"], args["marks"].get(zfs.MADE, "")
    now = found[dataset]
    if now.value("type") != kind or now.value("origin") not in ("-", ""):
        is_clone = now.value("origin") not in ("-", "")
        raise ItemError(
            "%s exists and is a %s%s, not a %s of its own"
            % (dataset, now.value("type"), ", a clone of " + now.value("origin") if is_clone else "", kind),
            "name another dataset, or destroy that one first",
        )
    if mark and now.local(zfs.MADE) == mark:
        # An interrupted run goes on: it is this run's own work.
        outcome.changes.append("%s was made earlier in this run" % dataset)
        for parent in zfs.parents_of(dataset):
            if parent in found and found[parent].local(zfs.MADE) == mark:
                outcome.made.append(["parent", parent, mark])
        outcome.made.append([kind, dataset, mark, ""])
    wanted = dict(args["properties"])
    if kind == VOLUME:
        _compare_volume(args, now)
        if args["sparse"] != (now.value("refreservation") == "0"):
            wanted["refreservation"] = "none" if args["sparse"] else "auto"
    different = props.different(wanted, now)
    if different and now.local(zfs.MANAGED) != "1":
        raise ItemError(
            "%s exists, was not made by lunops, and has other properties: %s"
            % (dataset, ", ".join("%s=%s" % (name, now.value(name)) for name in sorted(different))),
            "set them with zfs_set, or name another dataset",
        )
    props.change(work, props.Job(now, different, [], outcome))


def _compare_volume(args: Dict[str, Any], now: zfs.Found) -> None:
    """Raise ItemError where a volume has another block size or size: the one cannot be changed, the other not here."""
    dataset, block = now.name, int(now.value("volblocksize"))
    if args["block_size"] and args["block_size"] != block:
        raise ItemError(
            "%s has a block size of %d, not %d, and it cannot be changed" % (dataset, block, args["block_size"]),
            "name the block size that it has, or make another volume",
        )
    wanted, size = rounded(args["size"], block), int(now.value("volsize"))
    if wanted > size:
        raise ItemError(
            "%s has %d bytes, and %d are wanted" % (dataset, size, wanted),
            "grow it with zfs_resize: this module never changes a size",
        )
    if wanted < size:
        raise ItemError(
            "%s has %d bytes, and only %d are wanted" % (dataset, size, wanted),
            "name the size that it has; zfs_resize can shrink it, and loses what lies behind the new end",
        )
