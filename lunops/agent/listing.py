"""zfs_list: tell the asked-for properties of a dataset and of what stands below it. It only looks.

    {"dataset": "p/x", "properties": ["used", "lunops:lun"], "types": ["volume", "snapshot"], "depth": 1}

`data` is a list of {"name": …, PROPERTY: value}, the values as `zfs list -p` prints them: exact, `-` where there is
none, and always text, since a guid is more than a number of JSON can hold everywhere. Nothing else is read: some
properties cost ZFS a look at every snapshot.
"""

from __future__ import annotations

import re

from lunops.agent import zfs
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.work import guarded

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Sequence, Tuple

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_MISSING = re.compile(r"cannot open '(.*)': (?:(?:dataset|snapshot) does not exist|no such pool)")
# said of a volume when only file systems are wanted: there are none
_NONE_OF_THEM = re.compile(r"cannot open '.*': operation not applicable to datasets of this type")
_NAMES_AT_ONCE = 500  # keeps one command's arguments far below the kernel's limit


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: one command for all items that want to know the same."""
    groups: Dict[Tuple[Tuple[str, ...], Tuple[str, ...], int], List[Item]] = {}
    for item in items:
        asked = (tuple(item.args["properties"]), tuple(item.args["types"]), item.args["depth"])
        groups.setdefault(asked, []).append(item)
    for (properties, types, depth), some in groups.items():
        if work.is_over():
            for item in some:
                work.skip(item)
            continue
        outcomes = {item.key: Outcome() for item in some}
        begun = work.system.monotonic()
        failed = Outcome()
        guarded(failed, lambda: _fill(work.system, some, outcomes, properties, types, depth))  # noqa: B023
        for item in some:
            outcome = outcomes[item.key]
            if failed.error:
                outcome.fail(ItemError(failed.error, failed.fix))
            work.report(item, outcome, (work.system.monotonic() - begun) / len(some))


def _fill(
    system: System,
    items: Sequence[Item],
    outcomes: Dict[str, Outcome],
    properties: Tuple[str, ...],
    types: Tuple[str, ...],
    depth: int,
) -> None:
    columns = ["name", *(name for name in properties if name != "name")]
    missing: List[str] = []
    found = rows(system, [item.args["dataset"] for item in items], columns, types, depth, missing)
    for item in items:
        dataset, outcome = item.args["dataset"], outcomes[item.key]
        if dataset in missing:
            outcome.fail(ItemError("%s does not exist" % dataset, "see: zfs list"))
        else:
            mine = [row for row in found if _is_within(row[0], dataset, depth)]
            outcome.data = [{name: row[place] for place, name in enumerate(columns)} for row in mine]


def rows(
    system: System,
    names: Iterable[str],
    columns: Sequence[str],
    types: Sequence[str],
    depth: int,
    missing: List[str] | None = None,
) -> List[List[str]]:
    """Return what `zfs list` prints, by columns, of these datasets and what is no more than `depth` below them.

    The names that are not there go into `missing`. Raises ItemError if ZFS cannot be asked, or if an answer cannot
    be told apart.
    """
    found: List[List[str]] = []
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        some = wanted[start : start + _NAMES_AT_ONCE]
        argv = ["zfs", "list", "-Hp", "-t", ",".join(types), "-d", str(depth), "-o", ",".join(columns), *some]
        output = system.run(argv)
        lines = [line.strip() for line in output.err.splitlines() if line.strip()]
        gone = [match.group(1) for match in map(_MISSING.match, lines) if match]
        unclear = [line for line in lines if not _MISSING.match(line) and not _NONE_OF_THEM.match(line)]
        if unclear or output.code not in (0, 1):
            raise ItemError("zfs list failed: %s" % (unclear[0] if unclear else zfs.said(output)))
        if missing is not None:
            missing += gone
        for line in output.out.splitlines():
            row = line.split("\t")
            if len(row) != len(columns):
                raise ItemError(
                    "zfs list answered %r, which is not one value for each of %s" % (line[:200], ", ".join(columns)),
                    "a property's value there holds a tab or a newline: leave that property out, or set it anew",
                )
            found.append(row)
    return found


def _is_within(name: str, dataset: str, depth: int) -> bool:
    """Return whether a dataset or snapshot is the one that was asked for, or no more than `depth` below it."""
    if name == dataset:
        return True
    rest = name[len(dataset) :]
    return (
        name.startswith(dataset) and rest[0] in "/@#" and rest.count("/") + rest.count("@") + rest.count("#") <= depth
    )
