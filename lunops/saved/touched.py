"""Which datasets, snapshots and targets a task's items are about, by the head that has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lunops.model import Item, Json, Task

_ONE = ("dataset", "src", "dst", "snapshot", "in_place_of", "lun")  # arguments that name one
_MANY = ("snapshots",)
_VOLUMES = "/dev/zvol/"
_MODULES = frozenset({"lun", "wait_for_device", "sessions", "reconcile", "adopt"})


@dataclass(kw_only=True)
class Touched:
    """The names that are to be looked at on one head."""

    datasets: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        """Take a name in, for what it is; what drift calls a LUN may be its target and its dataset in one."""
        for word in name.split():
            (self.targets if word.startswith(("iqn.", "naa.", "eui.")) else self.datasets).add(word)


def note(found: dict[str, Touched], head: str, task: Task) -> None:
    """Add what a task on a head is about; what it is about on a peer is added to the peer's."""
    if not (task.module in _MODULES or task.module.startswith(("zfs_", "lio_"))):
        return  # `src` of a copy is a file
    for item in task.items:
        for of, name in _names(head, item):
            found.setdefault(of, Touched()).add(name)


def _names(head: str, item: Item) -> Iterable[tuple[str, str]]:
    for key, name in _of(item.args):
        yield (item.peer.name if item.peer is not None and key == "dst" else head), name


def _of(args: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for key, value in args.items():
        if (key in _ONE or key == "wwn") and isinstance(value, str):
            yield key, value
        elif key in _MANY:
            yield from ((key, each) for each in value if isinstance(each, str))
        elif key == "fragment" and isinstance(value, Mapping):
            for storage in value.get("storage_objects", ()):
                if str(storage.get("dev", "")).startswith(_VOLUMES):
                    yield key, storage["dev"].removeprefix(_VOLUMES)
            yield from ((key, target["wwn"]) for target in value.get("targets", ()))
        elif isinstance(value, Mapping) and key not in ("properties", "marks"):
            yield from _of(value)  # `lun` is made of the arguments of others
