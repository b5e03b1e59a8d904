"""The modules for snapshots, for a dataset's name and place, and for looking: snapshot, hold, promote, rename, list."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from lunops.errors import BadValueError
from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, ForceKind, Module, SnapshotName, in_pool_of
from lunops.modules.zfs import MADE, MANAGED, PropertyName, PropertyValue
from lunops.names import HoldTag, SnapshotTag
from lunops.validate import Checked, bad_value, checker

_MOST = 1000  # datasets of one instant: their names go into one command
_DEEPEST = 100

TagName = Annotated[SnapshotTag, PlainValidator(checker(SnapshotTag.parse))]
HoldName = Annotated[HoldTag, PlainValidator(checker(HoldTag.parse))]


def _user_property(name: str) -> str:
    if ":" not in name:
        raise bad_value(f"the property {name!r} cannot be set on a snapshot", "only user properties can, with a colon")
    return name


def _listed(name: str) -> str:
    if name in ("all", "space"):
        raise bad_value(f"{name!r} is not a property", "name those that you want to know")
    return name


UserPropertyName = Annotated[PropertyName, AfterValidator(_user_property)]
# also lunops' own marks, and written@SNAPSHOT, userused@USER
ListedName = Annotated[str, Field(pattern=r"\A[a-z0-9][A-Za-z0-9:_.@#-]*\z", max_length=255), AfterValidator(_listed)]
Force = Annotated[list[ForceKind], Field(default_factory=list)]


class ZfsSnapshot(Checked):
    """A snapshot of some datasets of one pool, all of one instant."""

    datasets: Annotated[list[DatasetName], Field(min_length=1, max_length=_MOST)] = Field(
        description="volumes and file systems, snapshotted at one instant"
    )
    name: TagName = Field(description="what stands behind the @")
    properties: dict[UserPropertyName, PropertyValue | int] = Field(
        default_factory=dict, description="user properties to set on the snapshots"
    )


class ZfsHold(Checked):
    """A snapshot, and the tag that it is, or is no longer, held with."""

    snapshot: SnapshotName = Field(description="the snapshot")
    tag: HoldName = Field(description="whose hold it is; a snapshot may have several")


class ZfsRollback(Checked):
    """A snapshot that its dataset is to be as."""

    snapshot: SnapshotName = Field(description="what its dataset is to be as: all that came after it is lost")
    force: Force = Field(description="what to roll back in spite of, each by its name")


class ZfsPromote(Checked):
    """A dataset that is to be no clone; `in_place_of` says of which, where that one is a clone itself."""

    dataset: DatasetName = Field(description="the clone")
    in_place_of: DatasetName | None = Field(
        default=None, description="the dataset that it is to take the place of, where that one is a clone itself"
    )


class ZfsRename(Checked):
    """A dataset, and what it is to be called."""

    src: DatasetName = Field(description="what it is called")
    dst: DatasetName = Field(description="what it is to be called, in the same pool")
    create_parent: bool = Field(default=False, description="make the file systems above it that are missing")
    aside: bool = Field(default=False, description="keep it as the former volume of a LUN that another is to serve")
    force: Force = Field(description="what to rename it in spite of, each by its name")


class ZfsList(Checked):
    """What is to be known of a dataset and of what stands below it."""

    dataset: DatasetName = Field(description="where to begin")
    properties: list[ListedName] = Field(description="what to tell of each; nothing else is read")
    types: Annotated[list[Literal["filesystem", "volume", "snapshot"]], Field(min_length=1)] = Field(
        default_factory=lambda: ["filesystem", "volume"],  # type: ignore[arg-type]  # pydantic's own check is the tighter
        description="what to tell of",
    )
    depth: Annotated[int, Field(ge=0, le=_DEEPEST)] = Field(default=0, description="how far below it; 0: itself alone")


def _snapshot(args: ZfsSnapshot, context: Context) -> Item:
    names = [in_pool_of(context.host, dataset) for dataset in args.datasets]
    first = args.datasets[0]
    for place, dataset in enumerate(args.datasets):
        if dataset.pool != first.pool:
            raise BadValueError(
                f"{dataset} is not in the pool of {first}",
                fix="write an item for each pool: one instant is of one pool",
            )
        if dataset.name in names[:place]:
            raise BadValueError(f"the dataset {dataset} is given twice", fix="give each once")
    marks = {MANAGED: "1"}
    if context.run:
        marks[MADE] = context.run
    snapshots = [str(args.name.of(dataset)) for dataset in args.datasets]
    return Item(
        key=str(args.name.of(first)),
        args={
            "snapshots": snapshots,
            "properties": {name: str(value) for name, value in args.properties.items()},
            "marks": marks,
        },
        perhaps=(("snapshot", snapshots, context.run, {}),) if context.run else (),
    )


def _hold(args: ZfsHold, context: Context) -> Item:
    in_pool_of(context.host, args.snapshot.dataset)
    return Item(key=str(args.snapshot), args={"snapshot": str(args.snapshot), "tag": args.tag.name})


def _rollback(args: ZfsRollback, context: Context) -> Item:
    in_pool_of(context.host, args.snapshot.dataset)
    return Item(key=str(args.snapshot), args={"snapshot": str(args.snapshot), "force": list(args.force)})


def _promote(args: ZfsPromote, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    in_place_of = args.in_place_of.name if args.in_place_of else ""
    if args.in_place_of and args.in_place_of.pool != args.dataset.pool:
        raise BadValueError(f"{in_place_of} is not in the pool of {dataset}", fix="a clone lives in its origin's pool")
    if dataset == in_place_of:
        raise BadValueError(f"{dataset} is to take its own place", fix="name the dataset that it is a clone of")
    return Item(key=dataset, args={"dataset": dataset, "in_place_of": in_place_of})


def _rename(args: ZfsRename, context: Context) -> Item:
    source, destination = in_pool_of(context.host, args.src), args.dst.name
    if args.src.pool != args.dst.pool:
        raise BadValueError(
            f"{args.dst} is not in the pool of {args.src}", fix="name one in the same pool: a dataset cannot leave it"
        )
    for dataset in (args.src, args.dst):
        if dataset.name == dataset.pool:
            raise BadValueError(f"{dataset} is a pool, and no dataset in one", fix="write POOL/NAME")
    if source == destination:
        raise BadValueError(f"{source} is to be called as it is", fix="name another dst")
    if destination.startswith(source + "/"):
        raise BadValueError(f"{destination} is inside of {source}", fix="name a dst that is not below src")
    return Item(
        key=destination,
        args={
            "src": source,
            "dst": destination,
            "create_parent": args.create_parent,
            "aside": args.aside,
            "force": list(args.force),
            "marks": {MADE: context.run} if context.run else {},
        },
    )


def _list(args: ZfsList, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    return Item(
        key=dataset,
        args={
            "dataset": dataset,
            "properties": list(dict.fromkeys(args.properties)),
            "types": list(dict.fromkeys(args.types)),
            "depth": args.depth,
        },
    )


MODULES: tuple[AnyModule, ...] = (
    Module(
        name="zfs_snapshot", summary="take a snapshot of datasets at one instant", args=ZfsSnapshot, expand=_snapshot
    ),
    Module(name="zfs_hold", summary="hold a snapshot, so that nobody destroys it", args=ZfsHold, expand=_hold),
    Module(name="zfs_release", summary="release a hold of a snapshot", args=ZfsHold, expand=_hold),
    Module(name="zfs_rollback", summary="have a dataset as its snapshot", args=ZfsRollback, expand=_rollback),
    Module(name="zfs_promote", summary="make a clone independent of its origin", args=ZfsPromote, expand=_promote),
    Module(name="zfs_rename", summary="rename a dataset", args=ZfsRename, expand=_rename),
    Module(name="zfs_list", summary="tell the properties of datasets", args=ZfsList, expand=_list),
)
