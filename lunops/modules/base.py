"""What a module is: a name, the arguments that it takes, and how they become an item for the agent."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, cast

from pydantic import BaseModel, PlainValidator

from lunops.errors import BadValueError, PlaybookError
from lunops.model import Host, Item, Json
from lunops.names import Dataset, Iqn, Snapshot
from lunops.near import hint
from lunops.render import Templates
from lunops.validate import check, checker, in_one

A = TypeVar("A", bound=BaseModel)

DatasetName = Annotated[Dataset, PlainValidator(checker(Dataset.parse))]
SnapshotName = Annotated[Snapshot, PlainValidator(checker(Snapshot.parse))]
IqnName = Annotated[Iqn, PlainValidator(checker(Iqn.parse))]
# The kinds of use that a module's `force` overrides, each by its name; told in lunops.agent.guards.
ForceKind = Literal["sessions", "exported", "holders", "clones", "children", "snapshots", "unmarked", "shrink"]


class Files(Protocol):
    """The files beside a playbook."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises `InputError` where there is none, or it is too big."""
        ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an item is made for and with, besides its arguments."""

    host: Host
    templates: Templates
    run: str = ""  # whose work it is; a run takes back, or goes on with, only what carries its own mark
    hosts: Mapping[str, Host] = field(default_factory=dict)  # all heads of the inventory, for what needs two
    files: Files | None = None  # None: there is no playbook, so there is none beside it
    variables: Mapping[str, Json] | None = None  # all that the task sees, for templates; None: those of the host


@dataclass(frozen=True, kw_only=True)
class Module(Generic[A]):
    """A kind of task."""

    name: str
    summary: str
    args: type[A]
    expand: Callable[[A, Context], Item]
    on_head: bool = True  # False: lunops does it itself, without a connection (lunops.play.actions)
    fails_alone: bool = True  # a failed item leaves later tasks, its head goes on; False: the head leaves the play
    free_form: str = ""  # the argument that a text in place of the arguments stands for, as in `command: ls`
    bare: frozenset[str] = frozenset()  # arguments that are bare expressions, so not filled in beforehand
    is_unknown_in_check: bool = False  # check mode cannot tell what it would do, unless its agent says so

    def item(self, args: Json, context: Context, where: str) -> Item:
        """Return the item for the agent; raises `InputError` with every problem of the arguments."""
        checked, problems = check(self.args, args)
        if checked is None:
            what, fix = in_one(problems)
            raise PlaybookError(f"{self.name}: {what}", where=where, fix=fix)
        return self.expand(checked, context)


def distinct(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items with keys of their own: `ls`, `ls (2)`. For what may be done twice in a loop, as a command."""
    found: dict[str, Item] = {}
    for item in items:
        number = 1
        key = item.key
        while key in found:
            number += 1
            key = f"{item.key} ({number})"
        found[key] = replace(item, key=key)
    return tuple(found.values())


def template_variables(context: Context, own: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return what a template is filled in with: the module's own names, then all that the task sees."""
    # A ChainMap looks names up one by one, so that only those are filled in that the template asks for.
    seen = context.host.variables if context.variables is None else context.variables
    return ChainMap(dict(own), cast("MutableMapping[str, Json]", seen))  # it is only read


def in_pool_of(host: Host, dataset: Dataset) -> str:
    """Return the dataset's name; raises `BadValueError` where the head is known not to have its pool."""
    if host.pools and dataset.pool not in host.pools:
        raise BadValueError(
            f"{host.name} has no pool {dataset.pool!r}, so it cannot hold {dataset}",
            fix=hint(dataset.pool, host.pools, "pools"),
        )
    return dataset.name


def perhaps_made(context: Context, dataset: str, storage_object: str = "") -> tuple[Json, ...]:
    """Return what an agent that died may have left of a dataset to make: taken back if it carries the run's mark."""
    return (("perhaps", dataset, context.run, storage_object),) if context.run else ()


AnyModule = Module[Any]
